"""A wrong grid is a fault with a name and a cure; a deliberate quantization is none.

The quantizers are ONNX Runtime's own; one parameter is spoilt in what they wrote.
"""

import onnx
import pytest

from analyzer.core.options import Options
from analyzer.core.report import Verdict
from analyzer.core.types import Status, TryVerdict
from analyzer.diff import diff
from rules.discovery import ours
from tests.quantization import spoil
from tests.quantization.networks import Quantized

STATIC = [
    f"{style}-{grid}-{dtype}"
    for style in ("qdq", "qop")
    for grid in ("tensor", "channel")
    for dtype in ("QUInt8", "QInt8")
]
QDQ = [
    (spoil.clipped, "calibration-clips"),
    (spoil.coarse, "scale-shared"),
    (spoil.misread_scale, "quantization-scale"),
    (spoil.misread_zero, "quantization-scale"),
    (spoil.weight_scale, "quantization-scale"),
    (spoil.weight_zero, "quantization-scale"),
    (spoil.one_scale, "scale-shared"),
    (spoil.wrapped, "quantized-weight"),
    (spoil.rectifier_lost, "operator-missing"),
]
OPERATORS = [
    (spoil.operator_weight_scale, "quantization-scale"),
    (spoil.operator_input_scale, "quantization-scale"),
    (spoil.operator_wrapped, "quantized-weight"),
]
DYNAMIC = [
    (spoil.dynamic_wrapped, "quantized-weight"),
    (spoil.dynamic_scale, "quantization-scale"),
]
CASES = [
    *(("qdq-channel-QInt8", edit, rule) for edit, rule in QDQ),
    *(("qop-channel-QUInt8", edit, rule) for edit, rule in OPERATORS),
    *(("qop-tensor-QInt8", edit, rule) for edit, rule in OPERATORS),
    *(("dynamic", edit, rule) for edit, rule in DYNAMIC),
]
NEAR = 0.1
"""Relative error that an int8 network of three layers may leave."""


@pytest.mark.parametrize("name", [*STATIC, "dynamic", "half"])
def test_deliberate_loss_of_precision_is_drift(quantized: Quantized, name: str) -> None:
    """Every quantization of the healthy network is equivalent, and says what it loses."""
    report = quantized.found(f"{name}.onnx")

    assert report.verdict is Verdict.EQUIVALENT
    assert {finding.status for finding in report.findings} == {Status.DRIFT}


@pytest.mark.parametrize("name", STATIC)
def test_inputs_beyond_the_calibration_are_no_fault(
    quantized: Quantized, name: str
) -> None:
    """Noise drawn at random excites the network otherwise than what it was made for."""
    target = str(quantized.folder / f"{name}.onnx")
    report = diff(quantized.source, target, options=Options(samples=4), rules=ours())

    assert report.verdict is Verdict.EQUIVALENT


@pytest.mark.parametrize(("name", "edit", "rule"), CASES)
def test_wrong_grid_is_named_and_mended(
    quantized: Quantized, name: str, edit: object, rule: str
) -> None:
    """The cause is named, its fix is kept, and the mended model is as good as before."""
    assert callable(edit)
    healthy = quantized.found(f"{name}.onnx").outputs[0].relative_error
    broken = quantized.spoilt(name, edit)
    report = quantized.mended(broken)
    first = report.findings[0]

    assert (first.rule, first.status) == (rule, Status.FAULT)
    assert first.outcome is not None
    assert first.outcome.verdict is TryVerdict.KEPT
    assert report.verdict is Verdict.REPAIRED
    assert healthy < NEAR
    assert report.outputs[0].relative_error < 2 * healthy


@pytest.mark.parametrize("edit", [edit for edit, rule in QDQ if rule != "operator-missing"])
def test_mended_model_stays_quantized(quantized: Quantized, edit: object) -> None:
    """A grid is set right, not given up: as many quantizers are left as there were."""
    assert callable(edit)
    broken = quantized.spoilt("qdq-channel-QInt8", edit)
    quantized.mended(broken)
    both = [onnx.load(path) for path in (broken, quantized.folder / "mended.onnx")]
    counts = [len(spoil.every(model, "DequantizeLinear")) for model in both]

    assert counts[0] == counts[1]
