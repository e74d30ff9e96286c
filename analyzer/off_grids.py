"""Regions off their integer grids: computed with the numbers as they come.

Taken off every grid that its values are put on, a region neither rounds nor saturates; what
is wrong with it else stays wrong.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from analyzer.core.errors import RunError
from analyzer.core.grids import READER, WRITER, alike, grid_of
from analyzer.core.types import Feeds, Node, Region, TensorPair
from analyzer.matching.layouts import layout_of
from analyzer.matching.tensors import carried_or_none
from analyzer.runtime.metrics import relative_error
from analyzer.runtime.region import run_region, surroundings
from analyzer.sides import Side
from analyzer.view import View
from analyzer.view.absorb import SAME_VALUES_OPS


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A region of each model that should compute the same, and what both are fed.

    Attributes:
        source: The source's region.
        target: The target's region.
        results: What they give, paired.
        fed: For each sample, what the source's region reads and what the target's does.
    """

    source: Region
    target: Region
    results: tuple[TensorPair, ...]
    fed: tuple[tuple[Feeds, Feeds], ...]


def error_off_grids(part: Part, source: Side, target: Side) -> float:
    """Return how far two regions are apart off their grids, over all samples.

    A grid that begins at zero is a ReLU for what is put on it, or has met nothing else:
    what fits better counts.

    Args:
        part: The regions, and what they are fed.
        source: The source.
        target: The target.

    Returns:
        A relative error; infinite where they do not run by themselves.
    """
    trips = round_trips(part.source, source.view), round_trips(part.target, target.view)
    both = (source, trips[0]), (target, trips[1])
    begun = frozenset(n for trip in trips for n, begins in trip.items() if begins)
    ways = {frozenset[str](), begun}
    return min(
        max((_apart(part, fed, both, way) for fed in part.fed), default=np.inf)
        for way in ways
    )


def round_trips(part: Region, view: View) -> dict[str, bool]:
    """Return what operators give that put a region's values on a grid and take them off.

    Values that are read by another grid than they were written with, or that somebody else
    reads as integers, stay on it.

    Args:
        part: A region.
        view: The macro graph it is of.

    Returns:
        By the name of their result: whether the grid begins at zero there.
    """
    inside = {id(node) for node in part.nodes}
    found: dict[str, bool] = {}
    for writer in part.nodes:
        grid = grid_of(writer) if writer.op == WRITER else None
        readers = () if grid is None else tuple(_read_by(writer, view))
        within = [one for one in readers if one.op == READER and id(one) in inside]
        others = [grid_of(one) for one in within]
        if grid is None or not readers or len(within) < len(readers):
            continue
        if all(other is not None and alike(grid, other) for other in others):
            begins = grid.is_per_tensor and grid.ends[0] == 0.0
            found |= {writer.outputs[0]: begins}
            found |= dict.fromkeys((one.outputs[0] for one in within), False)
    return found


def _read_by(writer: Node, view: View) -> Iterator[Node]:
    """Yield what reads the integers of a tensor, in whatever layout; itself at an end."""
    waiting = list(writer.outputs)
    while waiting:
        name = waiting.pop()
        if name in view.outputs:
            yield writer
        for node in view.readers.get(name, ()):
            if node.op in SAME_VALUES_OPS:
                waiting += [one for one in node.outputs if one]
            else:
                yield node


_Trips = tuple[Side, Mapping[str, bool]]
"""A side, and its tensors whose operators are passed by."""


def _apart(
    part: Part,
    fed: tuple[Feeds, Feeds],
    both: tuple[_Trips, _Trips],
    rectified: Collection[str],
) -> float:
    """Return how far two regions are apart on one sample without their grids."""
    names = (
        [pair.source for pair in part.results],
        [pair.target for pair in part.results],
    )
    try:
        expected, seen = (
            _run(*one, held, wanted, rectified)
            for one, held, wanted in zip(both, fed, names, strict=True)
        )
    except RunError:  # it reads what only integers, or the whole model, can give
        return np.inf
    moved = [
        (seen[pair.target], carried_or_none(expected[pair.source], layout_of(pair)))
        for pair in part.results
    ]
    errors = (np.inf if b is None else relative_error(a, b) for a, b in moved)
    return max(errors, default=np.inf)


def _run(
    side: Side,
    passed: Mapping[str, bool],
    feeds: Feeds,
    names: Sequence[str],
    rectified: Collection[str],
) -> Feeds:
    """Return what a region gives whose values go on as they are where a grid was.

    Raises:
        RunError: It does not load, or stops.
    """
    part = surroundings(side.model, feeds, names)
    for node in part.graph.node:
        name = node.output[0] if node.output else ""
        if name not in passed or (node.op_type == WRITER and name in names):
            continue
        op = "Relu" if name in rectified else "Identity"
        node.CopyFrom(onnx.helper.make_node(op, node.input[:1], [name], name=node.name))
    return run_region(part, side.folder, feeds, names)
