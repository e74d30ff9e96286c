"""A Transpose that leaves the axes in a wrong order is known by the order that cures."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from analyzer.core.types import Fault

Bench = Callable[..., SimpleNamespace]
Located = Callable[..., tuple[Fault, ...]]
SQUARE = np.random.default_rng(5).normal(size=(4, 4)).astype(np.float32)
WEIGHT = {"w": np.random.default_rng(6).normal(size=(4, 4)).astype(np.float32)}
PLAIN = "(float[4,4] x) => (y) { a = Tanh(x) y = MatMul(a, w) }"
TURNED = PLAIN.replace("y = MatMul(a, w)", "t = Transpose<perm=[1,0]>(a) y = MatMul(t, w)")


def test_transpose_too_many_is_blamed(bench: Bench, located: Located) -> None:
    """It passes the same values on, so only its reader shows that it is wrong."""
    (fault,) = located(bench(PLAIN, TURNED, SQUARE, WEIGHT))
    orders = [one for one in fault.differences if one.field == "perm"]

    assert [one.cure for one in orders] == [0.0]
    assert orders[0].target_node is not None
    assert orders[0].target_node.outputs == ("t",)
    assert fault.guilty == ("t",)


def test_right_transpose_is_not_blamed(bench: Bench, located: Located) -> None:
    """A weight that is wrong behind it is the only cause."""
    damaged = {"w": -WEIGHT["w"]}
    (fault,) = located(bench(TURNED, TURNED, SQUARE, WEIGHT, damaged))

    assert [one.field for one in fault.differences] == ["input1"]
    assert fault.guilty == ("y",)
