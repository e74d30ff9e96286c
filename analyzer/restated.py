"""A model with other statements beside its operators: versions, names, types and ends."""

from collections.abc import Iterable, Iterator, MutableSequence

import onnx
from onnx import helper

from analyzer.core.tensors import dtype_name
from analyzer.core.types import Edit, Restate, Statement

ELEMENT_TYPES = {dtype_name(kind): kind for kind in helper.get_all_tensor_dtypes()}
"""ONNX's element types by NumPy name."""


def restated(model: onnx.ModelProto, edits: Iterable[Edit]) -> onnx.ModelProto:
    """Return a model that states what some edits say; the very same where none does.

    Args:
        model: It stays as it is.
        edits: Of these, only `Restate` counts.
    """
    statements = [edit for edit in edits if isinstance(edit, Restate)]
    if not statements:
        return model
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for one in statements:
        _state(result, one)
    return result


def _state(model: onnx.ModelProto, edit: Restate) -> None:  # noqa: C901 - one a statement
    graph = model.graph
    match edit.what:
        case Statement.IR_VERSION:
            model.ir_version = int(edit.value)
        case Statement.OPSET:
            _declare_opset(model, int(edit.value))
        case Statement.NODE_NAME:
            _givers(graph, edit.name)[-1].name = str(edit.value)
        case Statement.TENSOR_NAME:
            _give_apart(graph, edit)
        case Statement.TYPE:
            _set_type(graph, edit)
        case Statement.INPUT:
            graph.input.append(_declaration(edit))
        case Statement.NO_INPUT:
            _drop(graph.input, edit.name)
        case Statement.OUTPUT:
            _rename(graph.node, edit.name, str(edit.value))
        case Statement.NO_OUTPUT:
            _drop(graph.output, edit.name)
        case Statement.NO_CONSTANT:
            _drop_constant(graph, edit.name)


def _declare_opset(model: onnx.ModelProto, version: int) -> None:
    for entry in model.opset_import:
        if entry.domain in {"", "ai.onnx"}:
            entry.version = version


def _drop_constant(graph: onnx.GraphProto, name: str) -> None:
    """Take out an initializer, or where there is none of that name, the node."""
    kept = [tensor for tensor in graph.initializer if tensor.name != name]
    if len(kept) == len(graph.initializer):
        graph.node.remove(_givers(graph, name)[-1])
        return
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _givers(graph: onnx.GraphProto, tensor: str) -> list[onnx.NodeProto]:
    return [node for node in graph.node if tensor in node.output]


def _give_apart(graph: onnx.GraphProto, edit: Restate) -> None:
    """Give the last giver's tensor a name of its own, also where later nodes read it.

    The name of an output of the model stays with the last one; the first gives way there.
    """
    places = [n for n, node in enumerate(graph.node) if edit.name in node.output]
    is_end = any(value.name == edit.name for value in graph.output)
    start, end = (places[0], places[-1] + 1) if is_end else (places[-1], len(graph.node))
    giver, kept = graph.node[start], list(graph.node[end - 1].output)
    giver.output[:] = _renamed(giver.output, edit.name, str(edit.value))
    _rename(graph.node[start + 1 : end], edit.name, str(edit.value))
    if is_end:  # the last one reads the first's, and gives the name itself
        graph.node[end - 1].output[:] = kept


def _renamed(names: Iterable[str], old: str, new: str) -> list[str]:
    return [new if name == old else name for name in names]


def _rename(nodes: Iterable[onnx.NodeProto], old: str, new: str) -> None:
    """Rename a tensor where nodes give or read it, in their bodies too."""
    for node in nodes:
        node.input[:] = _renamed(node.input, old, new)
        node.output[:] = _renamed(node.output, old, new)
        for graph in _bodies(node):
            if old not in {name for inner in graph.node for name in inner.output}:
                _rename(graph.node, old, new)


def _bodies(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    yield from (one.g for one in node.attribute if one.HasField("g"))


def _set_type(graph: onnx.GraphProto, edit: Restate) -> None:
    new = _declaration(edit)
    for value in (*graph.input, *graph.output):
        if value.name == edit.name:
            value.CopyFrom(new)
    _drop(graph.value_info, edit.name)


def _declaration(edit: Restate) -> onnx.ValueInfoProto:
    kind = ELEMENT_TYPES[str(edit.value)]
    return helper.make_tensor_value_info(edit.name, kind, edit.shape)


def _drop(values: MutableSequence[onnx.ValueInfoProto], name: str) -> None:
    kept = [value for value in values if value.name != name]
    del values[:]
    values.extend(kept)
