"""The cause test for broadcasting: does a vector lie along the wrong axis?

A constant of one number per channel is stretched along whatever axis its shape says. With
two axes of one size nothing else than the values tells that it is the wrong one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from analyzer.core.errors import RepairError
from analyzer.core.types import Array, Aspect, Difference, Fault, Node
from analyzer.differences.undo import undo
from analyzer.runtime.region import region_error

STRETCHING = frozenset({"PRelu", "Add", "Sub", "Mul", "Div", "Min", "Max", "Pow"})
"""Operators that stretch a smaller operand along the axes in which it has one element."""


def broadcast_causes(
    fault: Fault, model: onnx.ModelProto, folder: Path
) -> tuple[Difference, ...]:
    """Return a difference for each vector that cures the region along another axis.

    Args:
        fault: A fault with recorded samples.
        model: The part of the target that the region is in.
        folder: The folder of the target's weights.

    Returns:
        Differences in weights; the source's value is the target's in another shape.
    """
    shape = _shape(fault)
    found = (
        _cured(fault, model, folder, difference)
        for node in fault.target.nodes
        if node.op in STRETCHING
        for difference in _laid_otherwise(node, shape)
    )
    return tuple(one for one in found if one is not None)


def _shape(fault: Fault) -> tuple[int, ...]:
    """Return the shape of what the region gives; empty where nothing was recorded."""
    known = (one for sample in fault.recorded for one in sample.expected.values())
    return next((array.shape for array in known), ())


def _laid_otherwise(node: Node, shape: Sequence[int]) -> Iterator[Difference]:
    for slot, vector in node.constants.items():
        size = vector.size
        if size < 2 or size != max(vector.shape):  # noqa: PLR2004 - a scalar has no axis
            continue
        own = len(shape) - vector.ndim + vector.shape.index(size)
        for axis in (a for a, count in enumerate(shape) if count == size and a != own):
            laid = vector.reshape([size if a == axis else 1 for a in range(len(shape))])
            yield _difference(node, slot, vector, laid)


def _difference(node: Node, slot: int, vector: Array, laid: Array) -> Difference:
    return Difference(
        Aspect.WEIGHT, f"input{slot}", np.ascontiguousarray(laid), vector, None, node, slot
    )


def _cured(
    fault: Fault, model: onnx.ModelProto, folder: Path, difference: Difference
) -> Difference | None:
    """Return the difference where undoing it cures the region."""
    try:
        changed = undo(model, difference)
    except RepairError:  # the node is one of those that stop the target
        return None
    if changed is None:
        return None
    names = fault.target.outputs
    error = region_error(changed, folder, fault.recorded, names)
    return replace(difference, cure=error) if error <= fault.noise_floor else None
