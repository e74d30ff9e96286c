"""`--restore-precision` undoes a declared loss of precision; nothing else does."""

from pathlib import Path

import pytest

from analyzer.core.report import Verdict
from analyzer.core.types import Status, TryVerdict
from tests.quantization.networks import Quantized

LOSSY = [
    "qdq-channel-QUInt8", "qdq-tensor-QInt8", "qop-tensor-QUInt8", "dynamic", "half",
]  # fmt: skip
EXACT = 2e-5
"""Relative error that a sum in another order leaves in a network of three layers."""


@pytest.mark.parametrize("name", LOSSY)
def test_precision_is_restored_where_it_is_asked_for(
    quantized: Quantized, name: str
) -> None:
    """The written model computes what the source does; its findings are drift, undone."""
    report = quantized.mended(f"{name}.onnx", restore_precision=True)
    verdicts = {one.outcome.verdict for one in report.findings if one.outcome}

    assert report.verdict is Verdict.REPAIRED
    assert report.outputs[0].relative_error < EXACT
    assert {one.status for one in report.findings} == {Status.DRIFT}
    assert TryVerdict.KEPT in verdicts
    assert quantized.found("mended.onnx").findings == ()


@pytest.mark.parametrize("name", LOSSY)
def test_drift_is_never_touched_otherwise(quantized: Quantized, name: str) -> None:
    """A byte copy is written, and the report says why nothing was tried."""
    report = quantized.mended(f"{name}.onnx")
    copy = quantized.folder / "mended.onnx"
    reasons = {one.outcome.reason for one in report.findings if one.outcome}

    assert copy.read_bytes() == (quantized.folder / f"{name}.onnx").read_bytes()
    assert reasons == {"a declared loss of precision is never undone"}


def test_sound_target_is_copied_although_precision_is_asked_for(
    quantized: Quantized,
) -> None:
    """Where nothing was lost there is nothing to restore."""
    report = quantized.mended("source.onnx", restore_precision=True)
    copy = quantized.folder / "mended.onnx"

    assert report.verdict is Verdict.REPAIRED
    assert copy.read_bytes() == Path(quantized.source).read_bytes()
