"""The cause test: one thing of the target at a time takes the source's value.

What makes a region's error vanish is its cause. Where nothing does alone, all differences
undone at once, and those that are needed for it are the causes together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import onnx

from analyzer.broadcasts import broadcast_causes
from analyzer.core.errors import RepairError
from analyzer.core.grids import READER, WRITER
from analyzer.core.types import Array, Aspect, Difference, Fault, Feeds, Node, Pair
from analyzer.differences import compare
from analyzer.differences.undo import held, undo
from analyzer.factors import factor_differences
from analyzer.orders import order_causes
from analyzer.relaid import is_of_layout
from analyzer.runtime.region import region_error, surroundings
from analyzer.solved import number_causes

MOST_TESTS = 24
"""Differences tested in one region, at most: more of them means another structure."""

NEGATIONS = (frozenset({"Less", "GreaterOrEqual"}), frozenset({"Greater", "LessOrEqual"}))
"""Comparisons of which one is true where the other is not."""


def tested(
    fault: Fault,
    model: onnx.ModelProto,
    folder: Path,
    givers: Mapping[str, Node],
    values: Sequence[Feeds],
    *,
    spelt: bool,
) -> Fault:
    """Return the fault with the differences of its pairs, each with its cause test.

    Args:
        fault: A fault with pairs and recorded samples.
        model: The target's proto.
        folder: The folder of the target's weights.
        givers: The target node that gives each tensor.
        values: For each recorded sample, what the target's tensors hold when they are
        right.
        spelt: Whether settings that both files hold alike are left out.
    """
    compared = (diff for pair in fault.pairs for diff in _compared(pair, fault))
    found = [diff for diff in compared if not _is_negated(diff, fault)]
    found = [diff for diff in found if not (spelt and is_of_layout(diff))]
    found += factor_differences(fault)
    small = excerpt(fault, model)
    alone = [_cured(fault, small, folder, diff) for diff in found[:MOST_TESTS]]
    if any(map(fault.is_cured_by, alone)):
        return replace(fault, differences=tuple(alone))
    jointly = _jointly(fault, small, folder, alone)
    if any(map(fault.is_cured_by, jointly)):
        return replace(fault, differences=jointly)
    own = number_causes(fault, small, folder)
    own = own or broadcast_causes(fault, small, folder)
    if own:
        return replace(fault, differences=(*own, *jointly))
    orders = order_causes(fault, model, folder, givers, values)
    return replace(fault, differences=(*orders, *jointly))


def _is_negated(difference: Difference, fault: Fault) -> bool:
    """Return whether a node compares one number the other way round.

    What it gives chooses a branch or ends a loop: two spellings may well negate it and
    exchange what it chooses from, so that what is chosen tells right from wrong.
    """
    one, other = difference.source_node, difference.target_node
    if difference.aspect is not Aspect.OPERATOR or one is None or other is None:
        return False
    seen = [sample.observed[n] for sample in fault.recorded for n in sample.observed]
    return {one.op, other.op} in NEGATIONS and all(value.size == 1 for value in seen)


def excerpt(fault: Fault, model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the part of a model that a region is in, to be edited and run many times.

    Args:
        fault: A fault, of which the region and what it was fed count.
        model: The target's proto.
    """
    if not fault.recorded:
        return model
    part = surroundings(model, fault.recorded[0].inputs, fault.target.outputs)
    given = {name for node in part.graph.node for name in node.output}
    inside = all(given.issuperset(filter(None, n.outputs)) for n in fault.target.nodes)
    return part if inside else model


def _compared(pair: Pair, fault: Fault) -> tuple[Difference, ...]:
    """Return a pair's differences, given the layouts and shapes at the region's ends."""
    ours: Feeds = {}
    theirs: Feeds = {}
    for sample in fault.recorded[:1]:
        ours = {**sample.source_outputs, **sample.source_inputs}
        theirs = {**sample.observed, **sample.inputs}
    return compare(
        pair,
        (*fault.edges, *fault.results),
        source_shapes={name: value.shape for name, value in ours.items()},
        target_shapes={name: value.shape for name, value in theirs.items()},
    )


def _cured(
    fault: Fault, model: onnx.ModelProto, folder: Path, difference: Difference
) -> Difference:
    return replace(difference, cure=_error_without(fault, model, folder, (difference,)))


def _error_without(
    fault: Fault, model: onnx.ModelProto, folder: Path, differences: Sequence[Difference]
) -> float | None:
    """Return the local error left when some differences are undone; None: not possible."""
    edited = model
    brought: dict[str, Array] = {}
    for difference in differences:
        try:
            changed = undo(edited, difference)
        except RepairError:  # the node is one of those that stop the target
            return None
        if changed is None:
            return None
        edited = changed
        brought |= held(difference)
    return region_error(edited, folder, fault.recorded, fault.target.outputs, brought)


def _is_grid(difference: Difference) -> bool:
    """Return whether undoing a difference gives up a declared rounding: never a cause."""
    node = difference.target_node
    return difference.aspect is Aspect.OPERATOR and node is not None and node.op in GRIDS


GRIDS = frozenset({WRITER, READER})
"""Operators that put values on an integer grid, and take them off it."""


def _jointly(
    fault: Fault, model: onnx.ModelProto, folder: Path, found: Sequence[Difference]
) -> tuple[Difference, ...]:
    """Return the differences, those that only together cure the region marked with it."""
    usable = [diff for diff in found if diff.cure is not None and not _is_grid(diff)]
    if len(usable) < 2:  # noqa: PLR2004 - one alone has been tested
        return tuple(found)
    error = _error_without(fault, model, folder, usable)
    if error is None or error > fault.noise_floor:
        return tuple(found)
    needed = list(usable)
    for diff in usable:
        rest = [one for one in needed if one is not diff]
        left = _error_without(fault, model, folder, rest)
        if left is not None and left <= fault.noise_floor:
            needed = rest
    marks = {id(diff) for diff in needed}
    return tuple(
        replace(diff, cure=error, jointly=True) if id(diff) in marks else diff
        for diff in found
    )
