"""An operator that reads the wrong tensor is blamed, and what it should read is named."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from analyzer.core.types import Array, Aspect, Difference, Fault

Bench = Callable[..., SimpleNamespace]
Located = Callable[..., tuple[Fault, ...]]
X = np.random.default_rng(5).normal(size=(2, 4)).astype(np.float32)
TWINS = "(float[2,4] x) => (y) {{ a = MatMul(x, v) b = MatMul(x, w) y = {} }}"


@pytest.fixture
def connections(bench: Bench, located: Located) -> Callable[..., list[Difference]]:
    """The connections that are blamed between two texts, by slot."""

    def find(source: str, target: str, **weights: Array) -> list[Difference]:
        found = located(bench(source, target, X, weights))
        differences = [one for fault in found for one in fault.differences]
        blamed = [one for one in differences if one.aspect is Aspect.CONNECTION]
        return sorted(blamed, key=lambda one: one.slot)

    return find


@pytest.fixture
def weights(rng: np.random.Generator) -> dict[str, Array]:
    """Two square kernels."""
    return {name: rng.normal(size=(4, 4)).astype(np.float32) for name in ("v", "w")}


def test_exchanged_operands_are_blamed_together(
    connections: Callable[..., list[Difference]], weights: dict[str, Array]
) -> None:
    """Neither slot alone is right: both are said, and that they belong together."""
    found = connections(TWINS.format("Sub(a, b)"), TWINS.format("Sub(b, a)"), **weights)

    assert [(one.slot, one.source, one.target) for one in found] == [
        (0, "a", "b"),
        (1, "b", "a"),
    ]
    assert all(one.jointly and one.cure == 0.0 for one in found)


def test_operand_taken_elsewhere_is_blamed_alone(
    connections: Callable[..., list[Difference]], weights: dict[str, Array]
) -> None:
    """A sum reads the input where the source's reads a product: its other slot is right."""
    (found,) = connections(TWINS.format("Add(a, b)"), TWINS.format("Add(b, x)"), **weights)

    assert (found.slot, found.source, found.target) == (1, "a", "x")


@pytest.mark.parametrize(
    ("ours", "theirs"), [("Add(a, b)", "Add(a, a)"), ("Add(b, b)", "Add(b, a)")]
)
def test_operand_of_a_sum_is_counted_as_often_as_it_is_read(
    connections: Callable[..., list[Difference]],
    weights: dict[str, Array],
    ours: str,
    theirs: str,
) -> None:
    """A tensor that is read once too often, or once too seldom, leaves one slot wrong."""
    (found,) = connections(TWINS.format(ours), TWINS.format(theirs), **weights)

    assert (found.slot, found.source, found.target) == (1, "b", "a")


def test_order_of_a_sum_is_no_connection(
    connections: Callable[..., list[Difference]], weights: dict[str, Array]
) -> None:
    """What may be read in any order is not blamed for it, whatever else is wrong."""
    moved = "(float[2,4] x) => (y) { a = MatMul(x, v) b = MatMul(x, u) y = Add(b, a) }"
    wrong = {**weights, "u": weights["w"] * np.float32(2)}

    assert not connections(TWINS.format("Add(a, b)"), moved, **wrong)


def test_constant_on_the_other_side_is_blamed(
    connections: Callable[..., list[Difference]],
) -> None:
    """A quotient turned upside down reads its constant where it should divide by it."""
    text = "(float[2,4] x) => (y) {{ a = Exp(x) y = {} }}"
    one, other = text.format("Div(a, c)"), text.format("Div(c, a)")
    found = connections(one, other, c=np.float32(3))

    assert [(one.source, one.target) for one in found] == [("a", "c"), ("c", "a")]


def test_operator_too_many_is_no_connection(
    connections: Callable[..., list[Difference]], weights: dict[str, Array]
) -> None:
    """What is read is made of what should be: the operator between them is at fault."""
    extra = (
        "(float[2,4] x) => (y) "
        "{ a = MatMul(x, v) b = MatMul(x, w) e = Tanh(a) y = Sub(e, b) }"
    )

    assert not connections(TWINS.format("Sub(a, b)"), extra, **weights)


def test_edge_in_front_of_a_layout_is_blamed(
    connections: Callable[..., list[Difference]], weights: dict[str, Array]
) -> None:
    """The Transpose lays out the wrong product; the operator behind it is right."""
    text = (
        "(float[2,4] x) => (y, z) {{ a = MatMul(x, v) b = MatMul(x, w)"
        " t = Transpose<perm = [1, 0]>({}) y = Tanh(t) u = Transpose<perm = [1, 0]>(b)"
        " z = Sin(u) }}"
    )
    (found,) = connections(text.format("a"), text.format("b"), **weights)

    assert (found.slot, found.source, found.target) == (0, "a", "b")
    assert found.target_node is not None
    assert found.target_node.outputs == ("t",)


def test_operator_that_an_edge_passes_by_is_named(
    connections: Callable[..., list[Difference]], weights: dict[str, Array]
) -> None:
    """Nobody reads the sum any more; it is what the last operator should read."""
    fused = "(float[2,4] x) => (y) { s = Gemm(x, v, w) y = Softmax(s) }"
    passed = "(float[2,4] x) => (y) { p = MatMul(x, v) s = Add(p, w) y = Softmax(p) }"
    bias = {**weights, "w": weights["w"][:1]}
    (found,) = connections(fused, passed, **bias)

    assert (found.slot, found.source, found.target) == (0, "s", "p")
    assert found.target_node is not None
    assert found.target_node.op == "Softmax"
