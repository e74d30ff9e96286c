"""A vector is stretched along the wrong axis.

Cause
    One number per channel, a slope or a bias, was stored in a shape that lays it along
    another axis: broadcasting aligns shapes at their end, and the layout, or the rank, is
    not the one it was written for. Axes of one size hide it from every shape check.

Evidence
    The operator has a constant of one number per channel, and with the same numbers laid
    along another axis of that size the region is right.

Repair
    Give the constant the shape that lays it along that axis.

References:
    https://github.com/pytorch/pytorch/issues/70570
    https://github.com/pytorch/pytorch/issues/21271
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import onnx

from analyzer.core.types import Array, Aspect, Difference, Fault, FaultClass, Fix
from rules.base import PROVEN, Example, Rule
from rules.changes import Change, beside, change, undoing
from rules.models import chain, conv, layer, weights
from rules.sabotage import Victim, spoiled
from rules.wording import named

SPREADING = frozenset({"Add", "Sub", "Mul", "Div", "PRelu"})
"""Operators that spread a vector over an axis."""

PARTICULAR = PROVEN + 0.01
"""Confidence: that the numbers are right says more than that the constant differs."""


def detect(fault: Fault) -> Change | None:
    return change(fault, _is_laid_otherwise)


def explain(cause: Change) -> str:
    one = cause.difference
    wrong, right = (np.asarray(value).shape for value in (one.target, one.source))
    return (
        f"{named(cause.node)}: the {max(wrong)} numbers of {one.field} have the "
        f"shape {wrong}, which lays them along another axis than {right}, with which the "
        f"result is the source's{beside(cause)}"
    )


def repair(cause: Change) -> tuple[Fix, ...]:
    one = cause.difference
    return undoing(f"Lay {one.field} of {cause.node.name} along the other axis", cause)


def _is_laid_otherwise(difference: Difference) -> bool:
    right, wrong = difference.source, difference.target
    if not isinstance(right, np.ndarray) or not isinstance(wrong, np.ndarray):
        return False
    if difference.aspect is not Aspect.WEIGHT or right.size != wrong.size:
        return False
    return _along(right) != _along(wrong) and np.array_equal(right.ravel(), wrong.ravel())


def _along(vector: Array) -> int | None:
    """Return the axis of a vector, counted from the end; None where it is no vector."""
    is_vector = 1 < vector.size == max(vector.shape)
    return vector.shape.index(vector.size) - vector.ndim if is_vector else None


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    known = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*known.input, *known.value_info)
    }
    return spoiled(model, rng, SPREADING, partial(_turn, shapes))


def _turn(shapes: Mapping[str, Sequence[int]], victim: Victim) -> bool:
    """Lay a vector along another axis of as many places as it has numbers."""
    for slot, other in ((1, 0), (0, 1)):
        vector, sizes = victim.constant(slot), shapes.get(victim.node.input[other], ())
        along = None if vector is None else _along(vector)
        if vector is None or along is None or vector.ndim > len(sizes):
            continue
        alike = [axis - len(sizes) for axis, n in enumerate(sizes) if n == vector.size]
        for axis in alike:
            if axis != along:
                shape = [-1 if one == axis else 1 for one in range(-len(sizes), 0)]
                victim.set_constant(slot, vector.reshape(shape))
                return True
    return False


def slopes(*shape: int) -> onnx.ModelProto:
    """Return a convolution of as many channels as its result is wide, and a PRelu.

    Args:
        shape: Of the slopes, one a channel.
    """
    slope = layer("PRelu", weights(8).reshape(shape))
    return chain(conv(3, 8), slope, conv(8, 2))


RULE = Rule(
    slug="broadcast-misaligned",
    fault_class=FaultClass.TENSOR_SHAPE_STRUCTURE,
    confidence=PARTICULAR,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(Example(source=partial(slopes, 8, 1, 1), target=partial(slopes, 8)),),
)
