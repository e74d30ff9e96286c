"""Grids of weights whose integers are computed with before they are taken off the grid.

A dynamically quantized model multiplies integers, casts the sum, and multiplies it with
both scales; of a table it takes the rows of integers first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analyzer.core.grids import READER, SCALE, ZERO, GridChange
from analyzer.core.types import Array, Aspect, Difference, Fault, Node
from analyzer.grids.static import Statics
from analyzer.grids.stored import changed

PRODUCTS = {
    "ConvInteger": ("Conv",),
    "MatMulInteger": ("MatMul", "Gemm"),
    "Gather": ("Gather",),
}
"""Operators on integers of a weight, and those on floats that they stand for."""

WEIGHT, WEIGHT_ZERO = 1, 3
"""Input slots of a product's weight and of its zero point.

Source: https://onnx.ai/onnx/operators/onnx__ConvInteger.html"""

_Place = tuple[Node, int]
"""A node and one of its input slots."""


@dataclass(frozen=True, slots=True, eq=False)
class _Stored:
    """Where the integers, the scale and the zero point of a weight are."""

    integers: _Place
    scale: _Place
    zero: _Place

    @property
    def places(self) -> dict[int, _Place]:
        return {0: self.integers, SCALE: self.scale, ZERO: self.zero}

    @property
    def reader(self) -> Node | None:
        """What would take the weight off its grid; None where the file computes a part."""
        node, slot = self.integers
        held = {
            own: place.constants[at]
            for own, (place, at) in self.places.items()
            if at in place.constants
        }
        if not held.keys() >= {0, SCALE} or held[0].dtype.kind not in "iu":
            return None
        names = [
            place.inputs[at] for place, at in self.places.values() if at < len(place.inputs)
        ]
        return replace(
            node,
            op=READER,
            constants=held,
            inputs=tuple(names),
            outputs=(node.inputs[slot],),
            attributes={"axis": 0 if node.op == "ConvInteger" else 1},
        )


def multiplied_grids(fault: Fault, statics: Statics) -> Iterator[Difference]:
    """Yield the integers that are no weight of the source, each with what makes them one.

    Args:
        fault: A root fault.
        statics: The target's constants.
    """
    for node in fault.target.nodes:
        stored = _stored(node, fault.target.nodes)
        reader = None if stored is None else stored.reader
        if stored is None or reader is None:
            continue
        for source, weight in _weights(fault.source.nodes, node, reader.constants[0]):
            change = changed(reader, np.asarray(weight, np.float64), statics)
            if change is None:
                break  # the integers are this weight's
            if all(one.axis is None for one in change.settings):
                moved = _moved(change, stored)
                kind = change.fault
                yield Difference(Aspect.GRID, kind, None, None, source, node, grid=moved)


def _stored(node: Node, nodes: Sequence[Node]) -> _Stored | None:
    """Return where the parts of a weight are that an operator reads as integers."""
    reads = {name: one for one in nodes for name in one.inputs if name}
    after = reads.get(node.outputs[0]) if node.op in PRODUCTS else None
    if after is None:
        return None
    if node.op == "Gather":
        parts = _Stored((node, 0), (after, SCALE), (after, ZERO))
        return parts if after.op == READER else None
    scaled = reads.get(after.outputs[0])
    if scaled is None or (after.op, scaled.op) != ("Cast", "Mul"):
        return None
    both = (one for one in nodes if set(one.outputs) & set(scaled.inputs))
    scales = next((one for one in both if one.op == "Mul" and one.constants), None)
    if scales is None:
        return None
    slot = next(iter(scales.constants))
    return _Stored((node, WEIGHT), (scales, slot), (node, WEIGHT_ZERO))


def _weights(
    nodes: Sequence[Node], product: Node, integers: Array
) -> Iterator[tuple[Node, Array]]:
    """Yield the source's weights of the same sizes, laid out as the target's."""
    slot = 0 if product.op == "Gather" else WEIGHT
    for node in nodes:
        weight = node.constants.get(slot)
        if node.op not in PRODUCTS[product.op] or weight is None:
            continue
        laid = weight.T if node.attributes.get("transB") else weight
        if laid.shape == integers.shape and laid.dtype.kind == "f":
            yield node, laid


def _moved(change: GridChange, stored: _Stored) -> GridChange:
    """Return a change whose settings are of the nodes that hold the constants."""
    settings = (
        replace(one, node=stored.places[one.slot][0], slot=stored.places[one.slot][1])
        for one in change.settings
    )
    return replace(change, settings=tuple(settings))
