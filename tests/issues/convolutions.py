"""Issues about convolutions: padding, dilation, transposed and depthwise ones."""

from functools import partial

import numpy as np
import onnx

from tests.issues.issue import Issue, drawn, spelled

HEAD = "pooled = GlobalAveragePool (r)\n flat = Flatten (pooled)\n scores = Gemm (flat, fc)"
"""What stands behind: a classifier, as most of these networks end in one."""


def _inception(pads: str = 'auto_pad = "SAME_UPPER"') -> onnx.ModelProto:
    """Return a Keras stem as its own layers say it: NHWC outside, automatic padding."""
    return spelled(
        f"""keras (float[N,12,12,3] image) => (float[N,5] scores) {{
            x = Transpose <perm = [0,3,1,2]> (image)
            c = Conv <kernel_shape = [3,3], strides = [2,2], {pads}> (x, kernel)
            b = BatchNormalization <epsilon = 0.001> (c, gamma, beta, mean, variance)
            r = Relu (b)
            {HEAD}
        }}""",
        {"kernel": _STEM, **_NORM, "fc": _CLASSES},
    )


def _inception_by_onnxmltools(pads: str, step: int = 2) -> onnx.ModelProto:
    """Return the same with numbers for the padding and the normalisation folded."""
    factor = _NORM["gamma"] / np.sqrt(_NORM["variance"] + np.float32(1e-3))
    return spelled(
        f"""keras2onnx (float[N,12,12,3] input_1) => (float[N,5] scores) {{
            adjusted = Transpose <perm = [0,3,1,2]> (input_1)
            convolved = Conv <auto_pad = "NOTSET", dilations = [1,1], group = 1,
                kernel_shape = [3,3], pads = [{pads}], strides = [{step},{step}]>
                (adjusted, W, B)
            r = Relu (convolved)
            hwc = Transpose <perm = [0,2,3,1]> (r)
            mean = ReduceMean <axes = [1,2], keepdims = 0> (hwc)
            scores = MatMul (mean, dense)
        }}""".replace("keras2onnx", '<ir_version: 8, opset_import: ["" : 13]> keras2onnx'),
        {
            "W": _STEM * factor.reshape(-1, 1, 1, 1),
            "B": _NORM["beta"] - _NORM["mean"] * factor,
            "dense": _CLASSES,
        },
    )


def _upsampling(settings: str) -> onnx.ModelProto:
    """Return a transposed convolution of torch between two layers."""
    return spelled(
        f"""torch (float[N,3,8,8] image) => (float[N,5] scores) {{
            c = Conv <pads = [1,1,1,1]> (image, first)
            up = ConvTranspose <strides = [2,2], {settings}> (c, weight, bias)
            r = Relu (up)
            d = Conv <pads = [1,1,1,1], strides = [2,2]> (r, last)
            r2 = Relu (d)
            {HEAD.replace("(r)", "(r2)")}
        }}""",
        {**_UP, "last": drawn(6, 6, 3, 3, seed=9), "fc": _CLASSES},
    )


def _upsampling_in_tvm(pads: str) -> onnx.ModelProto:
    """Return the same as it comes back from Relax: the bias reshaped and added."""
    return spelled(
        f"""relax (float[N,3,8,8] x) => (float[N,5] scores) {{
            lv = Conv <dilations = [1,1], group = 1, pads = [1,1,1,1]> (x, w0)
            lv1 = ConvTranspose <dilations = [1,1], group = 1, pads = [{pads}],
                strides = [2,2]> (lv, w1)
            lv2 = Add (lv1, b1)
            lv3 = Relu (lv2)
            lv4 = Conv <pads = [1,1,1,1], strides = [2,2]> (lv3, w2)
            lv5 = Relu (lv4)
            lv6 = ReduceMean <axes = [2,3], keepdims = 0> (lv5)
            scores = MatMul (lv6, w3)
        }}""".replace("relax", '<ir_version: 8, opset_import: ["" : 13]> relax'),
        {
            "w0": _UP["first"],
            "w1": _UP["weight"],
            "b1": _UP["bias"].reshape(1, 6, 1, 1),
            "w2": drawn(6, 6, 3, 3, seed=9),
            "w3": _CLASSES,
        },
    )


