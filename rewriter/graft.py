"""A replacement's nodes under names that the target does not use yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import defs, helper, version_converter

from analyzer.core.errors import RepairError
from analyzer.core.graph import opsets
from analyzer.core.tensors import tensor_value
from analyzer.core.types import Array, ReplaceRegion
from rewriter.names import fresh, subgraphs


@dataclass(frozen=True, slots=True, eq=False)
class Graft:
    """Nodes in topological order and constants by name, ready to stand in the target."""

    nodes: tuple[onnx.NodeProto, ...]
    constants: Mapping[str, Array]


def graft(edit: ReplaceRegion, model: onnx.ModelProto, taken: set[str]) -> Graft:
    """Return the replacement in the target's opset; its inner names are fresh.

    Args:
        edit: The replacement; its inputs and outputs keep their names.
        model: The target.
        taken: Names in use; the new ones are added.

    Raises:
        RepairError: The replacement cannot be said in the target's opset.
    """
    graph = _in_opset(edit, opsets(model).get("", edit.opset))
    ends = {value.name for value in (*graph.input, *graph.output)}
    inner = [tensor.name for tensor in graph.initializer]
    inner += [name for node in graph.node for name in node.output if name]
    renames = {name: fresh(name, taken) for name in inner if name not in ends}
    nodes = tuple(_renamed(node, renames, taken) for node in graph.node)
    constants = {
        renames.get(tensor.name, tensor.name): tensor_value(tensor, Path())
        for tensor in graph.initializer
    }
    return Graft(nodes, constants)


def _renamed(
    node: onnx.NodeProto, renames: Mapping[str, str], taken: set[str]
) -> onnx.NodeProto:
    result = onnx.NodeProto()
    result.CopyFrom(node)
    result.name = fresh(node.name or f"{node.output[0]}_{node.op_type}", taken)
    del result.input[:], result.output[:]
    result.input.extend(renames.get(name, name) for name in node.input)
    result.output.extend(renames.get(name, name) for name in node.output)
    for graph in subgraphs(result):
        _rename_inside(graph, renames, taken)
    return result


def _rename_inside(
    graph: onnx.GraphProto, outer: Mapping[str, str], taken: set[str]
) -> None:
    """Give a body's own tensors fresh names, and let it read outer ones by their new names.

    A name that the model uses already would stand for two tensors.
    """
    values = (*graph.input, *graph.initializer)
    own = [value.name for value in values]
    own += [name for node in graph.node for name in node.output if name]
    names = {**outer, **{name: fresh(name, taken) for name in dict.fromkeys(own)}}
    for value in (*values, *graph.output, *graph.value_info):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for inner in subgraphs(node):
            _rename_inside(inner, names, taken)


def _in_opset(edit: ReplaceRegion, opset: int) -> onnx.GraphProto:
    """Return the replacement for another opset, as it stands where that is the same."""
    if edit.opset == opset or all(
        _unchanged(node, edit.opset, opset) for node in edit.replacement.node
    ):
        return edit.replacement
    model = helper.make_model(
        edit.replacement, opset_imports=[helper.make_opsetid("", edit.opset)]
    )
    try:
        return version_converter.convert_version(model, opset).graph
    except (RuntimeError, version_converter.ConvertError) as surprise:
        raise RepairError(
            f"a repair written for opset {edit.opset} has no form in opset {opset}"
            f" ({surprise})",
            hint="convert the target to the source's opset first, then repair it",
        ) from surprise


def _unchanged(node: onnx.NodeProto, old: int, new: int) -> bool:
    """Return whether an operator is the same in both opset versions."""
    if node.domain not in {"", "ai.onnx"}:
        return True
    try:
        first, second = (defs.get_schema(node.op_type, one, "") for one in (old, new))
    except defs.SchemaError:
        return False
    return bool(first.since_version == second.since_version)
