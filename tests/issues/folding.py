"""Issues about optimisers: folded normalisation, weights that are dead or double."""

from functools import partial

import numpy as np
import onnx

from tests.issues.issue import Issue, drawn, spelled


def _detector(scale: np.ndarray, opset: int = 13) -> onnx.ModelProto:
    """Return two convolutions with normalisation of one input, and their sum.

    Args:
        scale: The first normalisation's scale.
        opset: Operator set to declare.
    """
    return spelled(
        f"""<ir_version: 7, opset_import: ["" : {opset}]>
        yolo (float[N,3,8,8] image) => (float[N,5] scores) {{
            c1 = Conv <pads = [1,1,1,1]> (image, k1)
            n1 = BatchNormalization <epsilon = 0.001> (c1, scale, shift, mean, variance)
            a = LeakyRelu <alpha = 0.1> (n1)
            c2 = Conv <pads = [1,1,1,1]> (a, k2, b2)
            n2 = BatchNormalization <epsilon = 0.001> (c2, s2, h2, m2, v2)
            b = LeakyRelu <alpha = 0.1> (n2)
            sum = Add (a, b)
            g = GlobalAveragePool (sum)
            flat = Flatten (g)
            scores = Gemm (flat, fc, bias)
        }}""",
        {**_CONVS, **_FIRST, **_SECOND, "scale": scale},
    )


def _fused(*extra: tuple[str, np.ndarray], **changed: np.ndarray) -> onnx.ModelProto:
    """Return the same with both normalisations in their convolutions.

    Args:
        extra: Initializers that nothing reads.
        changed: Initializers that are not what folding gives.
    """
    f1 = _FIRST["scale"] / np.sqrt(_FIRST["variance"] + np.float32(1e-3))
    f2 = _SECOND["s2"] / np.sqrt(_SECOND["v2"] + np.float32(1e-3))
    weights = {
        "k1_bn": _CONVS["k1"] * f1.reshape(-1, 1, 1, 1),
        "b1_bn": _FIRST["shift"] - _FIRST["mean"] * f1,
        "k2_bn": _CONVS["k2"] * f2.reshape(-1, 1, 1, 1),
        "b2_bn": _SECOND["h2"] + (_CONVS["b2"] - _SECOND["m2"]) * f2,
        "fc": _CONVS["fc"],
        "bias": _CONVS["bias"],
    }
    return spelled(
        """<ir_version: 8, opset_import: ["" : 13]>
        optimized (float[N,3,8,8] image) => (float[N,5] scores) {
            n1 = Conv <pads = [1,1,1,1]> (image, k1_bn, b1_bn)
            a = LeakyRelu <alpha = 0.1> (n1)
            n2 = Conv <pads = [1,1,1,1]> (a, k2_bn, b2_bn)
            b = LeakyRelu <alpha = 0.1> (n2)
            sum = Add (a, b)
            g = GlobalAveragePool (sum)
            flat = Flatten (g)
            scores = Gemm (flat, fc, bias)
        }""",
        {**weights, **changed, **dict(extra)},
    )


def _folded(mean: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return the second convolution's bias as a pass folds it, right or not."""
    f2 = _SECOND["s2"] / np.sqrt(_SECOND["v2"] + np.float32(1e-3))
    return _SECOND["h2"] + (bias - mean) * f2


def _half_fused() -> onnx.ModelProto:
    """Return what is left where a pass scales the kernel and keeps the normalisation."""
    f1 = _FIRST["scale"] / np.sqrt(_FIRST["variance"] + np.float32(1e-3))
    wrong = _detector(_FIRST["scale"])
    for one in wrong.graph.initializer:
        if one.name == "k1":
            scaled = onnx.numpy_helper.to_array(one) * f1.reshape(-1, 1, 1, 1)
            one.CopyFrom(onnx.numpy_helper.from_array(scaled, "k1"))
    return wrong


def _with_scale_of_rank(*shape: int) -> onnx.ModelProto:
    """Return the detector with the parameters of one normalisation in another rank."""
    model = _detector(_FIRST["scale"])
    for one in model.graph.initializer:
        if one.name in _FIRST:
            array = onnx.numpy_helper.to_array(one).reshape(shape)
            one.CopyFrom(onnx.numpy_helper.from_array(array, one.name))
    return model


_CONVS = {
    "k1": drawn(6, 3, 3, 3),
    "k2": drawn(6, 6, 3, 3, seed=1),
    "b2": drawn(6, seed=2),
    "fc": drawn(6, 5, seed=3),
    "bias": drawn(5, seed=4),
}
_FIRST = {
    "scale": 1 + drawn(6, seed=5, scale=0.2),
    "shift": drawn(6, seed=6),
    "mean": drawn(6, seed=7),
    "variance": np.abs(drawn(6, seed=8)) + np.float32(0.5),
}
_SECOND = {
    "s2": 1 + drawn(6, seed=9, scale=0.2),
    "h2": drawn(6, seed=10),
    "m2": drawn(6, seed=11),
    "v2": np.abs(drawn(6, seed=12)) + np.float32(0.5),
}
_SOURCE = partial(_detector, _FIRST["scale"])

ISSUES = (
    Issue(
        link="onnx/optimizer#178",
        title="a fused normalisation forgets the convolution's own bias",
        rule="bias-differs",
        source=_SOURCE,
        healthy=_fused,
        broken=partial(_fused, b2_bn=_folded(_SECOND["m2"], np.zeros(6, np.float32))),
        guilty=("n2",),
    ),
    Issue(
        link="onnx/optimizer#133",
        title="a normalisation is fused into the kernel and left behind it as well",
        rule="weight-differs",
        source=_SOURCE,
        healthy=_fused,
        broken=_half_fused,
        guilty=("c1", "n1"),
    ),
    Issue(
        link="onnx/optimizer#177",
        title="a normalisation's parameters have the rank of opset 7",
        rule="parameter-rank-wrong",
        source=_SOURCE,
        healthy=_fused,
        broken=partial(_with_scale_of_rank, 1, 6, 1, 1),
        guilty=("n1",),
    ),
    Issue(
        link="onnx/optimizer#174",
        title="a kernel is there before and after it was fused",
        rule="",
        source=_SOURCE,
        healthy=partial(_fused, ("k1", _CONVS["k1"]), ("k1_bn_copy", _CONVS["k2"])),
    ),
    Issue(
        link="onnx/optimizer#176",
        title="initializers that nothing reads are left",
        rule="",
        source=_SOURCE,
        healthy=partial(_fused, *_FIRST.items(), *_SECOND.items()),
    ),
    Issue(
        link="onnx/optimizer#255",
        title="folding rounds: the outputs differ by a few units in the last place",
        rule="",
        source=partial(_detector, _FIRST["scale"] * np.float32(40)),
        healthy=partial(
            _fused,
            k1_bn=_CONVS["k1"]
            * (
                _FIRST["scale"]
                * np.float32(40)
                / np.sqrt(_FIRST["variance"] + np.float32(1e-3))
            ).reshape(-1, 1, 1, 1),
            b1_bn=_FIRST["shift"]
            - _FIRST["mean"]
            * _FIRST["scale"]
            * np.float32(40)
            / np.sqrt(_FIRST["variance"] + np.float32(1e-3)),
        ),
    ),
)
