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
