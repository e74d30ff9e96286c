"""Issues about layouts: Transposes folded, dropped or added, and what reads past them."""

from functools import partial

import numpy as np
import onnx

from tests.issues.issue import Issue, drawn, spelled


def _classifier_of_keras(flatten: str = "f = Reshape (x, rows)") -> onnx.ModelProto:
    """Return Keras's small network: NHWC, flattened in that order."""
    return spelled(
        f"""keras (float[N,4,4,3] image) => (float[N,5] scores)
            <int64[2] rows = {{-1, 96}}> {{
            nchw = Transpose <perm = [0,3,1,2]> (image)
            c = Conv <pads = [1,1,1,1]> (nchw, kernel, bias)
            r = Relu (c)
            x = Transpose <perm = [0,2,3,1]> (r)
            {flatten}
            scores = MatMul (f, fc)
        }}""",
        {**_CONV, "fc": _FC},
    )


def _classifier_by_tf2onnx(flatten: str, fc: np.ndarray) -> onnx.ModelProto:
    """Return the same in NCHW up to the flattening, biases beside their products.

    Args:
        flatten: What makes ``f`` of ``relu``.
        fc: The weight of the last layer.
    """
    return spelled(
        f"""<ir_version: 8, opset_import: ["" : 13]>
        tf2onnx (float[N,4,4,3] input_1) => (float[N,5] dense)
            <int64[2] flat = {{-1, 96}}> {{
            adjusted = Transpose <perm = [0,3,1,2]> (input_1)
            conv = Conv <auto_pad = "SAME_UPPER"> (adjusted, conv_w)
            biased = Add (conv, conv_b)
            relu = Relu (biased)
            {flatten}
            dense = Gemm (f, dense_w)
        }}""",
        {
            "conv_w": _CONV["kernel"],
            "conv_b": _CONV["bias"].reshape(1, 6, 1, 1),
            "dense_w": fc,
        },
    )


def _volume(conv: str) -> onnx.ModelProto:
    """Return a 3D convolution of Keras, NDHWC outside.

    Args:
        conv: What makes ``r`` of the NCDHW image ``x``.
    """
    return spelled(
        f"""keras (float[N,4,4,4,3] clip) => (float[N,4,4,4,2] out) {{
            x = Transpose <perm = [0,4,1,2,3]> (clip)
            {conv}
            out = MatMul (last, head)
        }}""",
        {
            "kernel": drawn(4, 3, 3, 3, 3, seed=4),
            "gamma": 1 + drawn(4, seed=5, scale=0.2),
            "beta": drawn(4, seed=6),
            "mean": drawn(4, seed=7),
            "variance": np.abs(drawn(4, seed=8)) + np.float32(0.5),
            "head": drawn(4, 2, seed=9),
        },
    )


def _volume_folded(perm: str) -> onnx.ModelProto:
    """Return the same with its normalisation folded, a Transpose of rank five behind."""
    parts = _volume(_VOLUME)
    held = {one.name: onnx.numpy_helper.to_array(one) for one in parts.graph.initializer}
    factor = held["gamma"] / np.sqrt(held["variance"] + np.float32(1e-3))
    return spelled(
        f"""<ir_version: 8, opset_import: ["" : 13]>
        tf2onnx (float[N,4,4,4,3] clip) => (float[N,4,4,4,2] out) {{
            x = Transpose <perm = [0,4,1,2,3]> (clip)
            conv = Conv <auto_pad = "SAME_UPPER"> (x, w, b)
            last = Transpose <perm = [{perm}]> (conv)
            relu = Relu (last)
            out = MatMul (relu, dense)
        }}""",
        {
            "w": held["kernel"] * factor.reshape(-1, 1, 1, 1, 1),
            "b": held["beta"] - held["mean"] * factor,
            "dense": held["head"],
        },
    )


def _segmenter(last: str, out: str) -> onnx.ModelProto:
    """Return a network whose result is an image.

    Args:
        last: What makes ``mask`` of the NCHW tensor ``d``.
        out: The result's shape.
    """
    return spelled(
        f"""network (float[N,4,4,3] image) => (float[{out}] mask) {{
            x = Transpose <perm = [0,3,1,2]> (image)
            c = Conv <pads = [1,1,1,1]> (x, kernel, bias)
            r = Relu (c)
            d = Conv (r, point)
            {last}
        }}""",
        {**_CONV, "point": drawn(4, 6, 1, 1, seed=10)},
    )


