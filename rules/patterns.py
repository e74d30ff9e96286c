"""What happened to a weight: the shapes that damage takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from analyzer.core.parts import (
    all_parts,
    equal,
    magnitude,
    parts,
    slabs,
    takes_more_values,
)
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
    scale = magnitude(right, finite=True) or 1.0
    right, wrong = _per_channel(right), _per_channel(wrong)
    seen = [_damage(one, other, scale) for one, other in slabs(right, wrong)]
    rows = np.concatenate([touched for touched, _, _ in seen] or [np.zeros(0, bool)])
    return Damage(
        sum(changed for _, changed, _ in seen),
        right.size,
        tuple(np.flatnonzero(rows).tolist()),
        len(right) if right.ndim else 1,
        max((worst for _, _, worst in seen), default=0.0) / scale,
    )


def _per_channel(weight: Array) -> Array:
    """Return a weight with its channels along axis 0; a bias may be [1, C, 1, 1]."""
    vector = weight.size == max(weight.shape, default=1)
    return weight.reshape(-1) if vector else weight


def _damage(right: Array, wrong: Array, scale: float) -> tuple[Array, int, float]:
    """Return which rows of a slab differ, how many elements do, and by how much at most."""
    one, other = (np.asarray(a, dtype=np.float64) for a in (right, wrong))
    with np.errstate(invalid="ignore"):
        apart = np.abs(one - other)
    equal = (one == other) | (np.isnan(one) & np.isnan(other))
    apart = np.where(equal, 0.0, np.where(np.isnan(apart), np.inf, apart))
    gaps = apart > EXACT * scale
    rows = gaps.reshape(gaps.shape[0], -1).any(axis=1) if gaps.ndim else gaps.reshape(1)
    return np.asarray(rows), int(gaps.sum()), float(np.max(apart))


def same(one: Array, other: Array, *, factor: float = 1.0) -> bool:
    """Return whether two arrays hold the same numbers to within one rounding.

    Args:
        one: An array of real numbers.
        other: Another, of any shape.
        factor: What the first is multiplied with.
    """
    if one.shape != other.shape:
        return False
    limit = EXACT * (abs(factor) * magnitude(one) or 1.0)

    def near(first: Array, second: Array) -> bool:
        wide = np.asarray(first, dtype=np.float64) * factor
        with np.errstate(invalid="ignore"):  # infinity less itself is no number
            return bool(np.max(np.abs(wide - second)) <= limit)

    return all_parts(near, one, other)


def uniform_factor(right: Array, wrong: Array) -> float | None:
    """Return the one number that every element was multiplied with; None: there is none."""
    if right.shape != wrong.shape:
        return None
    power = product = 0.0
    for part in parts(right, wrong):
        one, other = (np.asarray(a, dtype=np.float64) for a in part)
        own, both = float(np.sum(one * one)), float(np.sum(one * other))
        if own and not same(one, other, factor=both / own):
            return None  # a part with a factor of its own, or with none
        power, product = power + own, product + both
    factor = product / power if power else 0.0
    return factor if factor and same(right, wrong, factor=factor) else None


def reordering(right: Array, wrong: Array) -> str | None:
    """Return in words how the right weight's numbers were rearranged into the wrong one.

    Args:
        right: The source's weight.
        wrong: The target's, of the same shape.

    Returns:
        A transposition, a flip or another layout that was read row by row; where it is
        none of these, how many numbers stand elsewhere; None where they are other numbers.
    """
    if not 2 <= right.ndim <= MOST_AXES or same(right, wrong):  # noqa: PLR2004 - a vector has no axes to swap
        return None
    if right.shape != wrong.shape or not _same_numbers(right, wrong):
        return None
    orders = (_transposed, _reversed, blocks_exchanged, _channels_in_turn)
    found = next((told for order in orders if (told := order(right, wrong))), None)
    if found is not None or right.size > MOST_SORTED:
        return found
    elsewhere = int(np.count_nonzero(right != wrong))
    return f"with {elsewhere} of its {right.size} numbers elsewhere"


def _transposed(right: Array, wrong: Array) -> str | None:
    """Return in words how a weight was transposed, or laid out and read otherwise."""
    for order in permutations(range(right.ndim)):
        moved = right.transpose(order)
        if moved.shape == wrong.shape and same(moved, wrong):
            return f"transposed by {order}"
        if same(moved.reshape(wrong.shape), wrong):
            return f"laid out as {moved.shape} and read as {wrong.shape}"
    return None


def _reversed(right: Array, wrong: Array) -> str | None:
    """Return in words along which axes a weight was reversed."""
    for flips in product((False, True), repeat=right.ndim):
        turned = tuple(axis for axis, flipped in enumerate(flips) if flipped)
        if turned and same(np.flip(right, turned), wrong):
            return f"reversed along axis {' and '.join(str(axis) for axis in turned)}"
    return None


MOST_BLOCKS = 8
"""Blocks of a stacked weight, at most: four gates of an LSTM in both directions."""


def blocks_exchanged(right: Array, wrong: Array) -> str | None:
    """Return in words the order that the blocks of a stacked weight were put in.

    Args:
        right: The source's weight.
        wrong: The target's, of the same shape.

    Returns:
        None where no axis falls into a few equal blocks that were only exchanged.
    """
    for axis in range(right.ndim if right.shape == wrong.shape else 0):
        for count in (n for n in range(2, MOST_BLOCKS + 1) if right.shape[axis] % n == 0):
            found = _block_order(right, wrong, axis, count)
            if found is not None:
                size = right.shape[axis] // count
                return f"with its {count} blocks of {size} along axis {axis} as {found}"
    return None


def _block_order(
    right: Array, wrong: Array, axis: int, count: int
) -> tuple[int, ...] | None:
    """Return which right block stands at each place; None: they are not the same ones."""
    ours, theirs = np.split(right, count, axis), np.split(wrong, count, axis)
    matches = [
        [n for n, one in enumerate(ours) if np.array_equal(one, other)] for other in theirs
    ]
    order = tuple(found[0] for found in matches if len(found) == 1)
    whole = len(order) == len(set(order)) == count
    return order if whole and order != tuple(range(count)) else None


def _same_numbers(right: Array, wrong: Array) -> bool:
    """Return whether two weights hold the same numbers, in whatever order.

    Large ones are not sorted: where their sums of squares and cubes agree too, they are
    taken to, and only what has a pattern is told.
    """
    if right.size < FEWEST_NUMBERS:
        return False
    moments = zip(_moments(right), _moments(wrong), strict=True)
    if not all(np.isclose(*two, rtol=EXACT, atol=EXACT * right.size) for two in moments):
        return False
    if right.size > MOST_SORTED:
        return True
    return same(np.sort(right, axis=None), np.sort(wrong, axis=None))


def _moments(weight: Array) -> Iterator[float]:
    """Yield sums of a weight's numbers, their squares and cubes, whatever their order."""
    scale = magnitude(weight, finite=True) or 1.0
    yield scale * weight.size
    for power in (1, 2, 3):  # one by one: most weights differ in the first already
        total = 0.0
        for (part,) in parts(weight):
            wide = np.asarray(part, dtype=np.float64) / scale
            with np.errstate(invalid="ignore"):
                total += float((wide**power).sum())
        yield total


