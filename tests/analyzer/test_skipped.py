"""Operators that the source begins a region with, and the target lacks, are proven so."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from analyzer.core.types import Array, Aspect, Difference, Fault

Bench = Callable[..., SimpleNamespace]
Located = Callable[..., tuple[Fault, ...]]
X = np.random.default_rng(5).normal(size=(2, 4)).astype(np.float32)
SOURCE = """(float[2,4] x) => (y)
    {{ scaled = Mul(x, two) moved = Add(scaled, one) a = MatMul(moved, v) y = {} }}"""
TARGET = """(float[2,4] x) => (y)
    {{ b = {} none = Sub(b, zero) y = {} }}"""


@pytest.fixture
def skipped(bench: Bench, located: Located) -> Callable[[str, str, str], list[Difference]]:
    """The source's operators that are blamed between two texts, in their order."""
    weights: dict[str, Array] = {
        "v": np.random.default_rng(1).normal(size=(4, 4)).astype(np.float32),
        "w": np.random.default_rng(2).normal(size=(4, 4)).astype(np.float32),
        "two": np.float32(2).reshape(1),
        "one": np.float32(1).reshape(1),
        "zero": np.float32(0).reshape(1),
    }

    def find(end: str, first: str, last: str) -> list[Difference]:
        pair = bench(SOURCE.format(end), TARGET.format(first, last), X, weights)
        found = [one for fault in located(pair) for one in fault.differences]
        lone = [one for one in found if one.target_node is None and one.cure == 0.0]
        return [one for one in lone if one.aspect is Aspect.OPERATOR]

    return find


def test_a_lost_scale_is_blamed_beside_another_spelling(
    skipped: Callable[[str, str, str], list[Difference]],
) -> None:
    """The target subtracts a zero that has no counterpart, and lacks scale and offset."""
    found = skipped("Tanh(a)", "MatMul(x, v)", "Tanh(none)")

    assert [one.source for one in found] == ["Mul", "Add"]
    assert all(one.jointly for one in found)


def test_nothing_is_blamed_where_more_is_wrong(
    skipped: Callable[[str, str, str], list[Difference]],
) -> None:
    """Behind the scale and the offset the product is still another one's."""
    assert skipped("Tanh(a)", "MatMul(x, w)", "Tanh(none)") == []