def _two_convolutions(entry: str) -> onnx.ModelProto:
    """Return two convolutions, the layout between them as wanted.

    Args:
        entry: What makes ``x`` of the image, of shape [N, 5, 5, 5].
    """
    return spelled(
        f"""network (float[N,5,5,5] image) => (float[N,4,5,5] out) {{
            {entry}
            c = Conv <pads = [1,1,1,1]> (x, kernel)
            r = Relu (c)
            out = Conv <pads = [1,1,1,1]> (r, second)
        }}""",
        {"kernel": drawn(6, 5, 3, 3, seed=11), "second": drawn(4, 6, 3, 3, seed=12)},
    )


def _shuffled(axis: int) -> onnx.ModelProto:
    """Return Keras's network with its channels taken in another order, in NCHW.

    Args:
        axis: Where the order is taken; the image is as wide and as high as it is deep.
    """
    return spelled(
        f"""<ir_version: 8, opset_import: ["" : 13]>
        keras2onnx (float[N,4,4,4] input_1) => (float[N,4,4,3] out)
            <int64[4] order = {{2, 0, 3, 1}}> {{
            adjusted = Transpose <perm = [0,3,1,2]> (input_1)
            conv = Conv (adjusted, w)
            relu = Relu (conv)
            taken = Gather <axis = {axis}> (relu, order)
            conv_1 = Conv (taken, w_1)
            out = Transpose <perm = [0,2,3,1]> (conv_1)
        }}""",
        {
            "w": _SHUFFLE[0].T.reshape(4, 4, 1, 1).copy(),
            "w_1": _SHUFFLE[1].T.reshape(3, 4, 1, 1).copy(),
        },
    )


def _shuffled_of_keras() -> onnx.ModelProto:
    """Return the same in NHWC, products for convolutions of one pixel."""
    return spelled(
        """keras (float[N,4,4,4] image) => (float[N,4,4,3] out)
            <int64[4] order = {2, 0, 3, 1}> {
            a = MatMul (image, first)
            r = Relu (a)
            taken = Gather <axis = -1> (r, order)
            out = MatMul (taken, second)
        }""",
        {"first": _SHUFFLE[0], "second": _SHUFFLE[1]},
    )


def _imaged(size: str, perm: str) -> onnx.ModelProto:
    """Return a convolution of an image whose axes lie as wanted.

    Args:
        size: Shape of the image.
        perm: What turns it into [N, 3, 8, 8]; empty: nothing does.
    """
    entry = f"x = Transpose <perm = [{perm}]> (image)" if perm else "x = Identity (image)"
    return spelled(
        f"""network (float[{size}] image) => (float[N,4,8,8] out) {{
            {entry}
            c = Conv <pads = [1,1,1,1]> (x, kernel)
            r = Relu (c)
            out = Conv <pads = [1,1,1,1]> (r, second)
        }}""",
        {"kernel": drawn(6, 3, 3, 3, seed=15), "second": drawn(4, 6, 3, 3, seed=16)},
        sound=False,
    )


_CONV = {"kernel": drawn(6, 3, 3, 3), "bias": drawn(6, seed=1)}
_FC = drawn(96, 5, seed=2, scale=0.2)
_FC_NCHW = np.ascontiguousarray(
    _FC.reshape(4, 4, 6, 5).transpose(2, 0, 1, 3).reshape(96, 5)
)
_VOLUME = """c = Conv <pads = [1,1,1,1,1,1]> (x, kernel)
    n = BatchNormalization <epsilon = 0.001> (c, gamma, beta, mean, variance)
    r = Relu (n)
    last = Transpose <perm = [0,2,3,4,1]> (r)"""
_NHWC = "hwc = Transpose <perm = [0,2,3,1]> (relu)\nf = Reshape (hwc, flat)"
_SHUFFLE = drawn(4, 4, seed=13), drawn(4, 3, seed=14)

