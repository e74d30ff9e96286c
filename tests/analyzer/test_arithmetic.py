"""Sizes that arithmetic gets wrong are a cause of their own."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from analyzer.arithmetic import COMPUTED
from analyzer.core.types import Aspect, Fault

Bench = Callable[..., SimpleNamespace]
Located = Callable[..., tuple[Fault, ...]]
ROWS = np.arange(24, dtype=np.float32).reshape(2, 12)
GIVEN = {
    "two": np.int64([2]),
    "last": np.int64([1]),
    "one": np.int64([1]),
}
CUT = (
    "(float[2,12] x) => (y) {{ a = Neg(x) s = Shape(x) n = Gather(s, last) h = {}(n, two)"
    " b = Slice(a, one, h, one) y = Exp(b) }}"
)


def test_the_node_that_computes_a_size_wrong_is_named(
    bench: Bench, located: Located
) -> None:
    """The Slice is right, and ends where it is told to; who tells it is at fault."""
    (fault,) = located(bench(CUT.format("Div"), CUT.format("Sub"), ROWS, GIVEN))
    (cause,) = [one for one in fault.differences if one.field == COMPUTED]

    assert cause.cure == 0.0
    assert (cause.source, cause.target) == ((6,), (10,))
    assert cause.target_node is not None
    assert (cause.target_node.op, fault.guilty) == ("Sub", ("h",))


def test_equal_sizes_are_no_cause(bench: Bench, located: Located) -> None:
    """A wrong operator behind the same arithmetic has no computed operand to blame."""
    wrong = CUT.format("Div").replace("a = Neg(x)", "a = Abs(x)")
    faults = located(bench(CUT.format("Div"), wrong, ROWS, GIVEN))

    assert faults
    assert all(one.field != COMPUTED for fault in faults for one in fault.differences)


TWICE = (
    "(float[2,12] x) => (y, z) {{ a = Neg(x) s = Shape(x) n = Gather(s, last)"
    " h = Div(n, two) q = Div(h, two) b = Slice(a, one, {}, one) y = Exp(b)"
    " c = Slice(a, one, q, one) z = Tanh(c) }}"
)


def test_a_size_that_is_right_for_another_reader_was_meant_for_it(
    bench: Bench, located: Located
) -> None:
    """The Slice reads what the other one should; the arithmetic is right."""
    (fault,) = located(bench(TWICE.format("h"), TWICE.format("q"), ROWS, GIVEN))
    (cause,) = [one for one in fault.differences if one.aspect is Aspect.CONNECTION]

    assert (cause.source, cause.target, fault.guilty) == ("h", "q", ("b",))


MASK = (
    "(float[12,12] x) => (y) {{ g = Shape(x) n = Gather(g, first) p = Range(first, n, one)"
    " r = Unsqueeze(p, zero) c = Unsqueeze(p, last) m = {}(r, c) a = Where(m, x, low)"
    " y = Exp(a) }}"
)
PLACES = {
    "first": np.int64(0),
    "one": np.int64(1),
    "zero": np.int64([0]),
    "last": np.int64([1]),
    "low": np.float32(-9),
}


def test_operands_that_stand_in_each_others_places_are_told(
    bench: Bench, located: Located
) -> None:
    """A comparison turned about gives the mask of the other half."""
    square = np.linspace(-1, 1, 144, dtype=np.float32).reshape(12, 12)
    right = MASK.format("Less")
    wrong = right.replace("Less(r, c)", "Less(c, r)")
    (fault,) = located(bench(right, wrong, square, PLACES))
    turned = [one for one in fault.differences if one.aspect is Aspect.CONNECTION]

    assert [(one.slot, one.source, one.target) for one in turned] == [
        (0, "r", "c"),
        (1, "c", "r"),
    ]
    assert all(one.jointly and fault.is_cured_by(one) for one in turned)
