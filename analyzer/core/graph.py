"""An ONNX proto as `Node` values, with the schema's defaults filled in."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, defs, helper

from analyzer.core.tensors import tensor_value
from analyzer.core.types import Array, AttributeValue, Node


def opsets(model: onnx.ModelProto) -> dict[str, int]:
    """Return the opset version of each domain; ONNX's own domain is the empty string."""
    return {
        "" if entry.domain == "ai.onnx" else entry.domain: entry.version
        for entry in model.opset_import
    }


def node_name(node: onnx.NodeProto) -> str:
    """Return the name a node goes by: its own, else its first output tensor."""
    return node.name or next((name for name in node.output if name), "")


def constants(model: onnx.ModelProto, folder: Path) -> dict[str, Array]:
    """Return the value of each initializer and Constant node of the main graph, by name."""
    values = {
        tensor.name: tensor_value(tensor, folder) for tensor in model.graph.initializer
    }
    for node in model.graph.node:
        if node.op_type == "Constant" and not node.domain and node.attribute:
            values[node.output[0]] = constant_value(node, folder)
    return values


def constant_value(node: onnx.NodeProto, folder: Path) -> Array:
    """Return what a Constant node gives, whichever of its attributes holds the value."""
    attribute = node.attribute[0]
    if attribute.name == "value":
        return tensor_value(attribute.t, folder)
    value = helper.get_attribute_value(attribute)
    dtype = {
        "value_float": np.float32,
        "value_floats": np.float32,
        "value_int": np.int64,
        "value_ints": np.int64,
    }.get(attribute.name, np.object_)
    return np.asarray(value, dtype=dtype)


def nodes(model: onnx.ModelProto, folder: Path) -> tuple[Node, ...]:
    """Return the main graph's operators in file order, Constants folded into readers."""
    values = constants(model, folder)
    versions = opsets(model)
    return tuple(
        as_node(proto, values, versions)
        for proto in model.graph.node
        if proto.op_type != "Constant" or proto.domain
    )


def as_node(
    proto: onnx.NodeProto, values: Mapping[str, Array], versions: Mapping[str, int]
) -> Node:
    """Return one proto as a `Node`.

    Args:
        proto: The operator.
        values: Value of each constant tensor by name.
        versions: Opset version by domain.
    """
    op, domain = proto.op_type, proto.domain
    domain = "" if domain == "ai.onnx" else domain
    opset = versions.get(domain, 1)
    attributes = schema_defaults(op, opset, domain)
    held: dict[str, Array] = {}
    if stated := proto.attribute:
        own = {attr.name: attribute_value(attr) for attr in stated}
        attributes = {**attributes, **own}
        held = {one: values[one] for one in captured(proto) if one in values}
    inputs, outputs = tuple(proto.input[:]), tuple(proto.output[:])  # sliced: read at once
    slots = {slot: values[name] for slot, name in enumerate(inputs) if name in values}
    name = proto.name or next(filter(None, outputs), "")
    return Node(name, op, domain, opset, inputs, outputs, attributes, slots, held)


@lru_cache(maxsize=4096)
def schema_defaults(op: str, opset: int, domain: str) -> Mapping[str, AttributeValue]:
    """Return the schema's default of each attribute that has one, for a known operator."""
    try:
        schema = defs.get_schema(op, opset, domain)
    except defs.SchemaError:
        return {}
    return {
        name: attribute_value(attribute.default_value)
        for name, attribute in schema.attributes.items()
        if attribute.default_value.type != AttributeProto.UNDEFINED
    }


def attribute_value(attribute: AttributeProto) -> AttributeValue:  # noqa: PLR0911 - one a type
    """Return an attribute as a Python value.

    A float32 renders its shortest decimal, so that 1e-5 compares equal to 1e-5.
    """
    value = helper.get_attribute_value(attribute)
    match attribute.type:
        case AttributeProto.FLOAT:
            return shortest(value)
        case AttributeProto.FLOATS:
            return tuple(shortest(item) for item in value)
        case AttributeProto.INTS:
            return tuple(value)
        case AttributeProto.STRING:
            return bytes(value).decode("utf-8", "replace")
        case AttributeProto.STRINGS:
            return tuple(bytes(item).decode("utf-8", "replace") for item in value)
        case AttributeProto.TENSOR:
            return np.asarray(onnx.numpy_helper.to_array(value))
        case _:
            return value  # type: ignore[no-any-return]  # INT and GRAPH stand as they are


def shortest(value: float) -> float:
    """Return a float32 as the shortest decimal that rounds to it."""
    return float(str(np.float32(value)))


def producers(protos: Iterable[onnx.NodeProto]) -> dict[str, onnx.NodeProto]:
    """Return the node that gives each tensor."""
    return {name: node for node in protos for name in node.output if name}


def captured(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the outer tensors that a node's subgraphs read without being given them."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield from _free_names(attribute.g)
        elif attribute.type == AttributeProto.GRAPHS:
            for graph in attribute.graphs:
                yield from _free_names(graph)


def _free_names(graph: onnx.GraphProto) -> Iterator[str]:
    known = {value.name for value in (*graph.input, *graph.initializer)}
    for node in graph.node:
        yield from (
            name for name in (*node.input, *captured(node)) if name and name not in known
        )
        known.update(node.output)
    yield from (value.name for value in graph.output if value.name not in known)


def reads(node: onnx.NodeProto) -> tuple[str, ...]:
    """Return every tensor a node reads, captured ones included, in order."""
    own = tuple(filter(None, node.input))
    return (*own, *captured(node)) if node.attribute else own


def node_reads(node: Node) -> tuple[str, ...]:
    """Return every tensor a `Node` reads, its subgraphs' captures included, in order."""
    own = node.inputs if all(node.inputs) else tuple(filter(None, node.inputs))
    graphs = [one for one in node.attributes.values() if isinstance(one, onnx.GraphProto)]
    return (*own, *(n for one in graphs for n in _free_names(one))) if graphs else own
