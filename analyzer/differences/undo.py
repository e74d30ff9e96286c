"""The target with one difference undone, for the cause test."""

from collections.abc import Iterable, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from analyzer.core.changes import undone
from analyzer.core.errors import RepairError
from analyzer.core.graph import node_name
from analyzer.core.listing import several
from analyzer.core.tensors import outside
from analyzer.core.types import (
    Array,
    Difference,
    Edit,
    Feeds,
    RemoveNode,
    ReplaceRegion,
    Rewire,
    SetAttribute,
    SetConstant,
)

UNDONE = "@undone"
"""Ends the name of a constant that an undone difference brings."""

LEAST_HELD = 1 << 20
"""Bytes from which such a constant stays where it is: in a proto it would be there four
times before the runtime has its own copy."""


def undo(model: onnx.ModelProto, difference: Difference) -> onnx.ModelProto | None:
    """Return a copy of a model in which the target takes the source's value of one field.

    Args:
        model: A model that holds the difference's target node; it is left untouched.
        difference: What to undo.

    Returns:
        A copy that shares no proto with the model; None where no edit of that field alone
        gives the target the source's value. A large constant that it brings is not in it:
        who runs it must pass on what `held` gives.

    Raises:
        RepairError: The difference's node is not in the model.
    """
    edits = undone(difference)
    if not edits:
        return None
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for edit in edits:
        _apply(copy.graph, edit)
    return copy


def held(difference: Difference) -> Feeds:
    """Return the large constants that undoing a difference brings, by initializer name.

    Args:
        difference: What was undone.

    Returns:
        Arrays as they lie in their own file: a gigabyte is not copied into a proto.
    """
    node = difference.target_node
    if node is None:
        return {}
    if difference.grid is not None:
        return {
            _constant_name(one.node.outputs, one.slot): one.value
            for one in difference.grid.settings
            if _is_held(one.value)
        }
    constants = (edit for edit in undone(difference) if isinstance(edit, SetConstant))
    return {
        _constant_name(node.outputs, edit.slot): edit.value
        for edit in constants
        if _is_held(edit.value)
    }


def _apply(graph: onnx.GraphProto, edit: Edit) -> None:
    match edit:
        case SetAttribute(node=name, attribute=attribute, value=value):
            _set_attribute(_found(graph, name), attribute, value)
        case SetConstant(node=name, slot=slot, value=value):
            _set_constant(graph, _found(graph, name), slot, value)
        case ReplaceRegion():
            _replace(graph, edit)
        case Rewire(node=name, slot=slot, tensor=tensor):
            _found(graph, name).input[slot] = tensor
        case RemoveNode(node=name, slot=slot):
            _pass_on(_found(graph, name), slot)


def _found(graph: onnx.GraphProto, name: str) -> onnx.NodeProto:
    found: onnx.NodeProto | None = next(
        (n for n in graph.node if node_name(n) == name), None
    )
    if found is not None:
        return found
    raise RepairError(
        f"node {name} is not in the region", hint="test the region that holds the node"
    )


def _set_attribute(node: onnx.NodeProto, name: str, value: object) -> None:
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    node.attribute.extend(kept)
    if value is None:
        return
    plain = numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
    node.attribute.append(helper.make_attribute(name, plain))


def _set_constant(
    graph: onnx.GraphProto, node: onnx.NodeProto, slot: int, value: Array
) -> None:
    """Give the node a constant of its own, so that other readers keep theirs."""
    name = _constant_name(node.output, slot)
    node.input.extend([""] * (slot + 1 - len(node.input)))
    node.input[slot] = name
    others = [tensor for tensor in graph.initializer if tensor.name != name]
    del graph.initializer[:]
    graph.initializer.extend(others)
    graph.initializer.append(
        outside(name, value)
        if _is_held(value)
        else numpy_helper.from_array(np.asarray(value, order="C"), name)
    )


def _constant_name(outputs: Sequence[str], slot: int) -> str:
    return f"{outputs[0]}@{slot}{UNDONE}"


def _is_held(value: Array) -> bool:
    return value.nbytes >= LEAST_HELD and value.dtype.kind in "fiub"


def _pass_on(node: onnx.NodeProto, slot: int) -> None:
    """Make the node an Identity, so that the tensor it gives keeps its name."""
    read = node.input[slot]
    del node.input[:], node.attribute[:]
    node.input.append(read)
    node.op_type, node.domain = "Identity", ""


def _replace(graph: onnx.GraphProto, edit: ReplaceRegion) -> None:
    gone = set(edit.nodes)
    places = [i for i, node in enumerate(graph.node) if node_name(node) in gone]
    if not places:
        raise RepairError(
            f"none of {several(sorted(gone))} is in the region",
            hint="test the region that holds the nodes",
        )
    kept = [node for node in graph.node if node_name(node) not in gone]
    whole = _inserted(kept, edit.replacement.node, places[-1] + 1 - len(places))
    del graph.node[:]
    graph.node.extend(whole)
    present = {tensor.name for tensor in graph.initializer}
    graph.initializer.extend(
        t for t in edit.replacement.initializer if t.name not in present
    )


def _inserted(
    kept: Sequence[onnx.NodeProto], added: Iterable[onnx.NodeProto], place: int
) -> list[onnx.NodeProto]:
    copies = []
    for node in added:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copies.append(copy)
    return [*kept[:place], *copies, *kept[place:]]
