"""The cause test's copy: one field changed, everything else as it was."""

from importlib import import_module

import numpy as np
import pytest
from onnx import numpy_helper

from analyzer.core.errors import RepairError
from analyzer.core.types import Aspect, Difference
from analyzer.differences import compare, undo
from analyzer.differences.undo import held
from tests.analyzer.differences.build import KERNEL, conv, edge, one, pair


def test_an_attribute_takes_the_sources_value() -> None:
    """Undoing a stride leaves the model it came from untouched."""
    target = conv(strides=[1, 1])
    (difference,) = compare(pair(conv(strides=[2, 2]), target), edge())
    undone = undo(target, difference)

    assert undone is not None
    assert list(undone.graph.node[0].attribute[0].ints) == [2, 2]
    assert list(target.graph.node[0].attribute[0].ints) == [1, 1]


def test_a_weight_is_replaced_for_its_node_alone() -> None:
    """The shared initializer stays for its other readers."""
    target = conv(KERNEL * 2)
    (difference,) = compare(pair(conv(), target), edge())
    undone = undo(target, difference)

    assert undone is not None
    values = {t.name: numpy_helper.to_array(t) for t in undone.graph.initializer}
    np.testing.assert_allclose(values[undone.graph.node[0].input[1]], KERNEL)
    assert "c1" in values


def test_a_large_weight_is_held_by_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy points at no file; run with what is held, it is right."""
    monkeypatch.setattr(import_module("analyzer.differences.undo"), "LEAST_HELD", 1)
    target = conv(KERNEL * 2)
    (difference,) = compare(pair(conv(), target), edge())
    undone, brought = undo(target, difference), held(difference)

    assert undone is not None
    (name,) = brought
    assert brought[name] is difference.source
    assert undone.graph.node[0].input[1] == name
    assert not next(t for t in undone.graph.initializer if t.name == name).raw_data


def test_an_operator_is_replaced_in_its_place() -> None:
    """An operator of the same arity is undone by writing the source's."""
    target = one("Sigmoid")
    (difference,) = compare(pair(one("Tanh"), target), edge())
    undone = undo(target, difference)

    assert undone is not None
    assert [node.op_type for node in undone.graph.node] == ["Tanh"]


def test_what_cannot_be_undone_alone_says_so() -> None:
    """An operator that only one side has is no field to be set."""
    difference = Difference(Aspect.OPERATOR, "op", "Relu", None, None, None)

    assert undo(one("Relu"), difference) is None


def test_a_node_of_another_model_is_refused() -> None:
    """A difference is undone where its node is, or not at all."""
    (difference,) = compare(pair(conv(strides=[2, 2]), conv(name="first")), edge())

    with pytest.raises(RepairError, match="not in the region"):
        undo(one("Relu"), difference)
