"""Weights that a file computes are followed back to where they go wrong."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from analyzer.computed_weights import is_part
from analyzer.core.types import Array, Fault

Bench = Callable[..., SimpleNamespace]
Located = Callable[..., tuple[Fault, ...]]
ROWS = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
STACK = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
GIVEN = {
    "k": STACK,
    "none": np.int64([0]),
    "half": np.int64([3]),
    "all": np.int64([6]),
}
STACKED = (
    "(float[2,6] x) => (y) {{ a = Neg(x) one = Slice(k, none, half, none)"
    " two = Slice(k, half, all, none) w = Concat<axis = 0>({}) m = MatMul(a, w)"
    " y = Exp(m) }}"
)


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (STACK, True),
        (STACK.T, True),
        (STACK[None, 2:4], True),
        (STACK[:, 1:3].T, True),
        (STACK[0, 1:3], True),
        (STACK[::2], False),
        (np.concatenate([STACK[3:], STACK[:3]]), False),
    ],
)
def test_a_part_is_a_run_along_one_axis(value: Array, part: bool) -> None:  # noqa: FBT001 - what is expected
    """Turned or not, with axes of one or without."""
    assert is_part(value, STACK) is part


def test_the_node_that_stacks_wrongly_is_named(bench: Bench, located: Located) -> None:
    """What reads the weight is right, and so are the halves."""
    (fault,) = located(
        bench(STACKED.format("one, two"), STACKED.format("two, one"), ROWS, GIVEN)
    )

    assert [(one.reader, one.node.op) for one in fault.origins] == [("m", "Concat")]
    assert fault.guilty == ("w", "m")
