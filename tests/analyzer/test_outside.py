"""Findings that lie in no region: interfaces, runtimes, amplified rounding."""

from collections.abc import Callable

import numpy as np
import pytest

from analyzer.core.errors import RunError
from analyzer.core.report import OutputPair
from analyzer.core.types import FaultClass, Pivot, Status, Where
from analyzer.matching.ends import input_pairs
from analyzer.outside import (
    bare_fault,
    interface_faults,
    leftovers,
    refusal_findings,
)
from analyzer.view import View

Make = Callable[..., Pivot]


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


def test_runtime_that_refuses_what_its_pivot_runs_is_named(plain: Pivot) -> None:
    """A target may be stopped by its own runtime alone."""
    refusal = RunError("node y takes no floats", hint="cast them", node="y", loading=True)
    (finding,) = refusal_findings(plain, refusal)

    assert list(refusal_findings(plain, None)) == []
    assert finding.fault_class is FaultClass.LOAD_FAILURE
    assert finding.where is Where.RUNTIME
    assert "model.onnx does not load in its own runtime: node y takes no" in finding.message


def output(error: float, *, within: bool = False) -> OutputPair:
    """Return an output that deviates, above a floor of 1e-3."""
    return OutputPair("y", "z", None, error, error, 1e-3, within, label_disagreement=0)


def test_small_difference_with_every_region_right_is_amplified_rounding() -> None:
    """Near what rounding does to the whole model, a difference is drift."""
    right, wrong = output(0.0, within=True), output(5e-3)
    (finding,) = leftovers([right, wrong], 7, whole=True, lossy=False)

    assert finding.status is Status.DRIFT
    assert finding.target_tensors == ("z",)
    assert "each of 7 regions" in finding.message


@pytest.mark.parametrize("error", [0.5, float("inf")])
def test_large_difference_is_a_fault_though_no_region_shows_it(error: float) -> None:
    """Far above the noise, or not finite, a difference is never excused."""
    (finding,) = leftovers([output(error)], 7, whole=True, lossy=False)

    assert finding.status is Status.FAULT
    assert finding.rule == "unexplained"


def test_stated_tolerance_is_not_excused() -> None:
    """A user's own tolerance, once exceeded, is exceeded."""
    (finding,) = leftovers([output(5e-3)], 7, whole=True, lossy=True, stated=("z",))

    assert finding.status is Status.FAULT


def test_declared_loss_explains_a_finite_difference() -> None:
    """A half-precision target needs no second excuse."""
    assert list(leftovers([output(0.5)], 7, whole=True, lossy=True)) == []


def test_bare_fault_has_the_region_of_its_nodes(view: Callable[..., View]) -> None:
    """A fault that nothing computed still names what it reads and gives."""
    look = view("(float[2] x) => (y) { a = Relu(x) y = Add(a, x) }")
    fault = bare_fault(FaultClass.RUNTIME, "it stops", nodes=look.nodes, samples=3)

    assert fault.target.inputs == ("x",)
    assert fault.target.outputs == ("y",)
    assert fault.local_error == np.inf
    assert (fault.affected, fault.samples) == (3, 3)
