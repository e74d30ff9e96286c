"""Grids of stored weights: were the integers made with the scale they are read with?"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from analyzer.core.grids import (
    SCALE,
    ZERO,
    Grid,
    GridChange,
    GridFault,
    GridSetting,
    along,
    grid_of,
)
from analyzer.core.types import Array, Aspect, Difference, Fault, Node
from analyzer.grids.static import Statics

OFF = 0.75
"""Steps between a weight and its integer from which rounding does not explain it: rounding
leaves half of one, and folding a normalisation before or after it a little more."""

MISPLACED = 0.01
"""Share of integers that may be off all the same: quantizers cut off large weights."""

NO_INTEGER = 0.2
"""Distance of a fitted zero point from an integer from which it is none."""

ONE_FACTOR = 0.02
"""Relative spread of what takes a vector's scales into others, for it to be one factor."""


def stored_grids(fault: Fault, statics: Statics) -> Iterator[Difference]:
    """Yield the weights whose integers are right and read by another grid, or are wrong.

    Args:
        fault: A root fault with the differences of its weights, the source's in the
            target's layout.
        statics: The target's constants.
    """
    for one in fault.differences:
        node, weight = one.target_node, one.source
        if one.aspect is not Aspect.WEIGHT or node is None or one.slot < 0:
            continue
        reader = statics.reader(node.inputs[one.slot])
        if reader is None or not isinstance(weight, np.ndarray):
            continue
        change = changed(reader, np.asarray(weight, np.float64), statics)
        if change is not None:
            yield Difference(
                Aspect.GRID, change.fault, None, None, one.source_node, node, grid=change
            )


def changed(reader: Node, weight: Array, statics: Statics) -> GridChange | None:
    """Return the grid that makes stored integers the source's weight; None: they are.

    Args:
        reader: What takes the integers off their grid.
        weight: The source's weight, float64, in the layout of the integers.
        statics: The target's constants.
    """
    grid = grid_of(reader)
    if grid is None:
        return None
    integers = reader.constants[0].astype(np.int64)
    if integers.shape != weight.shape or not weight.size or not np.isfinite(weight).all():
        return None
    share = _misplaced(integers, weight, grid)
    if share <= MISPLACED:
        return None
    seen = float(weight.min()), float(weight.max())
    for kind, right in _candidates(integers, weight, grid):
        if _misplaced(integers, weight, right) <= MISPLACED:
            settings = (
                *_settings(reader, grid, right), *_factors(reader, grid, right, statics)
            )  # fmt: skip
            return GridChange(kind, reader.outputs[0], grid, right, seen, share, settings)
    right = _covering(weight, grid)
    scale, zero = (along(v, right.axis, weight.ndim) for v in (right.scale, right.zero))
    made = np.clip(np.round(weight / scale) + zero, right.low, right.high)
    settings = (
        GridSetting(reader, 0, made.astype(reader.constants[0].dtype)),
        *_settings(reader, grid, right),
    )
    kind = GridFault.INTEGERS
    return GridChange(kind, reader.outputs[0], grid, right, seen, share, settings)


def _misplaced(integers: Array, weight: Array, grid: Grid) -> float:
    """Return the share of integers that rounding to a grid does not explain."""
    scale = along(grid.scale, grid.axis, weight.ndim)
    zero = along(grid.zero, grid.axis, weight.ndim)
    step = np.abs(scale)
    apart = np.abs((integers - zero) * scale - weight) > OFF * np.maximum(step, TINY)
    return float(np.mean(apart & ~_is_cut_off(integers, weight, grid, scale, zero)))


TINY = 1e-30
"""A step that is none: the scale of a channel of zeros."""


def _is_cut_off(
    integers: Array, weight: Array, grid: Grid, scale: Array, zero: Array
) -> Array:
    """Return which weights lie beyond the grid's ends, and stand at them."""
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = weight / scale + zero
    top = (integers >= grid.high) & (wanted > integers) & (wanted < CUT * grid.high)
    low = (integers <= grid.low + 1) & (wanted < integers) & (wanted > CUT * grid.low)
    return np.asarray(top | low)


CUT = 1.5
"""Times a grid's end that a weight may lie beyond it and be cut off on purpose."""


def _candidates(
    integers: Array, weight: Array, grid: Grid
) -> Iterator[tuple[GridFault, Grid]]:
    """Yield the grids that could have made the integers of a weight, the nearest first."""
    vector = weight.ndim < 2  # noqa: PLR2004 - a bias has one number a channel
    if vector or grid.is_per_tensor:
        yield from _by_one_factor(integers, weight, grid)
    if not vector:
        axes = (grid.axis,) if not grid.is_per_tensor else (None, 0, weight.ndim - 1)
        for axis in axes:
            plain = grid.is_per_tensor and axis is not None
            scales = _fitted(integers, weight, grid, axis)
            if scales is not None:
                yield (GridFault.SHARED if plain else GridFault.SCALE), scales
        for axis in axes[:1]:
            shifted = _shifted(integers, weight, grid, axis)
            if shifted is not None:
                yield GridFault.ZERO_POINT, shifted


