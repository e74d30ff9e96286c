"""What happened to a weight: the shapes that damage takes."""

from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from analyzer.core.types import Array

EXACT = 1e-6
"""Relative deviation up to which a pattern holds: one float32 rounding on either side."""

MOST_AXES = 4
"""Rank up to which transposed and flipped weights are recognised."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One weight against another of the same shape.

    Attributes:
        changed: Number of elements that differ.
        size: Number of elements.
        channels: Indices along the first axis at which anything differs.
        of: Size of the first axis.
        largest: Largest absolute deviation over the largest right magnitude.
    """

    changed: int
    size: int
    channels: tuple[int, ...]
    of: int
    largest: float


def damage(right: Array, wrong: Array) -> Damage:
    """Return how much of a weight differs, and where.

    Args:
        right: The source's weight, in the target's layout.
        wrong: The target's weight, of the same shape.
    """
    one, other = (np.asarray(a, dtype=np.float64) for a in (right, wrong))
    scale = float(np.max(np.abs(one), initial=0.0, where=np.isfinite(one))) or 1.0
    with np.errstate(invalid="ignore"):
        apart = np.abs(one - other)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    apart = np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))
    gaps = apart > EXACT * scale
    rows = gaps.reshape(gaps.shape[0], -1).any(axis=1) if gaps.ndim else gaps.reshape(1)
    worst = float(np.max(apart, initial=0.0)) / scale
    return Damage(
        int(gaps.sum()), gaps.size, tuple(np.flatnonzero(rows).tolist()), rows.size, worst
    )


def same(one: Array, other: Array) -> bool:
    """Return whether two arrays hold the same numbers to within one rounding."""
    if one.shape != other.shape:
        return False
    first, second = (np.asarray(a, dtype=np.float64) for a in (one, other))
    scale = float(np.max(np.abs(first), initial=0.0)) or 1.0
    with np.errstate(invalid="ignore"):  # infinity less itself is no number
        return bool(np.max(np.abs(first - second), initial=0.0) <= EXACT * scale)


def uniform_factor(right: Array, wrong: Array) -> float | None:
    """Return the one number that every element was multiplied with; None: there is none."""
    one, other = (np.asarray(a, dtype=np.float64) for a in (right, wrong))
    power = float(np.sum(one * one))
    if power == 0:
        return None
    factor = float(np.sum(one * other)) / power
    return factor if factor and same(one * factor, other) else None


def reordering(right: Array, wrong: Array) -> str | None:
    """Return in words which transposition or flip made the wrong weight of the right one.

    Args:
        right: The source's weight.
        wrong: The target's, of the same shape.
    """
    if not 2 <= right.ndim <= MOST_AXES or same(right, wrong):  # noqa: PLR2004 - a vector has no axes to swap
        return None
    for order in permutations(range(right.ndim)):
        moved = right.transpose(order)
        if moved.shape == wrong.shape and same(moved, wrong):
            return f"transposed by {order}"
    for flips in product((False, True), repeat=right.ndim):
        turned = tuple(axis for axis, flipped in enumerate(flips) if flipped)
        if turned and same(np.flip(right, turned), wrong):
            return f"reversed along axis {' and '.join(str(axis) for axis in turned)}"
    return None


def zeroed_channels(right: Array, wrong: Array) -> tuple[int, tuple[int, ...]] | None:
    """Return the axis and the indices at which a weight is zero, the rest being right.

    Args:
        right: The source's weight.
        wrong: The target's, of the same shape.
    """
    for axis in range(min(right.ndim, 2)):
        ours, theirs = (
            np.moveaxis(a, axis, 0).reshape(a.shape[axis], -1) for a in (right, wrong)
        )
        lost = np.flatnonzero(~theirs.any(axis=1) & ours.any(axis=1))
        if lost.size and same(np.delete(ours, lost, 0), np.delete(theirs, lost, 0)):
            return axis, tuple(lost.tolist())
    return None


def clipped_at(right: Array, wrong: Array) -> float | None:
    """Return the magnitude at which a constant was cut off, None where it was not.

    Args:
        right: The source's constant.
        wrong: The target's, of the same shape.
    """
    one, other = (np.asarray(a, dtype=np.float64) for a in (right, wrong))
    over = np.abs(one) > np.abs(other) * (1 + COARSE)
    if not over.any() or not np.isfinite(other).all():
        return None
    limits = np.abs(other[over])
    limit = float(limits[0])
    rest = np.allclose(one[~over], other[~over], rtol=COARSE, atol=0)
    signs = np.array_equal(np.sign(one[over]), np.sign(other[over]))
    return limit if np.all(limits == limit) and rest and signs and limit > 0 else None


COARSE = 2.0**-10
"""One unit in the last place of float16, relative: what retyping a constant may change."""


def rounded_to(right: Array, wrong: Array) -> str | None:
    """Return the number format whose rounding made the wrong weight of the right one.

    Args:
        right: The source's float weight.
        wrong: The target's, of the same shape.
    """
    if right.dtype.kind != "f" or np.array_equal(right, wrong):
        return None
    with np.errstate(over="ignore"):
        half = right.astype(np.float16).astype(np.float64)
    if np.array_equal(half, wrong.astype(np.float64)):
        return "float16"
    kept = (right.astype(np.float32).view(np.uint32) + np.uint32(0x8000)) & np.uint32(
        0xFFFF0000
    )
    if np.array_equal(kept.view(np.float32), wrong.astype(np.float32)):
        return "bfloat16"
    return "int8" if _on_grid(right, wrong) else None


INT8_LEVELS = 256
"""Values an eight-bit weight can take, per channel."""

FEWEST_VALUES = 512
"""Elements below which few distinct values prove nothing."""


def _on_grid(right: Array, wrong: Array) -> bool:
    """Return whether a large weight takes no more values than eight bits hold, close by."""
    if wrong.size < FEWEST_VALUES or np.unique(wrong).size > INT8_LEVELS:
        return False
    scale = float(np.max(np.abs(right), initial=0.0))
    gap = float(np.max(np.abs(right.astype(np.float64) - wrong), initial=0.0))
    return np.unique(right).size > INT8_LEVELS and gap <= scale / (INT8_LEVELS - 2)