MOST_SORTED = 1 << 20
"""Numbers of a weight that are sorted to be compared, at most: a copy of it is made."""

FEWEST_NUMBERS = 4
"""Numbers of a weight below which the same ones in another order prove nothing."""


def _channels_in_turn(right: Array, wrong: Array) -> str | None:
    """Return in words how the output channels were taken in groups of another size."""
    count = right.shape[0]
    for groups in (n for n in range(2, count) if count % n == 0):
        each = count // groups
        split = right.reshape(groups, each, *right.shape[1:]).swapaxes(0, 1)
        if same(split.reshape(right.shape), wrong):
            return (
                f"with its {count} output channels taken as {each} groups of {groups} "
                f"instead of {groups} groups of {each}"
            )
    return None


def zeroed_channels(right: Array, wrong: Array) -> tuple[int, tuple[int, ...]] | None:
    """Return the axis and the indices at which a weight is zero, the rest being right.

    Args:
        right: The source's weight.
        wrong: The target's, of the same shape.
    """
    for axis in range(min(right.ndim, 2)):
        others = tuple(other for other in range(right.ndim) if other != axis)
        lost = np.flatnonzero(~wrong.any(axis=others) & right.any(axis=others))
        if lost.size and same(np.delete(right, lost, axis), np.delete(wrong, lost, axis)):
            return axis, tuple(lost.tolist())
    return None


def clipped_at(right: Array, wrong: Array) -> float | None:
    """Return the magnitude at which a constant was cut off, None where it was not.

    Args:
        right: The source's constant.
        wrong: The target's, of the same shape.
    """
    limit = 0.0
    for part in parts(right, wrong):
        one, other = (np.asarray(a, dtype=np.float64) for a in part)
        if np.array_equal(one, other) and np.isfinite(other).all():
            continue
        over = np.abs(one) > np.abs(other) * (1 + COARSE)
        limits = np.abs(other[over])
        limit = limit or float(limits.max(initial=0.0))
        rest = np.allclose(one[~over], other[~over], rtol=COARSE, atol=0)
        signs = np.array_equal(np.sign(one[over]), np.sign(other[over]))
        if not (np.isfinite(other).all() and rest and signs and np.all(limits == limit)):
            return None
    return limit or None


