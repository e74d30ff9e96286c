"""A vector's elements are in another order than its reader expects.

Cause
    A Flatten over NHWC and one over NCHW take their elements in two orders, and the weights
    behind each are ordered to match. A converter that drops or adds a Transpose before it
    gives the right numbers in wrong places.

Evidence
    Both regions hold the same operators, settings and weights, and read the same numbers in
    two orders, one and the same exchange on every recorded sample.

Repair
    Gather the elements in the source's order before the reader; or reorder the rows of the
    weight that reads them.

References:
    https://github.com/onnx/tensorflow-onnx/issues/1749
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
    """A tensor whose elements are in another order, and where each one should come from."""

    given: Entrance
    order: Array
    spot: Spot


def detect(fault: Fault) -> WrongFlattening | None:
    given = entrance(fault)
    if given is None or given.given[0].ndim != VECTORS:
        return None
    if any(a.shape != b.shape for a, b in zip(given.given, given.right, strict=True)):
        return None
    order = _order(given.given, given.right)
    if order is None:
        return None
    spot = Spot(given.source, edge=(given.tensor, *given.readers[0][0].outputs))
    return WrongFlattening(given, order, spot)


def explain(cause: WrongFlattening) -> str:
    moved = int(np.count_nonzero(cause.order != np.arange(cause.order.size)))
    reader = cause.given.readers[0][0].name
    return (
        f"{cause.given.tensor}: {moved} of its {cause.order.size} elements are not where "
        f"{reader} expects them; the source flattens the axes in another order"
    )


def repair(cause: WrongFlattening) -> tuple[Fix, ...]:
    readers = tuple((node.name, slot) for node, slot in cause.given.readers)
    edit = InsertNode(cause.given.tensor, "Gather", {"axis": 1}, {1: cause.order}, readers)
    reading = Fix(f"Read {cause.given.tensor} in the source's order", (edit,))
    edits = [_reordered(node, cause.order) for node, _ in cause.given.readers]
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


def _order(given: Sequence[Array], right: Sequence[Array]) -> Array | None:
    """Return the indices that put the given elements in order by exchanging two axes."""
    size = given[0].shape[1]
    for first in (n for n in range(2, size) if size % n == 0):
        order = np.arange(size, dtype=np.int64).reshape(first, size // first).T.ravel()
        if all(np.array_equal(a[:, order], b) for a, b in zip(given, right, strict=True)):
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
