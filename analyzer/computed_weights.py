"""Weights that a file computes from others: at which node do they go wrong?

Exporters stack, cut and turn the weights of a recurrence in the graph. Where what comes out
is not the source's, the operator that reads it is as right as the tensors it began with:
the node to name is the one that puts right parts together wrongly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from analyzer.arithmetic import nodes_before
from analyzer.core.types import Array, Aspect, Difference, Fault, Feeds, Node, Origin
from analyzer.sides import Side


def with_origins(fault: Fault, target: Side, seen: Sequence[Feeds]) -> Fault:
    """Return a fault with the nodes at which the weights go wrong that it is blamed on.

    Args:
        fault: A fault whose differences have had their cause test.
        target: The target.
        seen: The target's values of each recorded sample, all tensors.
    """
    if not seen:
        return fault
    blamed = [one for one in fault.differences if fault.is_cured_by(one)]
    found = (_origin(one, target, seen[0]) for one in blamed)
    return replace(fault, origins=tuple(one for one in found if one is not None))


def _origin(difference: Difference, target: Side, values: Feeds) -> Origin | None:
    """Return the first node on the way back from a weight that reads but parts of it."""
    node, right = difference.target_node, difference.source
    slot = difference.slot
    if difference.aspect is not Aspect.WEIGHT or node is None or slot < 0:
        return None
    if not isinstance(right, np.ndarray) or slot >= len(node.inputs):
        return None
    givers = {
        name: one for one in nodes_before(target, node.inputs[slot]) for name in one.outputs
    }
    name = node.inputs[slot]
    while name in givers:
        known = _read(givers[name], values)
        odd = [one for one, value in known.items() if not is_part(value, right)]
        if not odd:
            return Origin(node.name, slot, givers[name])
        name = odd[0]
    return None


def _read(node: Node, values: Feeds) -> Mapping[str, Array]:
    """Return the floats that a node reads, by name."""
    held = {name: node.constants.get(slot) for slot, name in enumerate(node.inputs)}
    found = {name: values.get(name) if one is None else one for name, one in held.items()}
    return {k: v for k, v in found.items() if v is not None and v.dtype.kind == "f"}


def is_part(value: Array, whole: Array) -> bool:
    """Return whether an array is another, or a run of it along one axis, perhaps turned.

    Args:
        value: An array of any shape.
        whole: What it may be a part of; axes of one do not count in either, nor do its
            first ones where the array has fewer.
    """
    one, other = np.squeeze(value), np.squeeze(whole)
    if not one.size or one.size > other.size:
        return False
    firsts = range(max(0, other.ndim - one.ndim) + 1)  # axes that the array may lack
    if any(_is_row(one.ravel(), other, first) for first in firsts):
        return True
    turned = (one, one.T) if one.ndim > 1 else (one,)
    return any(_is_run(each, other) for each in turned)


def _is_row(row: Array, other: Array, axes: int) -> bool:
    """Return whether an array says all of another, at one place of its first axes."""
    if prod(other.shape[axes:]) != row.size:
        return False
    rows = other.reshape(-1, row.size)
    alike = np.flatnonzero(rows[:, 0] == row[0])
    return any(np.array_equal(rows[place], row) for place in alike)


def _is_run(one: Array, other: Array) -> bool:
    """Return whether an array is a run along an axis, at one place of its first axes."""
    if not 0 < one.ndim <= other.ndim:
        return False
    inner = other.shape[-one.ndim :]
    longer = [n for n in range(one.ndim) if one.shape[n] != inner[n]]
    axis = longer[0] if longer else 0
    starts = inner[axis] - one.shape[axis] + 1
    if len(longer) > 1 or starts < 1:
        return False
    run = np.moveaxis(one, axis, 0)
    lines = np.moveaxis(other.reshape(-1, *inner), axis + 1, 1)
    corners = lines[:, :starts].T[(0,) * (one.ndim - 1)]
    alike = np.argwhere(corners == run.flat[0])  # seldom more than one place begins so
    count = len(run)
    return any(np.array_equal(lines[at, first : first + count], run) for first, at in alike)
