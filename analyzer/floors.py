"""Noise floors of many regions: as many in one run as fit, not a session each."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.core.types import Feeds, Region
from analyzer.regions import region
from analyzer.runtime.noise import noise_floor
from analyzer.sides import Side

TOGETHER = 1 << 26
"""Bytes of cuts and weights that are perturbed in one run: each is copied once a draw."""


@dataclass(frozen=True, slots=True)
class Step:
    """How operands are moved: see `noise_floor`."""

    levels: int = 0
    unit: float | None = None


ROUNDING_STEP = Step()
"""One unit in the last place of each operand's own dtype."""


def region_floors(
    side: Side, names: Sequence[str], known: Feeds, seed: int, step: Step = ROUNDING_STEP
) -> dict[str, float]:
    """Return the noise floor of each tensor's region.

    Every region reads what is known, never another's result, so that any number of them
    can be measured side by side.

    Args:
        side: The model.
        names: Tensors whose regions are measured.
        known: A value for each cut and each input of the model.
        seed: Seed of the perturbations.
        step: How operands are moved.

    Returns:
        Relative error by tensor; tensors whose floor is not finite or whose region does
        not run are left out.
    """
    wanted = [name for name in dict.fromkeys(names) if name in side.view.giver]
    floors: dict[str, float] = {}
    for group in _groups(side, wanted, known):
        floors |= _measured(side, group, known, seed, step)
    return {name: floor for name, floor in floors.items() if np.isfinite(floor)}


def _groups(side: Side, names: Sequence[str], known: Feeds) -> Iterator[list[str]]:
    """Yield tensors in topological order, as many at once as `TOGETHER` allows."""
    group: list[str] = []
    held = 0
    for name in sorted(names, key=side.view.order.__getitem__):
        size = _operand_bytes(region(side.view, (name,), known.keys()), known)
        if group and held + size > TOGETHER:
            yield group
            group, held = [], 0
        group.append(name)
        held += size
    if group:
        yield group


def _operand_bytes(part: Region, known: Feeds) -> int:
    cuts = sum(known[name].nbytes for name in part.inputs if name in known)
    weights = (value for node in part.nodes for value in node.constants.values())
    return cuts + sum(value.nbytes for value in weights)


def _measured(
    side: Side, names: Sequence[str], known: Feeds, seed: int, step: Step
) -> dict[str, float]:
    """Return the floors of some regions; where they do not run together, of each half."""
    edges = _edges(side, names, known.keys())
    fed = {edge: known[edge] for edge in edges if edge in known}
    found = noise_floor(
        side.model,
        side.folder,
        [fed],
        names,
        levels=step.levels,
        unit=step.unit,
        seed=seed,
    )
    if found or len(names) == 1:
        return found
    middle = len(names) // 2
    one, other = names[:middle], names[middle:]
    left = _measured(side, one, known, seed, step)
    return left | _measured(side, other, known, seed, step)


def _edges(side: Side, names: Sequence[str], cuts: Collection[str]) -> dict[str, None]:
    """Return what some regions read; shape arithmetic reads the model's inputs too."""
    found = dict.fromkeys(side.view.inputs)
    for name in names:
        found |= dict.fromkeys(region(side.view, (name,), cuts).inputs)
    return found
