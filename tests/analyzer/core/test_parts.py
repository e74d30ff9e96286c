"""Looked at part by part, an array is what it is as a whole."""

import numpy as np
import pytest

from analyzer.core import parts as module
from analyzer.core.parts import equal, magnitude, parts, slabs, takes_more_values
from analyzer.core.types import Array


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of eight elements, so that small arrays have several."""
    monkeypatch.setattr(module, "AT_ONCE", 8)


def test_parts_are_the_whole_array() -> None:
    """Every element comes once, in the same place of both arrays."""
    one = np.arange(30.0).reshape(3, 10)
    both = list(parts(one, one + 1))

    assert [left.size for left, _ in both] == [8, 8, 8, 6]
    assert np.array_equal(np.concatenate([left for left, _ in both]), one.ravel())
    assert all(np.array_equal(left + 1, right) for left, right in both)


def test_turned_array_is_not_copied_into_order() -> None:
    """Its parts are views of what is there."""
    turned = np.arange(30.0).reshape(3, 10).T

    assert all(np.shares_memory(part, turned) for (part,) in parts(turned))


def test_slabs_keep_the_other_axes_whole() -> None:
    """A channel is never cut in two; a scalar is a slab of its own."""
    assert [part.shape for (part,) in slabs(np.zeros((5, 4)))] == [(2, 4), (2, 4), (1, 4)]
    assert [part.shape for (part,) in slabs(np.float32(1))] == [()]


@pytest.mark.parametrize(
    ("array", "finite", "largest"),
    [
        (np.float32([1, -3, 2]), False, 3.0),
        (np.int8([-128, 3]), False, 128.0),
        (np.float32([1, -np.inf]), False, np.inf),
        (np.float32([1, -np.inf, np.nan]), True, 1.0),
        (np.zeros(0, np.float32), False, 0.0),
    ],
)
def test_magnitude_is_that_of_all_parts(
    array: Array, *, finite: bool, largest: float
) -> None:
    """Integers do not overflow, and what is not finite counts only where asked for."""
    assert magnitude(array, finite=finite) == largest


def test_nan_is_the_magnitude_of_what_holds_one() -> None:
    """It is not lost among the other parts."""
    assert np.isnan(magnitude(np.float32([np.nan, *range(20)])))


def test_arrays_are_equal_in_every_part() -> None:
    """A difference in the last element is one; so is another shape."""
    one = np.arange(30.0)

    assert equal(one, one.copy())
    assert not equal(one, np.concatenate([one[:-1], [0.0]]))
    assert not equal(one, one.reshape(5, 6))


def test_values_are_counted_over_all_parts() -> None:
    """Ten values are more than nine, however they are spread."""
    array = np.tile(np.arange(10.0), 5)

    assert takes_more_values(array, 9)
    assert not takes_more_values(array, 10)