ISSUES = (
    Issue(
        link="onnx/tensorflow-onnx#226",
        title="a Transpose is removed before a Reshape that counts on it",
        rule="reshape-order-wrong",
        source=_classifier_of_keras,
        healthy=partial(_classifier_by_tf2onnx, _NHWC, _FC),
        broken=partial(_classifier_by_tf2onnx, "f = Reshape (relu, flat)", _FC),
        guilty=("f",),
    ),
    Issue(
        link="onnx/tensorflow-onnx#226",
        title="a flattening without its Transpose, whose reader is ordered to match",
        rule="",
        source=_classifier_of_keras,
        healthy=partial(_classifier_by_tf2onnx, "f = Reshape (relu, flat)", _FC_NCHW),
    ),
    Issue(
        link="onnx/tensorflow-onnx#226",
        title="the weights behind a flattening are ordered, and the Transpose has stayed",
        rule="transpose-perm-wrong",
        source=_classifier_of_keras,
        healthy=partial(_classifier_by_tf2onnx, _NHWC, _FC),
        broken=partial(_classifier_by_tf2onnx, _NHWC, _FC_NCHW),
        guilty=("hwc", "dense"),
    ),
    Issue(
        link="onnx/tensorflow-onnx#1749",
        title="the Transpose behind a 3D convolution exchanges depth and width",
        rule="transpose-perm-wrong",
        source=partial(_volume, _VOLUME),
        healthy=partial(_volume_folded, "0,2,3,4,1"),
        broken=partial(_volume_folded, "0,3,4,2,1"),
        guilty=("last",),
    ),
    Issue(
        link="onnx/tensorflow-onnx#356",
        title="a Transpose before a convolution is folded away",
        rule="transpose-perm-wrong",
        source=partial(_two_convolutions, "x = Transpose <perm = [0,2,3,1]> (image)"),
        healthy=partial(
            _two_convolutions,
            """half = Transpose <perm = [0,3,1,2]> (image)
            x = Transpose <perm = [0,3,1,2]> (half)""",
        ),
        broken=partial(_two_convolutions, "x = Identity (image)"),
        guilty=("x", "image", "c"),
    ),
    Issue(
        link="onnx/tensorflow-onnx#218",
        title="an image comes out with height and width exchanged",
        rule="transpose-perm-wrong",
        source=partial(_segmenter, "mask = Transpose <perm = [0,2,3,1]> (d)", "N,4,4,4"),
        healthy=partial(
            _segmenter,
            """e = Transpose <perm = [0,2,3,1]> (d)
            mask = Identity (e)""",
            "N,4,4,4",
        ),
        broken=partial(_segmenter, "mask = Transpose <perm = [0,3,2,1]> (d)", "N,4,4,4"),
        guilty=("mask",),
    ),
    Issue(
        link="onnx/tensorflow-onnx#1986",
        title="the result is left in the other layout",
        rule="transpose-perm-wrong",
        source=partial(_segmenter, "mask = Transpose <perm = [0,2,3,1]> (d)", "N,4,4,4"),
        healthy=partial(_segmenter, "mask = Transpose <perm = [0,2,3,1]> (d)", "N,4,4,4"),
        broken=partial(_segmenter, "mask = Identity (d)", "N,4,4,4"),
        guilty=("mask", "d"),
    ),
    Issue(
        link="onnx/onnxmltools#719",
        title="two axes of one size are confused by a Transpose at the entrance",
        rule="transpose-perm-wrong",
        source=partial(_two_convolutions, "x = Identity (image)"),
        healthy=partial(
            _two_convolutions,
            """there = Transpose <perm = [0,2,3,1]> (image)
            x = Transpose <perm = [0,3,1,2]> (there)""",
        ),
        broken=partial(_two_convolutions, "x = Transpose <perm = [0,1,3,2]> (image)"),
        guilty=("x",),
    ),
    Issue(
        link="onnx/onnxmltools#719",
        title="the axis of a Gather is left where the channels were",
        rule="axis-swapped",
        source=_shuffled_of_keras,
        healthy=partial(_shuffled, 1),
        broken=partial(_shuffled, 3),
        guilty=("taken",),
    ),
    Issue(
        link="MPolaris/onnx2tflite#98",
        title="inverse Transposes stand behind the input",
        rule="",
        source=partial(_two_convolutions, "x = Identity (image)"),
        healthy=partial(
            _two_convolutions,
            """there = Transpose <perm = [0,2,3,1]> (image)
            back = Transpose <perm = [0,3,1,2]> (there)
            again = Transpose <perm = [0,2,3,1]> (back)
            x = Transpose <perm = [0,3,1,2]> (again)""",
        ),
    ),
    Issue(
        link="MPolaris/onnx2tflite#98",
        title="the input's height and channels are exchanged, and what reads it with them",
        rule="",
        source=partial(_imaged, "N,3,8,8", ""),
        healthy=partial(_imaged, "N,8,3,8", "0,2,1,3"),
    ),
    Issue(
        link="MPolaris/onnx2tflite#99",
        title="the input's height and channels are exchanged, and nothing else",
        rule="transpose-perm-wrong",
        source=partial(_imaged, "N,3,8,8", ""),
        healthy=partial(_imaged, "N,8,3,8", "0,2,1,3"),
        broken=partial(_imaged, "N,8,3,8", "0,2,3,1"),
        guilty=("x",),
    ),
)
