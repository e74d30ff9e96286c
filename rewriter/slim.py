"""A model reduced to names and wires: all that graphsurgeon needs to move them."""

from collections.abc import Iterable

import onnx
from onnx import AttributeProto


def slim(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model with the same wires: no values, no attributes but subgraphs, no types.

    Node names are positions, so that two nodes never compare equal.

    Args:
        model: The user's model.
    """
    result = onnx.ModelProto(ir_version=model.ir_version)
    result.opset_import.extend(model.opset_import)
    _slim_graph(model.graph, result.graph)
    return result


def _slim_graph(graph: onnx.GraphProto, result: onnx.GraphProto) -> None:
    for tensor in graph.initializer:
        _declare_constant(result, tensor.name)
    for sparse in graph.sparse_initializer:
        _declare_constant(result, sparse.values.name)
    result.input.extend(_nameplates(graph.input))
    result.output.extend(_nameplates(graph.output))
    for position, node in enumerate(graph.node):
        _slim_node(node, result.node.add(name=f"#{position}"))


def _declare_constant(result: onnx.GraphProto, name: str) -> None:
    """Add a constant without a value, of a type graphsurgeon knows: it never looks."""
    result.initializer.add(name=name, data_type=onnx.TensorProto.FLOAT)


def _nameplates(values: Iterable[onnx.ValueInfoProto]) -> list[onnx.ValueInfoProto]:
    return [onnx.ValueInfoProto(name=value.name) for value in values]


def _slim_node(node: onnx.NodeProto, result: onnx.NodeProto) -> None:
    result.op_type = node.op_type
    result.input.extend(node.input)
    result.output.extend(node.output)
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            inner = result.attribute.add(name=attribute.name, type=AttributeProto.GRAPH)
            _slim_graph(attribute.g, inner.g)
