"""An axis that both files spell alike is right; the layout before it is what differs."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from analyzer.core.types import Fault

Bench = Callable[..., SimpleNamespace]
Located = Callable[..., tuple[Fault, ...]]
CUBE = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
SUMMED = (
    "(float[2,3,4] x) => (y) {{ a = Tanh(x) t = Transpose<perm = {}>(a)"
    " m = ReduceMean<keepdims = 0>(t, {}) y = Exp(m) }}"
)
GIVEN = {"one": np.int64([1]), "two": np.int64([2])}


def cures(faults: tuple[Fault, ...]) -> set[str]:
    """Return what differs in what cures some faults."""
    return {d.field for f in faults for d in f.differences if f.is_cured_by(d)}


def test_transpose_is_blamed_and_not_the_axis_behind_it(
    bench: Bench, located: Located
) -> None:
    """Both files name axis 1; only one of them has turned what it counts the axes of."""
    right, wrong = SUMMED.format("[1, 0, 2]", "one"), SUMMED.format("[1, 2, 0]", "one")

    assert cures(located(bench(right, wrong, CUBE, GIVEN))) == {"perm"}


def test_axis_that_is_spelt_in_two_ways_stays_blamed(
    bench: Bench, located: Located
) -> None:
    """The layouts are the same, and the setting is not."""
    right, wrong = SUMMED.format("[1, 0, 2]", "one"), SUMMED.format("[1, 0, 2]", "two")

    assert cures(located(bench(right, wrong, CUBE, GIVEN))) == {"axes"}
