"""Nodes are ordered by what they read."""

from onnx import helper

from analyzer.runtime.order import cycle_place, forward_order

LAST = helper.make_node("Relu", ["b"], ["y"])
FIRST = helper.make_node("Relu", ["x"], ["b"])


def test_unsorted_nodes_are_put_in_order() -> None:
    """The reader comes behind the giver."""
    assert forward_order([LAST, FIRST]) == (1, 0)
    assert cycle_place([LAST, FIRST]) is None


def test_sorted_nodes_stay_where_they_are() -> None:
    """What waits follows right behind its giver; nothing else moves."""
    other = helper.make_node("Relu", ["x"], ["z"])

    assert forward_order([FIRST, other, LAST]) == (0, 1, 2)
    assert forward_order([LAST, FIRST, other]) == (1, 0, 2)


def test_node_on_a_cycle_is_found() -> None:
    """A node that only hangs on a cycle is not the one that is named."""
    first = helper.make_node("Add", ["x", "b"], ["a"])
    second = helper.make_node("Relu", ["a"], ["b"])

    assert cycle_place([LAST, first, second]) in {1, 2}


def test_node_that_reads_itself_is_a_cycle() -> None:
    """The smallest cycle has one node."""
    assert cycle_place([helper.make_node("Add", ["x", "y"], ["y"])]) == 0
