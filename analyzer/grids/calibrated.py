"""Which grids of a target were calibrated on samples like those at hand?"""

from collections.abc import Iterable, Iterator

import numpy as np

from analyzer.core.grids import WRITER, Grid, grid_of
from analyzer.core.types import Array, Feeds, Pivot
from analyzer.grids.written import CUT_OFF, beyond, times
from analyzer.runtime.dump import computed, instrument
from analyzer.runtime.session import open_session
from analyzer.view import view_of

FILLED = 0.5
"""Share of its grid that a tensor reaches at least where the grid was made for such
samples: calibrators take the largest value that they meet, and other samples of the same
kind reach half of that."""


def calibrated_grids(target: Pivot, probes: Iterable[Feeds]) -> frozenset[str]:
    """Return the tensors that fill their grid and stay in it, as the target is.

    What was calibrated with a fault fits what the fault gives. Where the fault is mended
    and the right values leave the grid, it is the grid that is wrong, not the samples.

    Args:
        target: The target as it was loaded.
        probes: Samples by target input name.

    Raises:
        RunError: The target does not run.
    """
    grids = dict(_grids(target))
    if not grids:
        return frozenset()
    asked = {name for name, _ in grids.values()} & set(computed(target.model.graph))
    session = open_session(instrument(target.model), target.folder)
    reached = dict.fromkeys(grids, 0.0)
    for feeds in probes:
        given = {**feeds, **session.run(feeds, sorted(asked))}
        for written, (name, grid) in grids.items():
            reached[written] = max(reached[written], _reach(given[name], grid))
    return frozenset(name for name, most in reached.items() if FILLED <= most < np.inf)


def _grids(target: Pivot) -> Iterator[tuple[str, tuple[str, Grid]]]:
    """Yield what is put on a grid of one scale: the integers, the floats and the grid."""
    if any(node.op_type == WRITER for node in target.model.graph.node):
        for node in view_of(target.model, target.folder).nodes:
            grid = grid_of(node) if node.op == WRITER else None
            if grid is not None and grid.is_per_tensor:
                yield node.outputs[0], (node.inputs[0], grid)


def _reach(values: Array, grid: Grid) -> float:
    """Return how much of a grid some values reach; infinite where they leave it."""
    seen = np.maximum(values, 0.0) if grid.ends[0] == 0.0 else values
    step = float(grid.scale.ravel()[0])
    if beyond(seen, grid.ends, step) > CUT_OFF:
        return np.inf
    return times(float(seen.min(initial=0.0)), float(seen.max(initial=0.0)), grid, step)
