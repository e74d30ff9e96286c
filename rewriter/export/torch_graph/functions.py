"""Operators that ONNX itself defines by others, spelled out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import onnx
from onnx import defs

from rewriter.export.torch_graph.dtypes import ONNX


def is_defined(node: onnx.NodeProto, opset: int) -> bool:
    """Return whether ONNX defines a node's operator by others.

    Args:
        node: Any node.
        opset: Version of the operator set its type is from.
    """
    if not defs.has(node.op_type, opset, node.domain):
        return False
    schema: Any = defs.get_schema(node.op_type, opset, node.domain)
    return bool(_versions(schema))


def _versions(schema: Any) -> list[int]:
    """Return the versions of the operators that a definition may be spelled in."""
    if schema.has_context_dependent_function:
        return list(schema.context_dependent_function_opset_versions)
    return list(schema.function_opset_versions) if schema.has_function else []


def definition(
    node: onnx.NodeProto, opset: int, tensors: Sequence[Any]
) -> onnx.FunctionProto:
    """Return the graph that computes what a node does, with the node's own attributes.

    Args:
        node: Of an operator that `is_defined`.
        opset: Version of the operator set its type is from.
        tensors: Its inputs, None where one is left out.
    """
    schema: Any = defs.get_schema(node.op_type, opset, node.domain)
    found, versions = onnx.FunctionProto(), _versions(schema)
    version = max((one for one in versions if one <= opset), default=versions[0])
    if schema.has_context_dependent_function:
        types = [_type(tensor).SerializeToString() for tensor in tensors]
        found.ParseFromString(
            schema.get_context_dependent_function_with_opset_version(
                version, node.SerializeToString(), types
            )
        )
    else:
        found.ParseFromString(schema.get_function_with_opset_version(version))
    given = {name: entry.default_value for name, entry in schema.attributes.items()}
    given = {name: one for name, one in given.items() if one.type}
    given |= {one.name: one for one in node.attribute}
    nodes = [_with_attributes(one, given) for one in found.node]
    del found.node[:]
    found.node.extend(nodes)
    return found


def _type(tensor: Any) -> onnx.TypeProto:
    if tensor is None:
        return onnx.TypeProto()
    if isinstance(tensor, list):
        return onnx.helper.make_sequence_type_proto(_type(tensor[0]))
    sizes = [size if isinstance(size, int) else None for size in tensor.shape]
    return onnx.helper.make_tensor_type_proto(ONNX[tensor.dtype], sizes)


def _with_attributes(
    node: onnx.NodeProto, given: Mapping[str, onnx.AttributeProto]
) -> onnx.NodeProto:
    """Return a node of a definition with the attributes that it takes from outside."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    del copy.attribute[:]
    copy.attribute.extend(_attributes(node, given))
    return copy


def _attributes(
    node: onnx.NodeProto, given: Mapping[str, onnx.AttributeProto]
) -> Iterator[onnx.AttributeProto]:
    for one in node.attribute:
        source = given.get(one.ref_attr_name) if one.ref_attr_name else one
        if source is None:
            continue
        copy = onnx.AttributeProto()
        copy.CopyFrom(source)
        copy.name = one.name
        if one.type == onnx.AttributeProto.GRAPH:
            inner = [_with_attributes(each, given) for each in one.g.node]
            del copy.g.node[:]
            copy.g.node.extend(inner)
        yield copy
