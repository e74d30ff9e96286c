"""graphsurgeon's changes carried back onto the user's protos, which else stay verbatim."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from analyzer.core.errors import RepairError
from analyzer.core.graph import opsets, reads
from analyzer.core.types import Array, AttributeValue
from rewriter.attributes import (
    attribute_kind,
    attribute_proto,
    constant_attribute,
    revalued,
)
from rewriter.declare import set_shape
from rewriter.names import subgraphs
from rewriter.order import order


@dataclass(frozen=True, slots=True, eq=False)
class Wired:
    """A node as it is wired after the edits.

    Attributes:
        proto: The node as it was, or as a replacement has it; None for an inserted one.
        op: Operator type.
        name: Name of an inserted node.
        inputs: Tensors it reads now.
        outputs: Tensors it gives now.
        attributes: Attributes that an edit set; None: to be removed.
        renames: What its subgraphs call differently now, by the old name.
    """

    proto: onnx.NodeProto | None
    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, AttributeValue | None]
    renames: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Constants:
    """Initializers with a new value by name, and those that nobody reads any more."""

    values: Mapping[str, Array]
    unread: frozenset[str]


def merge(
    model: onnx.ModelProto, wiring: Sequence[Wired], constants: Constants
) -> onnx.ModelProto:
    """Return a copy of the model with these nodes and constants and all else untouched.

    Args:
        model: The user's model.
        wiring: Its nodes after the edits.
        constants: What became of its initializers.

    Raises:
        RepairError: The nodes form a cycle.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    versions = opsets(model)
    nodes = ordered([_rebuilt(wired, versions) for wired in wiring])
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    _merge_initializers(result.graph, constants)
    _import_domains(result, model.graph)
    _forget_dropped(model.graph, result.graph)
    return result


def _rebuilt(wired: Wired, versions: Mapping[str, int]) -> onnx.NodeProto:
    """Return a node's proto, its untouched fields verbatim."""
    proto = wired.proto or onnx.NodeProto(op_type=wired.op, name=wired.name)
    same = (tuple(proto.input), tuple(proto.output)) == (wired.inputs, wired.outputs)
    if same and not wired.attributes and not wired.renames:
        return proto
    result = onnx.NodeProto()
    result.CopyFrom(proto)
    _rewire(result, wired)
    _merge_attributes(result, wired, versions.get(proto.domain, 1))
    for graph in subgraphs(result):
        _rename(graph, wired.renames)
    return result


def _rewire(proto: onnx.NodeProto, wired: Wired) -> None:
    del proto.input[:], proto.output[:]
    proto.input.extend(wired.inputs)
    proto.output.extend(wired.outputs)


def _merge_attributes(proto: onnx.NodeProto, wired: Wired, opset: int) -> None:
    for name, value in wired.attributes.items():
        attributes = _with_attribute(proto, name, value, opset)
        del proto.attribute[:]
        proto.attribute.extend(attributes)


def _with_attribute(
    proto: onnx.NodeProto, name: str, value: AttributeValue | None, opset: int
) -> list[onnx.AttributeProto]:
    """Return a node's attributes with one of them set, in their order, or gone."""
    if value is None:
        return [one for one in proto.attribute if one.name != name]
    is_constant = proto.op_type == "Constant" and not proto.domain
    if is_constant and proto.attribute and isinstance(value, np.ndarray):
        return [constant_attribute(proto, value)]
    new = attribute_proto(name, value, attribute_kind(proto, name, opset))
    old = next((one for one in proto.attribute if one.name == name), None)
    if old is None:
        return [*proto.attribute, new]
    if old.HasField("doc_string"):
        new.doc_string = old.doc_string
    return [new if one is old or one.name == name else one for one in proto.attribute]


def _rename(graph: onnx.GraphProto, renames: Mapping[str, str]) -> None:
    """Rename the outer tensors that a subgraph's nodes read."""
    for node in graph.node:
        for slot, name in enumerate(node.input):
            node.input[slot] = renames.get(name, name)
        for inner in subgraphs(node):
            _rename(inner, renames)


def ordered(nodes: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Return nodes so that each stands behind what it reads, else in the order given.

    Args:
        nodes: Operators of one graph.

    Raises:
        RepairError: They form a cycle.
    """
    gives = [[name for name in node.output if name] for node in nodes]
    places = order(gives, [reads(node) for node in nodes])
    if places is None:
        raise RepairError(
            "the edits would let a node wait for its own output",
            hint="report the pair: a rule rewired a node to something behind it",
        )
    return [nodes[place] for place in places]


def _merge_initializers(graph: onnx.GraphProto, constants: Constants) -> None:
    """Give initializers their new values in place, drop unread ones, append new ones."""
    kept = [*(value.name for value in graph.input), *_annotations(graph)]
    unread = constants.unread - set(kept)
    known = {tensor.name for tensor in graph.initializer}
    initializers = [
        revalued(tensor, constants.values[tensor.name])
        if tensor.name in constants.values
        else tensor
        for tensor in graph.initializer
        if tensor.name not in unread
    ]
    new = (
        numpy_helper.from_array(value, name)
        for name, value in constants.values.items()
        if name not in known and name not in unread
    )
    initializers.extend(new)
    replaced = unread | constants.values.keys()
    sparse = [one for one in graph.sparse_initializer if one.values.name not in replaced]
    del graph.initializer[:], graph.sparse_initializer[:]
    graph.initializer.extend(initializers)
    graph.sparse_initializer.extend(sparse)
    _match_inputs(graph, constants)


def _match_inputs(graph: onnx.GraphProto, constants: Constants) -> None:
    """Let an input whose default value changed its shape declare the new one."""
    for value in graph.input:
        if value.name not in constants.values:
            continue
        array = constants.values[value.name]
        declared = value.type.tensor_type
        declared.elem_type = helper.np_dtype_to_tensor_dtype(array.dtype)
        if [dim.dim_value for dim in declared.shape.dim] != list(array.shape):
            set_shape(value, array.shape)


def _annotations(graph: onnx.GraphProto) -> list[str]:
    """Return the scales and zero points that quantization annotations name."""
    named = (one.quant_parameter_tensor_names for one in graph.quantization_annotation)
    return [entry.value for entries in named for entry in entries]


def _import_domains(model: onnx.ModelProto, before: onnx.GraphProto) -> None:
    """Import the domains that only new nodes use, at their first version."""
    known = opsets(model).keys() | {node.domain for node in before.node}
    used = {node.domain for node in model.graph.node}
    for domain in sorted(used - known - {"ai.onnx"}):
        model.opset_import.append(helper.make_opsetid(domain, 1))


def _forget_dropped(before: onnx.GraphProto, graph: onnx.GraphProto) -> None:
    """Drop what is declared about tensors that no longer exist."""
    gone = _tensor_names(before) - _tensor_names(graph)
    infos = [one for one in graph.value_info if one.name not in gone]
    notes = [one for one in graph.quantization_annotation if one.tensor_name not in gone]
    del graph.value_info[:], graph.quantization_annotation[:]
    graph.value_info.extend(infos)
    graph.quantization_annotation.extend(notes)


def _tensor_names(graph: onnx.GraphProto) -> set[str]:
    names = {one.name for one in (*graph.input, *graph.output, *graph.initializer)}
    names |= {one.values.name for one in graph.sparse_initializer}
    for node in graph.node:
        names |= {*node.input, *node.output}
    return names
