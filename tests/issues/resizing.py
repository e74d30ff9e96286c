"""Issues about resizing and padding: modes, coordinates, the order of the numbers."""

from functools import partial

import numpy as np
import onnx

from tests.issues.issue import Issue, drawn, spelled


def _resized(settings: str, size: int = 10) -> onnx.ModelProto:
    """Return a decoder of torch: a convolution, a resized image, a convolution.

    Args:
        settings: Attributes of the Resize.
        size: Height and width of what it gives.
    """
    return spelled(
        f"""torch (float[N,3,5,5] image) => (float[N,4,{size},{size}] out)
            <int64[4] first = {{0}}, int64[2] size = {{{size}, {size}}}> {{
            c = Conv <pads = [1,1,1,1]> (image, kernel, bias)
            r = Relu (c)
            whole = Shape (r)
            outer = Slice (whole, zero, two)
            sizes = Concat <axis = 0> (outer, size)
            up = Resize <{settings}> (r, , , sizes)
            out = Conv (up, point)
        }}""".replace("int64[4] first = {0}", "int64[1] zero = {0}, int64[1] two = {2}"),
        _WEIGHTS,
    )


def _resized_by_tf2onnx(settings: str, size: int = 10, opset: int = 13) -> onnx.ModelProto:
    """Return the same from Keras: the bias added, scales for sizes, NHWC at the end.

    Args:
        settings: Attributes of the Resize.
        size: Height and width of what it gives.
        opset: Operator set to declare.
    """
    roi = "" if opset < 11 else "roi, "
    return spelled(
        f"""<ir_version: 8, opset_import: ["" : {opset}]>
        tf2onnx (float[N,3,5,5] image) => (float[N,4,{size},{size}] out) {{
            conv = Conv <auto_pad = "SAME_UPPER"> (image, conv_w)
            biased = Add (conv, conv_b)
            relu = Relu (biased)
            resized = Resize <{settings}> (relu, {roi}scales)
            nhwc = Transpose <perm = [0,2,3,1]> (resized)
            product = MatMul (nhwc, dense)
            out = Transpose <perm = [0,3,1,2]> (product)
        }}""",
        {
            "conv_w": _WEIGHTS["kernel"],
            "conv_b": _WEIGHTS["bias"].reshape(1, 6, 1, 1),
            "dense": _WEIGHTS["point"][:, :, 0, 0].T,
            "scales": np.array([1, 1, size / 5, size / 5], np.float32),
            **({"roi": np.zeros(0, np.float32)} if roi else {}),
        },
    )


def _upsampled(mode: str) -> onnx.ModelProto:
    """Return the same as torch exported it for opset 9, where Resize is Upsample.

    Args:
        mode: Which way.
    """
    return spelled(
        f"""<ir_version: 4, opset_import: ["" : 9]>
        torch (float[N,3,5,5] image) => (float[N,4,10,10] out) {{
            c = Conv <pads = [1,1,1,1]> (image, kernel, bias)
            r = Relu (c)
            up = Upsample <mode = "{mode}"> (r, scales)
            out = Conv (up, point)
        }}""",
        {**_WEIGHTS, "scales": np.array([1, 1, 2, 2], np.float32)},
        sound=mode == "linear",
    )


def _padded(mode: str) -> onnx.ModelProto:
    """Return Keras's ZeroPadding2D, or another, in NHWC between two layers."""
    return spelled(
        f"""keras (float[N,6,6,3] image) => (float[N,9,11,4] out)
            <int64[8] pads = {{0, 1, 2, 0, 0, 2, 3, 0}}> {{
            p = MatMul (image, inner)
            shifted = Add (p, bias)
            padded = Pad <mode = "{mode}"> (shifted, pads)
            out = MatMul (padded, outer)
        }}""",
        _DENSE,
    )


def _padded_by_tf2onnx(mode: str, pads: tuple[int, ...]) -> onnx.ModelProto:
    """Return the same in NCHW: 1x1 convolutions and a Pad of its middle axes."""
    return spelled(
        f"""<ir_version: 8, opset_import: ["" : 13]>
        tf2onnx (float[N,6,6,3] image) => (float[N,9,11,4] out) {{
            nchw = Transpose <perm = [0,3,1,2]> (image)
            conv = Conv (nchw, w, b)
            padded = Pad <mode = "{mode}"> (conv, const_pads)
            conv_1 = Conv (padded, w_1)
            out = Transpose <perm = [0,2,3,1]> (conv_1)
        }}""",
        {
            "w": _DENSE["inner"].T.reshape(5, 3, 1, 1).copy(),
            "b": _DENSE["bias"],
            "w_1": _DENSE["outer"].T.reshape(4, 5, 1, 1).copy(),
            "const_pads": np.array(pads),
        },
    )


