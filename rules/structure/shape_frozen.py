"""A tensor is reshaped to other sizes than the source's.

Cause
    A size was frozen at conversion, two sizes were exchanged, or an axis of one was dropped
    or kept: by an index that is a number on one side and a list of one on the other.

Evidence
    The region is right with the source's shape; or both regions hold the same operators,
    settings and weights, and read the same numbers, in the same order, in two shapes.

Repair
    Set the source's shape; where the region has no Reshape, insert one, or the axis alone.

Prevention
    Declare the size open when exporting: `dynamic_shapes` or `dynamic_axes` of torch.onnx,
    None in the shape of a Keras Input; and compute sizes from the input, not in Python.

References:
    https://github.com/pytorch/pytorch/issues/82330
    https://github.com/pytorch/pytorch/issues/32926
    https://github.com/pytorch/pytorch/issues/68003
    https://github.com/pytorch/pytorch/issues/73559
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from analyzer.core.changes import undone
from analyzer.core.types import (
    Aspect,
    Difference,
    Edit,
    Fault,
    FaultClass,
    Fix,
    InsertNode,
    Node,
)
from rules.base import PROVEN, Example, Rule, Spot
from rules.carrying import carried
from rules.changes import change
from rules.entrances import entrance, is_alike, needed_order, readers_of
from rules.evidence import blamed, results
from rules.models import axes, chain, conv, layer
from rules.wording import shown

Shape = tuple[int, ...]

COMPUTED = "computed operand"
"""Field of a difference in what a file computes from sizes and constants alone."""

AXES_ARE_READ = 13
"""From this opset Unsqueeze reads its axes; before, they are an attribute."""


@dataclass(frozen=True, slots=True, eq=False)
class WrongShape:
    """A tensor of another shape than the source's, and the edits that reshape it."""

    tensor: str
    found: Shape
    needed: Shape
    edits: tuple[Edit, ...]
    spot: Spot
    problem: str = ""


def detect(fault: Fault) -> WrongShape | None:
    sources = _from_difference, _from_operand, _from_entrance, _from_edge
    return next((found for one in sources if (found := one(fault))), None)


def explain(cause: WrongShape) -> str:
    return (
        f"{cause.tensor}: has the shape {shown(cause.found)}, the source's is "
        f"{shown(cause.needed)}{'; ' if cause.problem else ''}{cause.problem}"
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
    if needed_order(given) is not None:  # of axes of size one, a Transpose says no less
        return None
    both = zip(given.given, given.right, strict=True)
    if not all(np.array_equal(a.ravel(), b.ravel()) for a, b in both):
        return None
    shapes = given.given[0].shape, given.right[0].shape
    return _reshaped(given.tensor, shapes, given.readers, fault)


def _from_operand(fault: Fault) -> WrongShape | None:
    """Return what arithmetic, or nobody, gives in other sizes than the source computes."""
    told = [one for one in blamed(fault) if one.field == COMPUTED]
    shapes = [(observed.shape, right.shape) for _, observed, right in results(fault)]
    odd = next((both for both in shapes if both[0] != both[1]), None)
    edit = carried(fault) if told and odd else None
    if edit is None or odd is None or told[0].target_node is None:
        return None
    spot = Spot(fault.source.nodes, (told[0].target_node,))
    return WrongShape(fault.target.outputs[0], *odd, (edit,), spot, fault.problem)


def _from_edge(fault: Fault) -> WrongShape | None:
    """Return the one tensor of several that two like regions read in two shapes."""
    found = [
        (edge, one.inputs[edge.target].shape, one.source_inputs[edge.source].shape)
        for one in fault.recorded[:1]
        for edge in fault.edges
        if edge.target in one.inputs and edge.source in one.source_inputs
    ]
    odd = [one for one in found if one[0].permutation is None and one[1] != one[2]]
    if len(odd) != 1 or not is_alike(fault):
        return None
    edge, present, needed = odd[0]
    readers = readers_of(edge.target, fault)
    return _reshaped(edge.target, (present, needed), readers, fault) if readers else None


def _reshaped(
    tensor: str,
    shapes: tuple[Shape, Shape],
    readers: tuple[tuple[Node, int], ...],
    fault: Fault,
) -> WrongShape:
    """Return the cause of a tensor that is read in the first shape, not in the second."""
    present, needed = shapes
    places = tuple((node.name, slot) for node, slot in readers)
    sizes = np.asarray([-1, *needed[1:]], dtype=np.int64)
    ones = tuple(axis for axis, size in enumerate(needed) if size == 1)
    opset = readers[0][0].opset
    edit = InsertNode(tensor, "Reshape", {}, {1: sizes}, places)
    if len(needed) - len(ones) == len(present):  # the axes of one alone are missing
        by = np.asarray(ones, dtype=np.int64)
        inside = opset >= AXES_ARE_READ
        edit = InsertNode(
            tensor,
            "Unsqueeze",
            {} if inside else {"axes": ones},
            {1: by} if inside else {},
            places,
        )
    spot = Spot(fault.source.nodes, edge=(tensor, *readers[0][0].outputs))
    return WrongShape(tensor, present, needed, (edit,), spot)


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
