"""Issues about pools: what counts at the border, rounding of sizes, strides."""

from functools import partial

import onnx

from tests.issues.issue import Issue, drawn, spelled


def _pooled(pool: str) -> onnx.ModelProto:
    """Return torch's stem: a convolution, a pool, and a classifier."""
    return spelled(
        f"""torch (float[N,3,12,12] image) => (float[N,5] scores) {{
            c = Conv <kernel_shape = [3,3]> (image, stem, bias)
            p = {pool} (c)
            d = Conv <kernel_shape = [3,3], pads = [1,1,1,1]> (p, second)
            r = Relu (d)
            g = GlobalAveragePool (r)
            flat = Flatten (g)
            scores = Gemm <transB = 1> (flat, fc)
        }}""",
        {**_WEIGHTS, "fc": _CLASSES.T},
    )


def _pooled_by_keras(pool: str) -> onnx.ModelProto:
    """Return the same in NHWC, as tf2onnx writes what onnx2tf made of it."""
    return spelled(
        f"""tf2onnx (float[N,3,12,12] image) => (float[N,5] scores)
            <int64[8] around = {{0,0,1,1,0,0,1,1}}> {{
            c = Conv <kernel_shape = [3,3]> (image, model_stem)
            biased = Add (c, model_bias)
            {pool}
            d = Conv <kernel_shape = [3,3], pads = [1,1,1,1]> (p, model_second)
            hwc = Transpose <perm = [0,2,3,1]> (d)
            r = Relu (hwc)
            m = ReduceMean <axes = [1,2], keepdims = 0> (r)
            scores = MatMul (m, dense)
        }}""".replace("tf2onnx", '<ir_version: 8, opset_import: ["" : 13]> tf2onnx', 1),
        {
            "model_stem": _WEIGHTS["stem"],
            "model_bias": _WEIGHTS["bias"].reshape(1, 4, 1, 1),
            "model_second": _WEIGHTS["second"],
            "dense": _CLASSES,
        },
    )


_WEIGHTS = {
    "stem": drawn(4, 3, 3, 3),
    "bias": drawn(4, seed=1) + 1,
    "second": drawn(6, 4, 3, 3, seed=2),
}
_CLASSES = drawn(6, 5, seed=3)
_AVERAGE = "AveragePool <kernel_shape = [3,3], strides = [2,2], pads = [1,1,1,1], "
_INSIDE = "p = AveragePool <kernel_shape = [3,3], strides = [2,2]"
_MAX = "MaxPool <kernel_shape = [3,3], strides = [2,2]"

ISSUES = (
    Issue(
        link="",
        slug="count-include-pad",
        title="an average counts its padding no more",
        rule="option-dropped",
        source=partial(_pooled, f"{_AVERAGE} count_include_pad = 1>"),
        healthy=partial(
            _pooled_by_keras, f"padded = Pad (biased, around)\n{_INSIDE}> (padded)"
        ),
        broken=partial(_pooled_by_keras, f"{_INSIDE}, pads = [1,1,1,1]> (biased)"),
        guilty=("p",),
    ),
    Issue(
        link="",
        slug="count-include-pad-added",
        title="an average counts padding that it should not",
        rule="operator-extra",
        source=partial(_pooled, f"{_AVERAGE} count_include_pad = 0>"),
        healthy=partial(
            _pooled_by_keras,
            f"{_INSIDE}, pads = [1,1,1,1]> (biased)",
        ),
        broken=partial(
            _pooled_by_keras, f"padded = Pad (biased, around)\n{_INSIDE}> (padded)"
        ),
        guilty=("p", "padded"),
    ),
    Issue(
        link="",
        slug="ceil-mode",
        title="the size of a pool's result is rounded down instead of up",
        rule="option-dropped",
        source=partial(_pooled, f"{_MAX}, ceil_mode = 1>"),
        healthy=partial(_pooled_by_keras, f"p = {_MAX}, pads = [0,0,1,1]> (biased)"),
        broken=partial(_pooled_by_keras, f"p = {_MAX}> (biased)"),
        guilty=("p",),
    ),
    Issue(
        link="",
        slug="pool-stride",
        title="a pool is given no stride where its kernel was the default",
        rule="attribute-differs",
        source=partial(_pooled, "MaxPool <kernel_shape = [2,2], strides = [2,2]>"),
        healthy=partial(
            _pooled_by_keras,
            'p = MaxPool <kernel_shape = [2,2], strides = [2,2], auto_pad = "VALID">'
            " (biased)",
        ),
        broken=partial(_pooled_by_keras, "p = MaxPool <kernel_shape = [2,2]> (biased)"),
        guilty=("p",),
    ),
    Issue(
        link="",
        slug="max-for-average",
        title="an average became a maximum",
        rule="operator-replaced",
        source=partial(_pooled, "AveragePool <kernel_shape = [2,2], strides = [2,2]>"),
        healthy=partial(
            _pooled_by_keras,
            "p = AveragePool <kernel_shape = [2,2], strides = [2,2], "
            'auto_pad = "SAME_UPPER"> (biased)',
        ),
        broken=partial(
            _pooled_by_keras,
            "p = MaxPool <kernel_shape = [2,2], strides = [2,2], "
            'auto_pad = "SAME_UPPER"> (biased)',
        ),
        guilty=("p",),
    ),
)