_WEIGHTS = {
    "kernel": drawn(6, 3, 3, 3),
    "bias": drawn(6, seed=1),
    "point": drawn(4, 6, 1, 1, seed=2),
}
_DENSE = {
    "inner": drawn(3, 5, seed=3),
    "bias": drawn(5, seed=4) + 1,
    "outer": drawn(5, 4, seed=5),
}
_HALF = 'mode = "linear", coordinate_transformation_mode = "half_pixel"'
_TORCH_HALF = _HALF.replace("half_pixel", "pytorch_half_pixel")
_LEGACY = _HALF.replace("half_pixel", "asymmetric")
_ALIGNED = _HALF.replace("half_pixel", "align_corners")
_NEAREST = (
    'mode = "nearest", coordinate_transformation_mode = "asymmetric", '
    'nearest_mode = "floor"'
)
_CUBIC = 'mode = "cubic", cubic_coeff_a = -0.75'
_RIGHT = (0, 0, 1, 2, 0, 0, 2, 3)

ISSUES = (
    Issue(
        link="pytorch/pytorch#12647",
        title="a mode is called as torch calls it, and no runtime knows it",
        rule="mode-unknown",
        source=partial(_resized, _LEGACY),
        healthy=partial(_upsampled, "linear"),
        broken=partial(_upsampled, "bilinear"),
        guilty=("up",),
    ),
    Issue(
        link="",
        slug="resize-mode",
        title="bilinear resizing became nearest",
        rule="option-dropped",
        source=partial(_resized, _TORCH_HALF),
        healthy=partial(_resized_by_tf2onnx, _HALF),
        broken=partial(_resized_by_tf2onnx, _HALF.replace("linear", "nearest")),
        guilty=("resized",),
    ),
    Issue(
        link="pytorch/pytorch#79361",
        title="resizing to a single pixel with torch's old coordinates",
        rule="attribute-differs",
        source=partial(_resized, _HALF, 1),
        healthy=partial(_resized_by_tf2onnx, _HALF, 1),
        broken=partial(_resized_by_tf2onnx, _TORCH_HALF, 1),
        guilty=("resized",),
    ),
    Issue(
        link="pytorch/pytorch#22959",
        title="aligned corners are lost",
        rule="option-dropped",
        source=partial(_resized, _ALIGNED),
        healthy=partial(_resized_by_tf2onnx, _ALIGNED),
        broken=partial(_resized_by_tf2onnx, 'mode = "linear"'),
        guilty=("resized",),
    ),
    Issue(
        link="onnx/tensorflow-onnx#914",
        title="centres of pixels are taken for their corners",
        rule="attribute-differs",
        source=partial(_resized, _HALF),
        healthy=partial(_resized_by_tf2onnx, _HALF),
        broken=partial(_resized_by_tf2onnx, _LEGACY),
        guilty=("resized",),
    ),
    Issue(
        link="onnx/tensorflow-onnx#1385",
        title="the nearest pixel is rounded down where it should be rounded",
        rule="option-dropped",
        source=partial(_resized, _NEAREST, 8),
        healthy=partial(_resized_by_tf2onnx, _NEAREST, 8),
        broken=partial(
            _resized_by_tf2onnx, _NEAREST.replace("floor", "round_prefer_floor"), 8
        ),
        guilty=("resized",),
    ),
    Issue(
        link="",
        slug="cubic-coefficient",
        title="bicubic resizing with another coefficient",
        rule="attribute-differs",
        source=partial(_resized, _CUBIC),
        healthy=partial(_resized_by_tf2onnx, _CUBIC),
        broken=partial(_resized_by_tf2onnx, _CUBIC.replace("0.75", "0.5")),
        guilty=("resized",),
    ),
    Issue(
        link="onnx/tensorflow-onnx#103",
        title="the numbers of a Pad are read begin and end in turn",
        rule="padding-shifted",
        source=partial(_padded, "constant"),
        healthy=partial(_padded_by_tf2onnx, "constant", _RIGHT),
        broken=partial(_padded_by_tf2onnx, "constant", (0, 0, 2, 3, 0, 0, 1, 2)),
        guilty=("padded",),
    ),
    Issue(
        link="",
        slug="pad-mode",
        title="a reflected border became zeros",
        rule="option-dropped",
        source=partial(_padded, "reflect"),
        healthy=partial(_padded_by_tf2onnx, "reflect", _RIGHT),
        broken=partial(_padded_by_tf2onnx, "constant", _RIGHT),
        guilty=("padded",),
    ),
    Issue(
        link="",
        slug="pad-mode-edge",
        title="a reflected border repeats the edge",
        rule="attribute-differs",
        source=partial(_padded, "reflect"),
        healthy=partial(_padded_by_tf2onnx, "reflect", _RIGHT),
        broken=partial(_padded_by_tf2onnx, "edge", _RIGHT),
        guilty=("padded",),
    ),
)
