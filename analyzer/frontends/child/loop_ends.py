"""What the body of a loop takes and gives, declared as the flatbuffer declares it.

tf2onnx declares what a body takes by the first output of the operator before the loop,
whichever of its outputs is read: where two loops follow each other, the second one's
sequence becomes a scalar, and no runtime loads the pivot.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import onnx

Sizes = tuple[int, ...]
"""Size of each axis; negative where it is free."""

Record = Mapping[str, Sizes | None]
"""Sizes by tensor name; None where tensors of one name differ or a rank is unknown."""


def declare_loop_ends(model: onnx.ModelProto, tree: Any) -> None:
    """Let each inner graph of a fresh pivot declare its ends as the flatbuffer does.

    Args:
        model: What tf2onnx made; its inner graphs are changed in place.
        tree: The flatbuffer's `schema.ModelT`.
    """
    record = _record(tree)
    for graph in _inner_graphs(model.graph):
        for value in (*graph.input, *graph.output):
            if value.name in record:
                _declare(value.type.tensor_type, record[value.name])


def _record(tree: Any) -> Record:
    """Return the sizes of all tensors, under their own names and under tf2onnx's.

    What a body takes is called ``<graph>_<tensor>`` there.
    """
    found: dict[str, Sizes | None] = {}
    for graph in tree.subgraphs:
        scope = graph.name.decode("utf-8") if graph.name else ""
        for tensor in graph.tensors:
            name, sizes = tensor.name.decode("utf-8"), _sizes(tensor)
            for known in (name, f"{scope}_{name}"):
                agreed = found.get(known, sizes) == sizes
                found[known] = sizes if agreed else None
    return found


def _sizes(tensor: Any) -> Sizes | None:
    declared = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
    sizes = () if declared is None else tuple(int(size) for size in declared)
    return sizes if sizes or tensor.hasRank else None


def _inner_graphs(graph: onnx.GraphProto) -> Iterable[onnx.GraphProto]:
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield attribute.g
                yield from _inner_graphs(attribute.g)


def _declare(declared: onnx.TypeProto.Tensor, sizes: Sizes | None) -> None:
    declared.ClearField("shape")
    if sizes is None:
        return
    declared.shape.SetInParent()  # a scalar has a shape, though no axes
    for size in sizes:
        axis = declared.shape.dim.add()
        if size >= 0:
            axis.dim_value = size
