"""Findings that lie in no region: interfaces, importers, runtimes, amplified rounding."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from analyzer.core.errors import RunError
from analyzer.core.report import OutputPair
from analyzer.core.types import FaultClass, Feeds, Pivot, Status, Where
from analyzer.matching.ends import input_pairs
from analyzer.outside import (
    amplified,
    bare_fault,
    fidelity_findings,
    interface_faults,
    refusal_findings,
)
from analyzer.view import View

Make = Callable[..., Pivot]
ROW: Feeds = {"x": np.float32([1.0, 2.0])}


@pytest.fixture
def plain(pivot: Make) -> Pivot:
    """A model of one operator."""
    return pivot("(float[2] x) => (y) { y = Relu(x) }")


def test_same_interface_is_no_finding(plain: Pivot) -> None:
    """Every input and output has its counterpart."""
    assert list(interface_faults(plain, plain, input_pairs(plain, plain))) == []


def test_missing_and_added_inputs_are_named(plain: Pivot, pivot: Make) -> None:
    """One finding says how many each side has, and which are alone."""
    other = pivot("(float[2] x, float[2] z) => (y) { y = Add(x, z) }", "two")
    (added,) = interface_faults(plain, other, input_pairs(plain, other))
    (lost,) = interface_faults(other, plain, input_pairs(other, plain))

    assert added.fault_class is FaultClass.INPUT_DIMS
    assert added.target_tensors == ("z",)
    assert "the source has 1 inputs and the target 2: the target adds z" in added.message
    assert "the target lacks z" in lost.message


def test_missing_and_added_outputs_are_named(plain: Pivot, pivot: Make) -> None:
    """The rest is paired and compared."""
    other = pivot("(float[2] x) => (y, z) { y = Relu(x) z = Neg(x) }", "two")
    (added,) = interface_faults(plain, other, input_pairs(plain, other))
    (lost,) = interface_faults(other, plain, input_pairs(other, plain))

    assert added.fault_class is FaultClass.COMPUTATIONAL_GRAPH
    assert "the target adds z" in added.message
    assert "the target lacks z" in lost.message


def test_faithful_pivots_are_no_finding(plain: Pivot) -> None:
    """A gap that rounding explains is none."""
    feeds = ([ROW], [ROW])

    assert list(fidelity_findings((plain, plain), (0.0, 1e-6), feeds, seed=0)) == []


@pytest.mark.parametrize(
    ("framework", "gaps", "rule", "where"),
    [
        ("keras", (0.5, 0.0), "unfaithful-import", Where.SOURCE_IMPORT),
        ("tflite", (0.0, 0.5), "unfaithful-import", Where.TARGET_IMPORT),
        ("onnx", (0.0, 0.5), "runtime-optimizer", Where.RUNTIME),
        ("onnx", (0.5, 0.0), "runtime-optimizer", Where.SOURCE_IMPORT),
    ],
)
def test_gap_is_blamed_on_who_made_it(
    plain: Pivot, framework: str, gaps: tuple[float, float], rule: str, where: Where
) -> None:
    """An importer's fault is not the conversion's; an optimizer's is the runtime's."""
    model = replace(plain, framework=framework)
    (finding,) = fidelity_findings((model, model), gaps, ([ROW], [ROW]), seed=0)

    assert (finding.rule, finding.where, finding.status) == (rule, where, Status.FAULT)
    assert "deviate by 0.5 of their largest value" in finding.message


def test_runtime_that_refuses_what_its_pivot_runs_is_named(plain: Pivot) -> None:
    """A target may be stopped by its own runtime alone."""
    refusal = RunError("node y takes no floats", hint="cast them", node="y", loading=True)
    (finding,) = refusal_findings(plain, refusal)

    assert list(refusal_findings(plain, None)) == []
    assert finding.fault_class is FaultClass.LOAD_FAILURE
    assert finding.where is Where.RUNTIME
    assert "model.onnx does not load in its own runtime: node y takes no" in finding.message


def test_outputs_that_differ_for_no_reason_are_amplified_rounding() -> None:
    """Every region is right, and the whole is not: that is drift, and no fault."""
    wrong = OutputPair("y", "z", None, 0.1, 0.1, 1e-3, within=False, label_disagreement=0)
    right = replace(wrong, within=True)
    (finding,) = amplified([right, wrong], regions=7)

    assert finding.status is Status.DRIFT
    assert finding.target_tensors == ("z",)
    assert "each of 7 regions" in finding.message


def test_bare_fault_has_the_region_of_its_nodes(view: Callable[..., View]) -> None:
    """A fault that nothing computed still names what it reads and gives."""
    look = view("(float[2] x) => (y) { a = Relu(x) y = Add(a, x) }")
    fault = bare_fault(FaultClass.RUNTIME, "it stops", nodes=look.nodes, samples=3)

    assert fault.target.inputs == ("x",)
    assert fault.target.outputs == ("y",)
    assert fault.local_error == np.inf
    assert (fault.affected, fault.samples) == (3, 3)
