"""Weights that a file computes from others: at which node do they go wrong?

Exporters stack, cut and turn the weights of a recurrence in the graph. Where what comes out
is not the source's, the operator that reads it is as right as the tensors it began with:
the node to name is the one that puts right parts together wrongly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

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
    if np.array_equal(one.ravel(), other.ravel()):
        return True
    if one.ndim < other.ndim:  # of one direction of several, as the first axis has them
        return any(is_part(one, each) for each in other)
    return any(_is_run(turned, other) for turned in (one, one.T))


def _is_run(one: Array, other: Array) -> bool:
    if one.ndim != other.ndim or not one.ndim or not one.size:
        return False
    longer = [n for n in range(one.ndim) if one.shape[n] != other.shape[n]]
    if len(longer) > 1:
        return False
    axis = longer[0] if longer else 0
    count, first = one.shape[axis], np.take(one, 0, axis)
    starts = range(other.shape[axis] - count + 1)
    return any(
        np.array_equal(np.take(other, range(start, start + count), axis), one)
        for start in starts
        if np.array_equal(np.take(other, start, axis), first)
    )
