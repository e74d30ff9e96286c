"""A tensor is reshaped to other sizes than the source's.

Cause
    A size was frozen at conversion, or two sizes were exchanged.

Evidence
    The region is right with the source's shape; or both regions hold the same operators,
    settings and weights, and read the same numbers, in the same order, in two shapes.

Repair
    Set the source's shape; where the region has no Reshape, insert one.

Prevention
    Declare the size open when exporting: `dynamic_shapes` or `dynamic_axes` of torch.onnx,
    None in the shape of a Keras Input; and compute sizes from the input, not in Python.

References:
    https://github.com/pytorch/pytorch/issues/82330
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from analyzer.core.changes import undone
from analyzer.core.types import Aspect, Difference, Edit, Fault, FaultClass, Fix, InsertNode
from rules.base import PROVEN, Example, Rule, Spot
from rules.changes import change
from rules.entrances import entrance
from rules.models import axes, chain, conv, layer
from rules.wording import shown

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class WrongShape:
    """A tensor of another shape than the source's, and the edits that reshape it."""

    tensor: str
    found: Shape
    needed: Shape
    edits: tuple[Edit, ...]
    spot: Spot


def detect(fault: Fault) -> WrongShape | None:
    return _from_difference(fault) or _from_entrance(fault)


def explain(cause: WrongShape) -> str:
    return (
        f"{cause.tensor}: has the shape {shown(cause.found)}, the source's is "
        f"{shown(cause.needed)}"
    )


def repair(cause: WrongShape) -> tuple[Fix, ...]:
    if not cause.edits:
        return ()
    return (Fix(f"Give {cause.tensor} the source's shape", cause.edits),)


def _from_difference(fault: Fault) -> WrongShape | None:
    found = change(fault, _is_shape)
    if found is None:
        return None
    needed, present = (
        _sizes(v) for v in (found.difference.source, found.difference.target)
    )
    tensor = found.node.outputs[0]
    return WrongShape(tensor, present, needed, undone(found.difference), found.spot)


def _from_entrance(fault: Fault) -> WrongShape | None:
    given = entrance(fault)
    if given is None or given.right[0].shape == given.given[0].shape:
        return None
    both = zip(given.given, given.right, strict=True)
    if not all(np.array_equal(a.ravel(), b.ravel()) for a, b in both):
        return None
    needed = given.right[0].shape
    sizes = np.asarray([-1, *needed[1:]], dtype=np.int64)
    readers = tuple((node.name, slot) for node, slot in given.readers)
    edit = InsertNode(given.tensor, "Reshape", {}, {1: sizes}, readers)
    spot = Spot(given.source, edge=(given.tensor, *given.readers[0][0].outputs))
    return WrongShape(given.tensor, given.given[0].shape, needed, (edit,), spot)


def _is_shape(difference: Difference) -> bool:
    return difference.aspect is Aspect.SHAPE and difference.field == "shape"


def _sizes(value: object) -> Shape:
    return tuple(int(size) for size in value) if isinstance(value, tuple) else ()


def network(*shape: int) -> onnx.ModelProto:
    """Return a convolution, a Reshape to four axes, a ReLU, and a mean over one of them."""
    mean = layer("ReduceMean", axes=(2,))
    return chain(conv(), layer("Reshape", axes(*shape)), layer("Relu"), mean)


RULE = Rule(
    slug="shape-frozen",
    fault_class=FaultClass.TENSOR_SHAPE_STRUCTURE,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    examples=(
        Example(source=partial(network, 1, 4, 8, 8), target=partial(network, 1, 4, 16, 4)),
    ),
)