def _enlarged_by_keras() -> onnx.ModelProto:
    """Return Conv2DTranspose with "same" padding as Keras defines it: cut at the end."""
    return spelled(
        """keras (float[N,4,4,3] image) => (float[N,8,8,5] scores) {
            x = Transpose <perm = [0,3,1,2]> (image)
            c = Conv <pads = [1,1,1,1]> (x, first)
            up = ConvTranspose <strides = [2,2], pads = [0,0,1,1]> (c, weight, bias)
            r = Relu (up)
            y = Conv (r, point)
            scores = Transpose <perm = [0,2,3,1]> (y)
        }""",
        {**_UP, "point": _POINT},
    )


def _enlarged_by_tf2onnx(transposed: str) -> onnx.ModelProto:
    """Return tf2onnx's: everything computed and cut, the bias beside the operator."""
    return spelled(
        f"""tf2onnx (float[N,4,4,3] image) => (float[N,8,8,5] scores)
            <int64[2] starts = {{0, 0}}, int64[2] ends = {{8, 8}},
             int64[2] axes = {{2, 3}}> {{
            t = Transpose <perm = [0,3,1,2]> (image)
            c = Conv <pads = [1,1,1,1], kernel_shape = [3,3]> (t, conv_w)
            {transposed}
            biased = Add (cut, bias)
            r = Relu (biased)
            p = Conv (r, point)
            scores = Transpose <perm = [0,2,3,1]> (p)
        }}""",
        {
            "conv_w": _UP["first"],
            "up_w": _UP["weight"],
            "bias": _UP["bias"].reshape(1, 6, 1, 1),
            "point": _POINT,
        },
    )


def _tripled() -> onnx.ModelProto:
    """Return MobileNet's pair: a depthwise convolution, two filters a channel, and 1x1."""
    return spelled(
        f"""tf (float[N,4,9,9] image) => (float[N,5] scores) {{
            d = Conv <group = 4, kernel_shape = [3,3], pads = [1,1,1,1]> (image, depth)
            a = Clip (d, low, six)
            r = Conv (a, point)
            {HEAD}
        }}""",
        {
            "depth": _DEPTH.transpose(2, 3, 0, 1).reshape(8, 1, 3, 3),
            "low": np.float32(0),
            "six": np.float32(6),
            "point": drawn(6, 8, 1, 1, seed=5),
            "fc": _CLASSES,
        },
    )


def _tripled_by_tf2onnx(kernel: np.ndarray, group: int = 4) -> onnx.ModelProto:
    """Return the same from NHWC, its kernel laid out from HWCM."""
    return spelled(
        f"""tf2onnx (float[N,4,9,9] image) => (float[N,5] scores) {{
            depthwise = Conv <group = {group}, kernel_shape = [3,3],
                auto_pad = "SAME_UPPER", dilations = [1,1]> (image, w)
            low = Relu (depthwise)
            capped = Min (low, cap)
            r = Conv <kernel_shape = [1,1]> (capped, point_w)
            mean = ReduceMean <axes = [2,3], keepdims = 0> (r)
            scores = MatMul (mean, dense)
        }}""".replace("tf2onnx", '<ir_version: 8, opset_import: ["" : 13]> tf2onnx'),
        {
            "w": np.ascontiguousarray(kernel),
            "cap": np.float32(6),
            "point_w": drawn(6, 8, 1, 1, seed=5),
            "dense": _CLASSES,
        },
    )


_STEM = drawn(6, 3, 3, 3)
_NORM = {
    "gamma": 1 + drawn(6, seed=1, scale=0.2),
    "beta": drawn(6, seed=2),
    "mean": drawn(6, seed=3),
    "variance": np.abs(drawn(6, seed=4)) + np.float32(0.5),
}
_CLASSES = drawn(6, 5, seed=5)
_UP = {
    "first": drawn(4, 3, 3, 3, seed=6),
    "weight": drawn(4, 6, 3, 3, seed=7),
    "bias": drawn(6, seed=8),
}
_POINT = drawn(5, 6, 1, 1, seed=10)
_DEPTH = drawn(3, 3, 4, 2, seed=11)
_CUT = (
    "full = ConvTranspose <strides = [2,2]> (c, up_w)\n"
    "cut = Slice (full, starts, ends, axes)"
)
_SHAPED = "cut = ConvTranspose <strides = [2,2], output_shape = [8,8]> (c, up_w)"
_PADDED = "cut = ConvTranspose <strides = [2,2], pads = [1,1,0,0]> (c, up_w)"

