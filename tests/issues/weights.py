"""Issues about weights: laid out, scaled, cut, rounded or put in a wrong place."""

from functools import partial

import numpy as np
import onnx

from tests.issues.issue import Issue, drawn, spelled


def _network() -> onnx.ModelProto:
    """Return Keras's network: depth, two convolutions of one shape, and a dense layer."""
    return spelled(
        """keras (float[N,8,8,3] image) => (float[N,5] scores) {
            x = Transpose <perm = [0,3,1,2]> (image)
            c0 = Conv <pads = [1,1,1,1]> (x, stem, bias0)
            r0 = Relu (c0)
            c1 = Conv <pads = [1,1,1,1]> (r0, first, bias1)
            r1 = Relu (c1)
            c2 = Conv <pads = [1,1,1,1]> (r1, second, bias2)
            r2 = Relu (c2)
            up = ConvTranspose <strides = [2,2]> (r2, enlarge)
            t = Tanh (up)
            g = GlobalAveragePool (t)
            flat = Flatten (g)
            scores = Gemm (flat, fc, bias3)
        }""",
        _WEIGHTS,
    )


def _converted(**changed: np.ndarray) -> onnx.ModelProto:
    """Return the same as tf2onnx writes it: biases beside, another head, other names.

    Args:
        changed: Initializers that are not the source's.
    """
    return spelled(
        """<ir_version: 8, opset_import: ["" : 13]>
        tf2onnx (float[N,8,8,3] input_1) => (float[N,5] dense) {
            nchw = Transpose <perm = [0,3,1,2]> (input_1)
            conv = Conv <auto_pad = "SAME_UPPER"> (nchw, w0)
            add = Add (conv, b0)
            relu = Relu (add)
            conv_1 = Conv <auto_pad = "SAME_UPPER"> (relu, w1)
            add_1 = Add (conv_1, b1)
            relu_1 = Relu (add_1)
            conv_2 = Conv <auto_pad = "SAME_UPPER"> (relu_1, w2)
            add_2 = Add (conv_2, b2)
            relu_2 = Relu (add_2)
            enlarged = ConvTranspose <strides = [2,2], auto_pad = "VALID"> (relu_2, wt)
            tanh = Tanh (enlarged)
            mean = ReduceMean <axes = [2,3], keepdims = 0> (tanh)
            product = MatMul (mean, wd)
            dense = Add (product, bd)
        }""",
        {**_CONVERTED, **changed},
    )


def _quantized(kernel: np.ndarray) -> np.ndarray:
    """Return a kernel on the grid of eight bits per channel that TFLite uses."""
    step = np.abs(kernel).max(axis=(1, 2, 3), keepdims=True) / 127
    return np.asarray(np.round(kernel / step) * step, np.float32)


def _emptied(kernel: np.ndarray) -> np.ndarray:
    """Return a kernel whose last three filters were never written."""
    cut = kernel.copy()
    cut[-3:] = 0
    return cut


def _shared(*, source: bool, second: str) -> onnx.ModelProto:
    """Return two layers of one weight, or of one each.

    Args:
        source: Whether torch wrote it; else tf2onnx.
        second: The initializer that the second layer reads.
    """
    first, relu = ("w", "Relu") if source else ("weight", "Relu")
    return spelled(
        f"""tied (float[N,6] x) => (float[N,4] out) {{
            a = MatMul (x, {first})
            r = {relu} (a)
            b = MatMul (r, {second})
            t = Tanh (b)
            out = MatMul (t, head)
        }}""",
        {
            name: array
            for name, array in {
                "w": _TIED,
                "weight": _TIED,
                "copy": _TIED.copy(),
                "other": _OTHER,
                "head": drawn(6, 4, seed=12),
            }.items()
            if name in {first, second, "head"}
        },
    )


