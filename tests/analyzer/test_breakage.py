"""A target that stops: which node stops it, and what still runs."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import pytest

from analyzer.breakage import breakage_faults, bridged, runnable, whole
from analyzer.core.types import FaultClass, Feeds, Pivot
from analyzer.matching.operators import operator_pairs
from analyzer.view import View, view_of

Make = Callable[..., Pivot]
ROW: Feeds = {"x": np.ones((2, 4), np.float32)}
RIGHT = "(float[2,4] x) => (y) { a = Relu(x) [middle] b = MatMul(a, w) y = Tanh(b) }"
WEIGHT = np.ones((4, 4), np.float32)


@pytest.fixture
def source(pivot: Make) -> Pivot:
    """A model of three operators."""
    return pivot(RIGHT, "source", w=WEIGHT)


@pytest.fixture
def stopping(pivot: Make, source: Pivot) -> Pivot:
    """The same with a product whose sizes do not fit: it is made, but does not run."""
    broken = onnx.ModelProto()
    broken.CopyFrom(source.model)
    broken.graph.initializer[0].dims[:] = [2, 8]
    return replace(pivot(RIGHT, "target", w=WEIGHT), model=broken)


def view(model: Pivot) -> View:
    """Return the macro graph over a pivot."""
    return view_of(model.model, model.folder)


def test_target_that_runs_is_whole(source: Pivot) -> None:
    """Nothing stops, nothing is cut away."""
    working = runnable(source, ROW)

    assert working.refusal is None
    assert working.model is working.beyond is source.model
    assert whole(source).stopped == working.stopped == ()


def test_node_that_stops_is_named_and_the_rest_runs(stopping: Pivot) -> None:
    """What stands before it runs alone; what stands behind runs once it is fed."""
    working = runnable(stopping, ROW)

    assert working.refusal is not None
    assert working.stopped == ("middle",)
    assert [node.op_type for node in working.model.graph.node] == ["Relu"]
    assert [node.op_type for node in working.beyond.graph.node] == ["Relu", "Tanh"]


def test_stopping_node_is_bridged_by_structure(source: Pivot, stopping: Pivot) -> None:
    """Its output is paired with the source's, so that what lies behind can be fed."""
    working = runnable(stopping, ROW)
    left, right = view(source), view(stopping)
    operators = operator_pairs(left, right, {"x": "x"})
    beyond, found = bridged(working, stopping, left, right, operators)

    assert {name: link.tensors.source for name, link in found.items()} == {"b": "b"}
    assert [node.op_type for node in beyond.beyond.graph.node] == ["Relu", "Tanh"]


def test_whole_target_is_no_fault(source: Pivot) -> None:
    """Where nothing stopped there is nothing to say."""
    look = view(source)

    assert breakage_faults(whole(source), source, look, look, {}, ()) == ()


def test_fault_sets_the_node_beside_the_sources(source: Pivot, stopping: Pivot) -> None:
    """The source's nodes for the same place stand in the evidence."""
    working = runnable(stopping, ROW)
    left, right = view(source), view(stopping)
    operators = operator_pairs(left, right, {"x": "x"})
    (fault,) = breakage_faults(working, stopping, left, right, {}, operators)

    assert fault.fault_class in {FaultClass.RUNTIME, FaultClass.LOAD_FAILURE}
    assert "b" in fault.guilty
    assert "target.onnx does not" in fault.problem
    assert "MatMul" in [node.op for node in fault.target.nodes]


def test_tensor_that_nobody_gives_severs_its_reader(pivot: Make, source: Pivot) -> None:
    """The reader is named, not what might have given the tensor."""
    text = RIGHT.replace("MatMul(a, w)", "MatMul(ghost, w)")
    severed = replace(source, model=pivot(text, "severed", w=WEIGHT).model)
    working = runnable(severed, ROW)
    left, right = view(source), view(severed)
    (fault,) = breakage_faults(working, severed, left, right, {}, ())

    assert fault.fault_class is FaultClass.LOAD_FAILURE
    assert fault.guilty == ("b",)
