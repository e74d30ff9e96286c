"""The cause test for operators that a region's beginning lacks.

A scale on the input, a flip, an activation: where the target leaves out what the source
does first, its region is right as soon as it is fed what the source has behind it.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from analyzer.causes import excerpt
from analyzer.core.errors import RunError
from analyzer.core.types import (
    Aspect,
    Difference,
    Fault,
    Node,
    TensorPair,
)
from analyzer.matching.layouts import layout_of
from analyzer.matching.rectified import is_limited
from analyzer.matching.tensors import carried_or_none
from analyzer.runtime.region import region_error, run_region
from analyzer.sides import Side
from analyzer.view.absorb import LAYOUT_OPS

MOST_SKIPPED = 4
"""Operators in a row that are tried: a scale and an offset, each with a layout."""


def skipped_causes(fault: Fault, source: Side, target: Side) -> tuple[Difference, ...]:
    """Return the source's operators without which the target's region begins.

    Args:
        fault: A fault with recorded samples that no other difference explains.
        source: The source.
        target: The target.

    Returns:
        One difference for each operator, in the order they are computed: those that the
        region is right behind. Empty where no such row of operators is found.
    """
    if not fault.recorded:
        return ()
    for edge in fault.edges:
        if edge.target not in fault.target.inputs or edge.source not in fault.source.inputs:
            continue
        for row in _rows(fault, edge.source, source.view.dynamic):
            held = (is_limited(target.view, edge.target, node) for node in row)
            if any(held) or not _leaves_some(row, fault):
                continue  # what a grid cuts off is not skipped
            cure = _error_behind(fault, edge, row, (source, target))
            if cure is not None and cure <= fault.noise_floor:
                return tuple(
                    Difference(
                        Aspect.OPERATOR, "op", node.op, None, node, None,
                        cure=cure, jointly=len(row) > 1,
                    )
                    for node in row
                )  # fmt: skip
    return ()


def _leaves_some(row: Sequence[Node], fault: Fault) -> bool:
    """Return whether the target has something to do behind a row, as the source has.

    What is all the source computes stands in the target in other operators, if any: those
    leave alone what it gives, as a remainder of a remainder is that remainder.
    """
    rest = [node for node in fault.source.nodes if all(node is not one for one in row)]
    left, right = (
        any(node.op not in LAYOUT_OPS for node in nodes)
        for nodes in (rest, fault.target.nodes)
    )
    return left or not right


def _rows(fault: Fault, name: str, computed: Collection[str]) -> Iterator[tuple[Node, ...]]:
    """Yield the operators that a source region begins with, ever more of them."""
    row: list[Node] = []
    while len(row) < MOST_SKIPPED:
        readers = [node for node in fault.source.nodes if name in node.inputs]
        if len(readers) != 1 or len(readers[0].outputs) != 1:
            return
        if [one for one in readers[0].inputs if one in computed] != [name]:
            return
        row.append(readers[0])
        name = readers[0].outputs[0]
        if name in fault.source.outputs:
            return
        yield tuple(row)


def _error_behind(
    fault: Fault, edge: TensorPair, row: Sequence[Node], sides: tuple[Side, Side]
) -> float | None:
    """Return the region's error if it is fed what a row gives; None: it cannot be."""
    source, target = sides
    end = row[-1].outputs[0]
    samples = []
    for sample in fault.recorded:
        if edge.source not in sample.source_inputs or edge.target not in sample.inputs:
            return None
        given = {edge.source: sample.source_inputs[edge.source]}
        try:
            behind = run_region(source.model, source.folder, given, [end])
        except RunError:
            return None
        moved = carried_or_none(behind[end], layout_of(edge))
        if moved is None or moved.shape != sample.inputs[edge.target].shape:
            return None
        fed = {**sample.inputs, edge.target: np.require(moved, requirements="C")}
        samples.append(replace(sample, inputs=fed))
    model = excerpt(fault, target.model)
    return region_error(model, target.folder, samples, fault.target.outputs)