def _by_one_factor(
    integers: Array, weight: Array, grid: Grid
) -> Iterator[tuple[GridFault, Grid]]:
    """Yield the grid whose scales are all off by one factor."""
    scale = along(grid.scale, grid.axis if weight.ndim > 1 else 0, weight.ndim)
    zero = along(grid.zero, grid.axis if weight.ndim > 1 else 0, weight.ndim)
    held = (integers - zero) * scale
    power = float(np.sum(held * held))
    if not power:
        return
    factor = float(np.sum(held * weight)) / power
    apart = np.abs(held * factor - weight).max() / (np.abs(weight).max() or 1.0)
    if factor > 0 and (weight.ndim > 1 or apart <= ONE_FACTOR):
        yield GridFault.SCALE, replace(grid, scale=grid.scale * factor)


def _fitted(integers: Array, weight: Array, grid: Grid, axis: int | None) -> Grid | None:
    """Return the scales with which integers come closest to a weight, by channel."""
    zero = along(grid.zero, grid.axis, weight.ndim)
    others = tuple(k for k in range(weight.ndim) if axis is None or k != axis % weight.ndim)
    centred = integers - zero
    power = np.sum(centred * centred, axis=others, dtype=np.float64)
    product = np.sum(centred * weight, axis=others)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(power > 0, product / power, 1.0)
    if not np.all(scale > 0):
        return None
    if axis is None:
        return replace(grid, scale=np.broadcast_to(scale, grid.scale.shape))
    zeros = np.broadcast_to(grid.zero.ravel(), scale.shape)
    return replace(grid, scale=scale, zero=zeros, axis=axis)


def _shifted(integers: Array, weight: Array, grid: Grid, axis: int | None) -> Grid | None:
    """Return the grid of another zero point that takes integers closest to a weight."""
    others = tuple(k for k in range(weight.ndim) if axis is None or k != axis % weight.ndim)
    means = [np.mean(one, axis=others, keepdims=True) for one in (integers, weight)]
    spread, both = integers - means[0], weight - means[1]
    power = np.sum(spread * spread, axis=others)
    if not np.all(power > 0):
        return None
    scale = np.sum(spread * both, axis=others) / power
    if not np.all(scale > 0):
        return None
    zero = means[0].reshape(scale.shape) - means[1].reshape(scale.shape) / scale
    typical = np.median(zero)
    if not np.all(np.abs(zero - np.round(zero)) < NO_INTEGER) and zero.size == 1:
        return None
    zeros = np.full(grid.zero.shape, np.round(typical), np.int64)
    if not np.all((zeros >= grid.low) & (zeros <= grid.high)):
        return None
    return replace(grid, zero=zeros)


def _covering(weight: Array, grid: Grid) -> Grid:
    """Return the grid of the same kind that holds a weight, its zero points kept."""
    if weight.ndim < 2:  # noqa: PLR2004 - a bias takes its scale from the product it joins
        return replace(grid, axis=0)
    others = tuple(
        k for k in range(weight.ndim) if grid.is_per_tensor or k != grid.axis % weight.ndim
    )
    reach = np.abs(weight).max(axis=others).reshape(grid.scale.shape)
    room = np.minimum(grid.high - grid.zero, grid.zero - grid.low)
    fit = np.where((reach > 0) & (room > 0), reach / np.maximum(room, 1), grid.scale)
    return replace(grid, scale=fit)


def _settings(reader: Node, wrong: Grid, right: Grid) -> Iterator[GridSetting]:
    """Yield the scale, and the zero point where it differs."""
    scale = reader.constants[SCALE]
    if not np.array_equal(wrong.scale, right.scale):
        axis = None if right.is_per_tensor else right.axis
        yield GridSetting(reader, SCALE, right.scale.astype(scale.dtype), axis)
    if not np.array_equal(wrong.zero, right.zero):
        old = reader.constants.get(ZERO, reader.constants[0])
        yield GridSetting(reader, ZERO, right.zero.astype(old.dtype))


def _factors(
    reader: Node, wrong: Grid, right: Grid, statics: Statics
) -> Iterator[GridSetting]:
    """Yield the scale where a bias' grid is made of it, which it then was as well."""
    if np.array_equal(wrong.scale, right.scale):
        return
    for product, slot in statics.products(reader.inputs[SCALE]):
        scale = product.constants[slot]
        yield GridSetting(product, slot, right.scale.astype(scale.dtype))