ISSUES = (
    Issue(
        link="onnx/onnxmltools#716",
        title="a strided convolution pads before instead of behind",
        rule="padding-shifted",
        source=_inception,
        healthy=partial(_inception_by_onnxmltools, "0,0,1,1"),
        broken=partial(_inception_by_onnxmltools, "1,1,0,0"),
        guilty=("convolved",),
    ),
    Issue(
        link="onnx/onnxmltools#716",
        title="a strided convolution loses its padding",
        rule="padding-shifted",
        source=_inception,
        healthy=partial(_inception_by_onnxmltools, "0,0,1,1"),
        broken=partial(_inception_by_onnxmltools, "0,0,0,0"),
        guilty=("convolved",),
    ),
    Issue(
        link="",
        slug="auto-pad-lower",
        title="automatic padding puts the odd row on the other side",
        rule="padding-shifted",
        source=partial(_inception_by_onnxmltools, "0,0,1,1"),
        healthy=_inception,
        broken=partial(_inception, 'auto_pad = "SAME_LOWER"'),
        guilty=("c",),
    ),
    Issue(
        link="",
        slug="conv-stride",
        title="a convolution loses its stride",
        rule="attribute-differs",
        source=_inception,
        healthy=partial(_inception_by_onnxmltools, "0,0,1,1"),
        broken=partial(_inception_by_onnxmltools, "1,1,1,1", 1),
        guilty=("convolved",),
    ),
    Issue(
        link="onnx/tensorflow-onnx#323",
        title="a transposed convolution is cut on the other side",
        rule="padding-shifted",
        source=_enlarged_by_keras,
        healthy=partial(_enlarged_by_tf2onnx, _CUT),
        broken=partial(_enlarged_by_tf2onnx, _PADDED),
        guilty=("cut",),
    ),
    Issue(
        link="onnx/tensorflow-onnx#765",
        title="a transposed convolution says its output's shape and not how to reach it",
        rule="padding-shifted",
        source=_enlarged_by_keras,
        healthy=partial(_enlarged_by_tf2onnx, _CUT),
        broken=partial(_enlarged_by_tf2onnx, _SHAPED),
        guilty=("cut",),
    ),
    Issue(
        link="onnx/tensorflow-onnx#1740",
        title="the bias of a transposed convolution stands beside it",
        rule="",
        source=_enlarged_by_keras,
        healthy=partial(_enlarged_by_tf2onnx, _PADDED.replace("1,1,0,0", "0,0,1,1")),
    ),
    Issue(
        link="apache/tvm#18635",
        title="a transposed convolution loses its output padding",
        rule="padding-shifted",
        source=partial(_upsampling, "pads = [1,1,1,1], output_padding = [1,1]"),
        healthy=partial(_upsampling_in_tvm, "1,1,0,0"),
        broken=partial(_upsampling_in_tvm, "1,1,1,1"),
        guilty=("lv1",),
    ),
    Issue(
        link="onnx/tensorflow-onnx#824",
        title="a depthwise kernel's filters are laid out before its channels",
        rule="weight-reordered",
        source=_tripled,
        healthy=partial(
            _tripled_by_tf2onnx, _DEPTH.transpose(2, 3, 0, 1).reshape(8, 1, 3, 3)
        ),
        broken=partial(
            _tripled_by_tf2onnx, _DEPTH.transpose(3, 2, 0, 1).reshape(8, 1, 3, 3)
        ),
        guilty=("depthwise",),
    ),
    Issue(
        link="onnx/tensorflow-onnx#1100",
        title="a depthwise convolution is left without its group",
        rule="option-dropped",
        source=_tripled,
        healthy=partial(
            _tripled_by_tf2onnx, _DEPTH.transpose(2, 3, 0, 1).reshape(8, 1, 3, 3)
        ),
        broken=partial(
            _tripled_by_tf2onnx, _DEPTH.transpose(2, 3, 0, 1).reshape(8, 1, 3, 3), 1
        ),
        guilty=("depthwise",),
    ),
)
