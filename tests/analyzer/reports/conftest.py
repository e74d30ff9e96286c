"""A report written by hand, to be rendered."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from analyzer.core.report import (
    Coverage,
    InputPair,
    ModelSummary,
    NotCompared,
    OutputPair,
    ProbeSummary,
    Report,
    Verdict,
)
from analyzer.core.types import (
    Attempt,
    Fault,
    FaultClass,
    Finding,
    Fix,
    Outcome,
    Region,
    SetConstant,
    Status,
    TryVerdict,
    Where,
)

NOWHERE = Region((), (), ())
FAULT = Fault(NOWHERE, NOWHERE, (), (), (), (), (), (), 0.5, 1e-6, 0.9, 7, 8, ())
FIX = Fix("Restore input1 of conv1", (SetConstant("conv1", 1, np.ones(2, np.float32)),))
FINDING = Finding(
    id="weight-differs-1a2b",
    rule="weight-differs",
    fault_class=FaultClass.WEIGHTS_BIASES,
    status=Status.FAULT,
    where=Where.CONVERSION,
    confidence=0.95,
    source_nodes=("stem",),
    target_nodes=("conv1",),
    source_tensors=("stem/out",),
    target_tensors=("conv1_out",),
    native_source="stem",
    native_target="conv1",
    location="model.py:12",
    local_error=0.5,
    noise_floor=1e-6,
    output_error=0.9,
    affected=7,
    samples=8,
    message="Conv conv1: 2 of 2 numbers of input1 are not the source's",
    fix=FIX,
    alternatives=(),
    outcome=None,
    fault=FAULT,
)
OUTPUT = OutputPair(
    "probabilities", "probs", None, 0.4, 0.9, 2e-6, within=False, label_disagreement=0.25
)
REPORT = Report(
    command="diff",
    verdict=Verdict.DIVERGENT,
    source=ModelSummary("models/net.keras", "keras", "ab" * 32, 18, 47, 1.2e-6),
    target=ModelSummary("models/net.tflite", "tflite", "cd" * 32, 18, 32, None),
    probe=ProbeSummary("synthetic", 8, 0),
    inputs=(InputPair("image", "in", (0, 2, 3, 1), "shape"),),
    outputs=(OUTPUT,),
    findings=(FINDING,),
    coverage=Coverage(28, ("relu",), (), (NotCompared("mask", "its pair was not found"),)),
    propagated=22,
    timings={"load": 5.44, "compare": 0.5},
    versions={"onnx": "1.23"},
)
GONE = "the error of its region is gone"
STAYS = "the error of its region stays at 0.5"
TRIES = (
    Attempt(("Restore strides",), 1, TryVerdict.REJECTED, STAYS, 0.5, 0.5, 1),
    Attempt(("Restore a | b", "Restore c"), 3, TryVerdict.REJECTED, STAYS, 0.5, 0.5, 1),
    Attempt(("Restore input1",), 1, TryVerdict.REJECTED, STAYS, 0.5, 0.5, 2),
    Attempt((FIX.title,), 1, TryVerdict.KEPT, GONE, 0.5, 1e-7, 2),
)
KEPT = Outcome(TryVerdict.KEPT, GONE, 0.5, 1e-7, TRIES, (0.5, 1e-7))


@pytest.fixture
def finding() -> Callable[..., Finding]:
    """A function that gives the finding with some fields changed."""
    return lambda **changes: replace(FINDING, **changes)


@pytest.fixture
def report() -> Callable[..., Report]:
    """A function that gives the report with some fields changed."""
    return lambda **changes: replace(REPORT, **changes)


@pytest.fixture
def mended(report: Callable[..., Report], finding: Callable[..., Finding]) -> Report:
    """The report of a repair that kept its one fix."""
    kept = (finding(outcome=KEPT),)
    return report(command="repair", verdict=Verdict.REPAIRED, findings=kept)