COARSE = 2.0**-10
"""One unit in the last place of float16, relative: what retyping a constant may change."""


def rounded_to(right: Array, wrong: Array) -> str | None:
    """Return the number format whose rounding made the wrong weight of the right one.

    Args:
        right: The source's float weight.
        wrong: The target's, of the same shape.
    """
    if right.dtype.kind != "f" or equal(right, wrong) or right.shape != wrong.shape:
        return None
    if all_parts(_is_half, right, wrong):
        return "float16"
    if all_parts(_is_bfloat, right, wrong):
        return "bfloat16"
    grid = _on_grid(right, wrong) or _on_channel_grids(right, wrong)
    # a few numbers times one lie on a grid too: it is the factor that is wrong
    return "int8" if grid and uniform_factor(right, wrong) is None else None


def _is_half(right: Array, wrong: Array) -> bool:
    with np.errstate(over="ignore"):
        half = right.astype(np.float16)
    return np.array_equal(half.astype(np.float64), wrong.astype(np.float64))


def _is_bfloat(right: Array, wrong: Array) -> bool:
    bits = np.ascontiguousarray(right.astype(np.float32)).view(np.uint32)
    kept = (bits + np.uint32(0x8000)) & np.uint32(0xFFFF0000)
    return np.array_equal(kept.view(np.float32), wrong.astype(np.float32))


INT8_LEVELS = 256
"""Values an eight-bit weight can take, per channel."""

FEWEST_VALUES = 512
"""Elements below which few distinct values prove nothing."""

FEWEST_MULTIPLES = 16
"""Elements below which multiples of one step may be chance."""

FEWEST_STEPS = 64
"""Steps from zero to the largest number of an eight-bit grid: a zero point that is far off
leaves half of them."""

ON_STEP = 1e-3
"""How far off a multiple a rounded number may lie, in steps: float32 holds it closer."""


def _on_grid(right: Array, wrong: Array) -> bool:
    """Return whether a weight stands on a grid of eight bits, close by what it was."""
    if wrong.size < FEWEST_VALUES:
        return _has_one_step(right, wrong)
    if takes_more_values(wrong, INT8_LEVELS):
        return False
    scale = magnitude(right)

    def near(one: Array, other: Array) -> bool:
        gap = np.abs(one.astype(np.float64) - other)
        return bool(np.max(gap) <= scale / (INT8_LEVELS - 2))

    return takes_more_values(right, INT8_LEVELS) and all_parts(near, right, wrong)


def _has_one_step(right: Array, wrong: Array) -> bool:
    """Return whether a small weight is another one rounded to multiples of one step."""
    one, other = (np.asarray(a, dtype=np.float64).ravel() for a in (right, wrong))
    largest = float(np.max(np.abs(other), initial=0.0))
    if other.size < FEWEST_MULTIPLES or not 0 < largest < np.inf:
        return False
    apart = float(np.max(np.abs(one - other)))
    steps = largest / np.arange(FEWEST_STEPS, INT8_LEVELS)
    for step in steps[apart <= steps * (0.5 + ON_STEP)]:
        counts = other / step
        if np.max(np.abs(counts - np.round(counts))) <= ON_STEP:
            return True
    return False


STEPS_TO_LARGEST = (127, 128)
"""Steps of a symmetric eight-bit grid from zero to a channel's largest magnitude."""

OFF_GRID = 1e-2
"""Steps by which float32 puts a number beside its grid, at most."""

FEWEST_PER_CHANNEL = 9
"""Numbers of a channel from which all of them on a grid is no accident: one 3x3 kernel."""


def _on_channel_grids(right: Array, wrong: Array) -> bool:
    """Return whether each channel was rounded to a grid of eight bits of its own."""
    return right.ndim > 1 and any(
        _on_grids(np.moveaxis(right, axis, 0), np.moveaxis(wrong, axis, 0))
        for axis in (0, 1, right.ndim - 1)
    )


def _on_grids(right: Array, wrong: Array) -> bool:
    if right[0].size < FEWEST_PER_CHANNEL:
        return False
    return any(
        all(_is_rounded(one, other, count) for one, other in zip(right, wrong, strict=True))
        for count in STEPS_TO_LARGEST
    )


def _is_rounded(right: Array, wrong: Array, count: int) -> bool:
    """Return whether a channel lies on a grid, close to one that does not."""
    ours, theirs = (np.asarray(one, np.float64) for one in (right, wrong))
    step = float(np.abs(theirs).max()) / count
    if not step or float(np.abs(ours - theirs).max()) > step:
        return False
    beside = np.abs(theirs / step - np.round(theirs / step)).max()
    own = np.abs(ours / step - np.round(ours / step)).max()
    return bool(beside <= OFF_GRID < own)
