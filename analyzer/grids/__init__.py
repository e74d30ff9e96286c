"""The cause test for integer grids: is a region right with another scale or zero point?"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from analyzer.causes import excerpt
from analyzer.core.errors import RepairError
from analyzer.core.types import Array, Aspect, Difference, Fault, Status
from analyzer.differences import undo
from analyzer.differences.undo import held
from analyzer.grids.multiplied import multiplied_grids
from analyzer.grids.static import Statics
from analyzer.grids.stored import stored_grids
from analyzer.grids.written import written_grids
from analyzer.runtime.region import region_error
from analyzer.sides import Side

MOST_TESTED = 16
"""Grids tested in one region, at most."""


def grid_causes(
    fault: Fault, target: Side, calibrated: frozenset[str] | None
) -> tuple[Difference, ...]:
    """Return the grids of a region that evidence says are wrong, each with its cause test.

    Args:
        fault: A root fault with its differences and recorded samples.
        target: The target.
        calibrated: The integers whose grids were made for such samples; None: all are.

    Returns:
        Differences of `Aspect.GRID`. Where none cures the region alone and all do together,
        all are marked so.
    """
    if fault.status is not Status.FAULT or not fault.recorded:
        return ()
    statics = Statics(target.model, target.folder)
    suspected = chain(
        written_grids(fault, target.view, statics, calibrated),
        stored_grids(fault, statics),
        multiplied_grids(fault, statics),
    )
    found = [one for one, _ in zip(suspected, range(MOST_TESTED), strict=False)]
    alone = [replace(one, cure=_error_without(fault, target, (one,))) for one in found]
    if not alone or any(map(fault.is_cured_by, alone)):
        return tuple(alone)
    return _jointly(fault, target, alone)


def _jointly(
    fault: Fault, target: Side, found: Sequence[Difference]
) -> tuple[Difference, ...]:
    """Return grids, and the weights without which they cure nothing, marked as joint.

    Where the grid of a bias is made of its input's scale, both are wrong at once.
    """
    best = {id(one.target_node): one for one in reversed(found)}
    weights = (one for one in fault.differences if one.aspect is Aspect.WEIGHT)
    needed = [*best.values(), *(one for one in weights if one.cure is not None)]
    error = _error_without(fault, target, needed)
    if len(needed) < 2 or error is None or error > fault.noise_floor:  # noqa: PLR2004
        return tuple(found)
    for one in reversed(needed):
        rest = [other for other in needed if other is not one]
        left = _error_without(fault, target, rest)
        if left is not None and left <= fault.noise_floor:
            needed = rest
    chosen = {id(one) for one in needed}
    every = (*found, *(one for one in needed if one.grid is None))
    return tuple(
        replace(one, cure=error, jointly=True) if id(one) in chosen else one
        for one in every
    )


def _error_without(
    fault: Fault, target: Side, differences: Sequence[Difference]
) -> float | None:
    """Return the error left with grids as they should be; None: they are not to be set."""
    edited = excerpt(fault, target.model)
    present = {name for node in edited.graph.node for name in node.output}
    brought: dict[str, Array] = {}
    for one in [_within(each, present) for each in differences]:
        try:
            changed = undo(edited, one)
        except RepairError:
            return None
        if changed is None:
            return None
        edited = changed
        brought |= held(one)
    return region_error(
        edited, target.folder, fault.recorded, fault.target.outputs, brought
    )


def _within(difference: Difference, present: Iterable[str]) -> Difference:
    """Return a difference with the settings of those nodes alone that a region holds."""
    grid = difference.grid
    if grid is None:
        return difference
    known = frozenset(present)
    kept = tuple(one for one in grid.settings if known.intersection(one.node.outputs))
    return replace(difference, grid=replace(grid, settings=kept))
