"""Constants of two models laid over each other, whatever the layout of either."""

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import numpy as np

from analyzer.core.parts import all_parts, equal, magnitude, parts
from analyzer.core.types import Array, Permutation

MOST_AXES = 5
"""Rank up to which every permutation is tried: 120 of them."""

FOLDING_ULPS = 16.0
"""Units in the last place by which folding a scale into a weight may move it: a product, a
square root, a quotient and a sum in float32, each rounded, in either order, and twice
over."""


def in_layout_of(
    target: Array, source: Array, permutation: Permutation | None = None
) -> Array | None:
    """Return a source constant as it lies in the target's layout.

    Args:
        target: The target's constant, of any shape.
        source: The source's constant, of as many elements, or of one.
        permutation: The layout that the edges imply, tried first.

    Returns:
        The source's values in the target's shape and the source's dtype: those of the
        axis order that leaves the smallest sum of deviations, the implied order among
        equals; None where no order fits.
    """
    best, least = None, np.inf
    for candidate in _candidates(target, source, permutation):
        error = deviation(candidate, target)
        if error < least:
            best, least = candidate, error
        if error == 0:
            break
    return best


def deviation(one: Array, other: Array) -> float:
    """Return the sum of absolute deviations of two like arrays; equal infinities are 0."""
    if one.dtype.kind not in "fiub" or other.dtype.kind not in "fiub":
        return float(np.count_nonzero(one != other))
    return sum(_deviation(*part) for part in parts(one, other))


def _deviation(one: Array, other: Array) -> float:
    first, second = one.astype(np.float64), other.astype(np.float64)
    with np.errstate(invalid="ignore"):
        gaps = np.where(first == second, 0.0, np.abs(first - second))
    return float(np.nansum(gaps)) + float(
        np.count_nonzero(np.isnan(first) != np.isnan(second))
    )


def differs(wanted: Array, found: Array) -> bool:
    """Return whether two constants of one shape differ by more than rounding.

    Folding a scale into a weight rounds, and so does storing it in another dtype.

    Args:
        wanted: The source's constant, in the target's layout.
        found: The target's constant.
    """
    if equal(wanted, found):
        return False
    if wanted.dtype.kind != "f" or found.dtype.kind != "f":
        return True
    limit = magnitude(wanted, finite=True) * noise(wanted, found)

    def near(one: Array, other: Array) -> bool:
        expected = fitted(one, other.dtype).astype(np.float64)
        with np.errstate(invalid="ignore"):
            gaps = np.abs(expected - other.astype(np.float64))
        alike = (expected == other) | (np.isnan(expected) & np.isnan(other))
        return bool((alike | (gaps <= limit)).all())

    return not all_parts(near, wanted, found)


def noise(*arrays: Array) -> float:
    """Return the relative deviation that folding in float32, or one retyping, may leave."""
    folding = FOLDING_ULPS * float(np.finfo(np.float32).eps)
    return max(folding, *(ulp(array.dtype) for array in arrays))


def ulp(dtype: np.dtype[Any]) -> float:
    """Return one unit in the last place of a float dtype, relative; 0 for any other."""
    if dtype.kind != "f":
        return 0.0
    return float(np.finfo(dtype).eps)


def fitted(values: Array, dtype: np.dtype[Any]) -> Array:
    """Return values in a dtype; finite ones that it cannot hold become its largest."""
    if dtype == values.dtype:
        return values
    if dtype.kind != "f" or values.dtype.kind != "f":
        return values.astype(dtype)
    top = float(np.finfo(dtype).max)
    held = np.where(np.isfinite(values), np.clip(values, -top, top), values)
    return np.asarray(held, dtype=dtype)


def _candidates(
    target: Array, source: Array, permutation: Permutation | None
) -> Iterator[Array]:
    if permutation is not None and source.ndim <= len(permutation):
        padded = source.reshape((1,) * (len(permutation) - source.ndim) + source.shape)
        yield from _reshaped(padded.transpose(permutation), target)
    if source.shape == target.shape:
        yield source
    if source.size == 1 != target.size:
        yield np.broadcast_to(source.reshape(()), target.shape)
    if source.size != target.size or _bare(source) == _bare(target) != source.shape:
        yield from _reshaped(source, target)
    if source.size != target.size or source.ndim > MOST_AXES:
        return
    slim = source.reshape(_bare(source))
    for order in permutations(range(slim.ndim)):
        moved = slim.transpose(order)
        if moved.shape == _bare(target):
            yield moved.reshape(target.shape)


def _reshaped(source: Array, target: Array) -> Iterator[Array]:
    """Yield the source where only axes of size one tell its shape from the target's."""
    if source.size == target.size and _bare(source) == _bare(target):
        yield source.reshape(target.shape)


def _bare(array: Array) -> tuple[int, ...]:
    return tuple(size for size in array.shape if size != 1)
