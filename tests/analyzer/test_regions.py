"""The nodes between cuts, on both sides, and which of them belong together."""

from collections.abc import Callable

import numpy as np

from analyzer.core.types import Node, Pair
from analyzer.regions import beyond, node_pairs, reached, region, unpaired
from analyzer.view import View

Look = Callable[..., View]
FORK = "(float[4] x) => (y) { a = Relu(x) b = Exp(a) c = Neg(a) y = Add(b, c) }"


def ops(nodes: tuple[Node, ...]) -> list[str]:
    """Return the operators of some nodes."""
    return [node.op for node in nodes]


def shown(pairs: tuple[Pair, ...]) -> list[tuple[list[str], list[str]]]:
    """Return the operators on both sides of each pair."""
    return [(ops(pair.source), ops(pair.target)) for pair in pairs]


def test_region_ends_at_its_cuts(view: Look) -> None:
    """It holds what computes the result from the nearest cuts, in topological order."""
    part = region(view(FORK), ("y",), {"a"})

    assert ops(part.nodes) == ["Exp", "Neg", "Add"]
    assert part.inputs == ("a",)
    assert part.outputs == ("y",)


def test_region_without_cuts_reaches_the_inputs(view: Look) -> None:
    """The model's inputs stop every walk."""
    part = region(view(FORK), ("b",), ())

    assert ops(part.nodes) == ["Relu", "Exp"]
    assert part.inputs == ("x",)


def test_result_is_no_cut_of_its_own_region(view: Look) -> None:
    """A region of two results holds the way from one to the other."""
    part = region(view(FORK), ("b", "y"), {"a"})

    assert ops(part.nodes) == ["Exp", "Neg", "Add"]


def test_layout_of_a_cut_stops_a_loose_walk(view: Look) -> None:
    """Where the cut's transpose was paired, its other layout is the same edge."""
    text = (
        "(float[2,2] x) => (y) { a = Relu(x) t = Transpose<perm=[1,0]>(a)"
        " u = Transpose<perm=[1,0]>(a) y = Add(t, u) }"
    )

    assert region(view(text), ("y",), {"u"}).inputs == ("x", "u")
    assert region(view(text), ("y",), {"u"}, loosely=True).inputs == ("t", "u")


def test_nearest_cuts_are_known_for_each_tensor(view: Look) -> None:
    """A cut hides what lies before it."""
    found = reached(view(FORK), {"x", "a", "b"})

    assert found == {
        "a": frozenset({"x"}),
        "b": frozenset({"a"}),
        "c": frozenset({"a"}),
        "y": frozenset({"a", "b"}),
    }


def test_dropped_operator_is_left_unpaired(view: Look) -> None:
    """All others find their counterparts by kind and order."""
    one = view(FORK)
    other = view("(float[4] x) => (y) { a = Relu(x) b = Exp(a) y = Add(b, a) }")
    left, right = region(one, ("y",), ()), region(other, ("y",), ())
    pairs = node_pairs(one, other, left, right, {})

    assert shown(pairs) == [(["Relu"],) * 2, (["Exp"],) * 2, (["Add"],) * 2]
    assert ops(unpaired(left, [node for pair in pairs for node in pair.source])) == ["Neg"]
    assert unpaired(right, [node for pair in pairs for node in pair.target]) == ()


def test_known_pairs_go_before_order(view: Look) -> None:
    """Of two equal operators, the one that weights or values chose is taken."""
    one = view("(float[4] x) => (y) { a = Exp(x) b = Exp(a) y = Neg(b) }")
    other = view("(float[4] x) => (y) { b = Exp(x) y = Neg(b) }")
    left, right = region(one, ("y",), ()), region(other, ("y",), ())
    first = node_pairs(one, other, left, right, {2: 1})[0]

    assert [node.outputs for node in first.source] == [("b",)]
    assert first.score == 1.0


def test_padding_folded_elsewhere_finds_its_counterpart(view: Look) -> None:
    """A pad that follows one operator here and the input there is one pad."""
    pads = np.int64([0, 1, 0, 1])
    one = view("(float[2,4] x) => (y) { a = Exp(x) p = Pad(a, q) y = Neg(p) }", q=pads)
    other = view("(float[2,4] x) => (y) { p = Pad(x, q) a = Exp(p) y = Neg(a) }", q=pads)
    left, right = region(one, ("y",), ()), region(other, ("y",), ())
    pairs = node_pairs(one, other, left, right, {})

    assert (["Pad"], ["Pad"]) in shown(pairs)
    assert unpaired(right, [node for pair in pairs for node in pair.target]) == ()


def test_repeated_operator_counts(view: Look) -> None:
    """Two biases against one leave one over; layout operators are never missed."""
    bias = {"b": np.ones(4, np.float32)}
    one = view("(float[4] x) => (y) { a = Exp(x) c = Add(a, b) y = Add(c, b) }", **bias)
    other = view("(float[4] x) => (y) { a = Exp(x) c = Identity(a) y = Add(c, b) }", **bias)

    assert ops(tuple(beyond(one.nodes, other.nodes))) == ["Add"]
    assert ops(tuple(beyond(other.nodes, one.nodes))) == []
