"""How far an input reaches: what the grid that it is put on first can hold."""

from collections.abc import Iterator

import onnx

from analyzer.core.graph import as_node, constant_value, opsets
from analyzer.core.grids import WRITER, grid_of
from analyzer.core.tensors import tensor_value
from analyzer.core.types import Array, Node, Pivot
from analyzer.view.absorb import SAME_VALUES_OPS


def input_reach(pivot: Pivot, name: str) -> tuple[float, float] | None:
    """Return the smallest and the largest number an input is quantized to.

    Args:
        pivot: The model.
        name: One of its inputs.

    Returns:
        The ends of the narrowest grid that the input's own values are put on; None where
        no one grid is.
    """
    grids = (grid_of(_with_constants(pivot, proto)) for proto in _writers(pivot, name))
    ends = [grid.ends for grid in grids if grid is not None and grid.is_per_tensor]
    narrowest = min(ends, key=lambda one: one[1] - one[0], default=None)
    return None if narrowest is None or narrowest[0] >= narrowest[1] else narrowest


def _writers(pivot: Pivot, name: str) -> Iterator[onnx.NodeProto]:
    """Yield what puts a tensor on a grid, in whatever layout."""
    known = {name}
    for proto in pivot.model.graph.node:
        if known.isdisjoint(proto.input[:1]):
            continue
        if proto.op_type == WRITER:
            yield proto
        elif proto.op_type in SAME_VALUES_OPS:
            known.update(proto.output[:1])


def _with_constants(pivot: Pivot, proto: onnx.NodeProto) -> Node:
    """Return a node with its own constants, no other of the model being read."""
    graph, names = pivot.model.graph, set(proto.input)
    values: dict[str, Array] = {
        one.name: tensor_value(one, pivot.folder)
        for one in graph.initializer
        if one.name in names
    }
    values |= {
        one.output[0]: constant_value(one, pivot.folder)
        for one in graph.node
        if one.op_type == "Constant" and one.output[0] in names
    }
    return as_node(proto, values, opsets(pivot.model))
