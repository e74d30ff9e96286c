"""The elements of an axis are in another order than its reader expects.

Cause
    A Flatten over NHWC and one over NCHW take their elements in two orders, and the weights
    behind each are ordered to match. A converter that drops or adds a Transpose before it
    gives the right numbers in wrong places. So does one that repeats a whole sequence where
    the source repeats each of its elements.

Evidence
    Both regions hold the same operators, settings and weights, and read the same numbers in
    two orders, one and the same exchange on every recorded sample.

Repair
    Gather the elements in the source's order before the reader; or reorder the rows of the
    weight that reads them.

References:
    https://github.com/onnx/tensorflow-onnx/issues/1749
    https://github.com/onnx/tensorflow-onnx/issues/226
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from analyzer.core.types import Array, Fault, FaultClass, Fix, InsertNode, Node, SetConstant
from rules.base import PROVEN, Example, Rule, Spot
from rules.entrances import Entrance, entrance
from rules.models import chain, conv, dense, layer

VECTORS = 2
"""Rank of a batch of vectors, which is all a Flatten gives."""


@dataclass(frozen=True, slots=True, eq=False)
class WrongFlattening:
    """A tensor whose elements are in another order, and where each one should come from.

    Attributes:
        given: The tensor, as either side reads it.
        axis: The axis along which its elements are exchanged.
        order: The index that each place along it should hold.
        spot: Where it is read.
    """

    given: Entrance
    axis: int
    order: Array
    spot: Spot


def detect(fault: Fault) -> WrongFlattening | None:
    given = entrance(fault)
    if given is None:
        return None
    if any(a.shape != b.shape for a, b in zip(given.given, given.right, strict=True)):
        return None
    orders = (
        (axis, _order(given.given, given.right, axis))
        for axis in range(1, given.given[0].ndim)
    )
    found = next((one for one in orders if one[1] is not None), None)
    if found is None or found[1] is None:
        return None
    spot = Spot(given.source, edge=(given.tensor, *given.readers[0][0].outputs))
    return WrongFlattening(given, found[0], found[1], spot)


def explain(cause: WrongFlattening) -> str:
    moved = int(np.count_nonzero(cause.order != np.arange(cause.order.size)))
    reader = cause.given.readers[0][0].name
    return (
        f"{cause.given.tensor}: {moved} of the {cause.order.size} elements along axis "
        f"{cause.axis} are not where {reader} expects them; the source flattens the axes "
        f"in another order"
    )


def repair(cause: WrongFlattening) -> tuple[Fix, ...]:
    readers = tuple((node.name, slot) for node, slot in cause.given.readers)
    places, along = {1: cause.order}, {"axis": cause.axis}
    edit = InsertNode(cause.given.tensor, "Gather", along, places, readers)
    reading = Fix(f"Read {cause.given.tensor} in the source's order", (edit,))
    flat = cause.given.given[0].ndim == VECTORS
    nodes = [node for node, _ in cause.given.readers]
    edits = [_reordered(node, cause.order) if flat else None for node in nodes]
    known = tuple(edit for edit in edits if edit is not None)
    if len(known) != len(edits):
        return (reading,)
    return reading, Fix(f"Reorder the weights that read {cause.given.tensor}", known)


def _reordered(node: Node, order: Array) -> SetConstant | None:
    """Return the edit that orders a dense weight as its input is."""
    weight = node.constants.get(1)
    if node.op not in {"Gemm", "MatMul"} or weight is None or weight.ndim != VECTORS:
        return None
    axis = 1 if node.attributes.get("transB") else 0
    return SetConstant(node.name, 1, np.take(weight, np.argsort(order), axis))


def _order(given: Sequence[Array], right: Sequence[Array], axis: int) -> Array | None:
    """Return the indices that put an axis in order by exchanging the two that it was."""
    size = given[0].shape[axis]
    for first in (n for n in range(2, size) if size % n == 0):
        order = np.arange(size, dtype=np.int64).reshape(first, size // first).T.ravel()
        both = zip(given, right, strict=True)
        if all(np.array_equal(np.take(a, order, axis), b) for a, b in both):
            return order
    return None


RULE = Rule(
    slug="reshape-order-wrong",
    fault_class=FaultClass.TENSOR_SHAPE_STRUCTURE,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    examples=(
        Example(
            source=partial(
                chain,
                conv(),
                layer("Transpose", perm=(0, 2, 3, 1)),
                layer("Flatten"),
                dense(256),
            ),
            target=partial(chain, conv(), layer("Flatten"), dense(256)),
        ),
    ),
)