_WEIGHTS = {
    "stem": drawn(8, 3, 3, 3),
    "bias0": drawn(8, seed=1),
    "first": drawn(8, 8, 3, 3, seed=2, scale=0.2),
    "bias1": drawn(8, seed=3),
    "second": drawn(8, 8, 3, 3, seed=4, scale=0.2),
    "bias2": drawn(8, seed=5),
    "enlarge": drawn(8, 6, 3, 3, seed=6, scale=0.2),
    "fc": drawn(6, 5, seed=7),
    "bias3": drawn(5, seed=8),
}
_CONVERTED = {
    "w0": _WEIGHTS["stem"],
    "b0": _WEIGHTS["bias0"].reshape(1, 8, 1, 1),
    "w1": _WEIGHTS["first"],
    "b1": _WEIGHTS["bias1"].reshape(1, 8, 1, 1),
    "w2": _WEIGHTS["second"],
    "b2": _WEIGHTS["bias2"].reshape(1, 8, 1, 1),
    "wt": _WEIGHTS["enlarge"],
    "wd": _WEIGHTS["fc"],
    "bd": _WEIGHTS["bias3"],
}
_TIED = drawn(6, 6, seed=10)
_OTHER = drawn(6, 6, seed=11)


def _damaged(slug: str, title: str, rule: str, guilty: str, **changed: np.ndarray) -> Issue:
    """Return an issue of one weight that is not the source's."""
    return Issue(
        link="",
        slug=slug,
        title=title,
        rule=rule,
        source=_network,
        healthy=_converted,
        broken=partial(_converted, **changed),
        guilty=(guilty,),
    )


ISSUES = (
    Issue(
        link="onnx/tensorflow-onnx#2394",
        title="an eight-bit kernel is written out in float32",
        rule="weight-rounded",
        source=_network,
        healthy=_converted,
        broken=partial(_converted, w2=_quantized(_WEIGHTS["second"])),
        guilty=("conv_2",),
    ),
    _damaged(
        "kernel-transposed",
        "a kernel's height and width are exchanged",
        "weight-reordered",
        "conv_1",
        w1=np.ascontiguousarray(_WEIGHTS["first"].swapaxes(2, 3)),
    ),
    _damaged(
        "kernel-channels-exchanged",
        "a kernel's input and output channels are exchanged",
        "weight-reordered",
        "conv_1",
        w1=np.ascontiguousarray(_WEIGHTS["first"].swapaxes(0, 1)),
    ),
    _damaged(
        "kernel-flipped",
        "a transposed convolution's kernel is turned round",
        "weight-reordered",
        "enlarged",
        wt=np.ascontiguousarray(_WEIGHTS["enlarge"][:, :, ::-1, ::-1]),
    ),
    _damaged(
        "kernel-reshaped",
        "a kernel's numbers are read row by row in another layout",
        "weight-reordered",
        "conv",
        w0=_WEIGHTS["stem"].transpose(2, 3, 1, 0).reshape(8, 3, 3, 3),
    ),
    _damaged(
        "kernel-truncated",
        "a kernel's last filters are zero",
        "channels-lost",
        "conv_2",
        w2=_emptied(_WEIGHTS["second"]),
    ),
    _damaged(
        "kernel-scaled",
        "a kernel is scaled by a step of quantization",
        "weight-scaled",
        "conv",
        w0=_WEIGHTS["stem"] * np.float32(0.125),
    ),
    _damaged(
        "kernel-of-another-layer",
        "a kernel is that of the layer behind",
        "weight-misplaced",
        "conv_1",
        w1=_WEIGHTS["second"],
    ),
    _damaged(
        "bias-of-another-layer",
        "a bias is that of the layer before",
        "weight-misplaced",
        "add_2",
        b2=_WEIGHTS["bias1"].reshape(1, 8, 1, 1),
    ),
    _damaged(
        "bias-lost",
        "a bias is zero",
        "bias-differs",
        "add_1",
        b1=np.zeros((1, 8, 1, 1), np.float32),
    ),
    _damaged(
        "kernel-other",
        "one filter of a kernel is not the trained one",
        "weight-differs",
        "conv_2",
        w2=np.concatenate([drawn(1, 8, 3, 3, seed=20), _WEIGHTS["second"][1:]]),
    ),
    Issue(
        link="",
        slug="initializer-duplicated",
        title="a tied weight is written twice",
        rule="",
        source=partial(_shared, source=True, second="w"),
        healthy=partial(_shared, source=False, second="copy"),
    ),
    Issue(
        link="",
        slug="initializer-merged",
        title="two weights of one shape are taken for one",
        rule="weight-misplaced",
        source=partial(_shared, source=True, second="other"),
        healthy=partial(_shared, source=False, second="other"),
        broken=partial(_shared, source=False, second="weight"),
        guilty=("b",),
    ),
)
