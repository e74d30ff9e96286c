"""Edits on the parts of an opened node, said of the node that stands in the user's file.

A translation is proven before it counts: the node, so edited and opened again, has the very
parts that the edit makes. What cannot be said so stays an edit on the parts, and whoever
applies it opens that node alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import onnx
from onnx import helper, numpy_helper

from analyzer.core.graph import node_name
from analyzer.core.types import (
    Array,
    AttributeValue,
    Edit,
    InsertNode,
    RemoveNode,
    ReplaceRegion,
    Rewire,
    SetAttribute,
    SetConstant,
)
from analyzer.view.fused import Known, Tensors
from analyzer.view.fused.steps import Steps
from analyzer.view.inline import Opened, Part

NEW = "\0new"
"""Stands for what an edit lets a node read; no tensor of a file is called so."""


def closed(edit: Edit, side: Opened) -> Edit:
    """Return an edit as the user's file takes it; as it is where that says too little.

    Args:
        edit: An edit on the opened model.
        side: The opened model.
    """
    match edit:
        case SetAttribute() if edit.node in side.parts:
            return _attribute(edit, side, side.parts[edit.node])
        case SetConstant() if edit.node in side.parts:
            place = _slot(edit.node, edit.slot, side, _type_of(edit.value))
            name = side.node(edit.node)
            return edit if place is None else replace(edit, node=name, slot=place)
        case Rewire() if edit.node in side.parts:
            place = _slot(edit.node, edit.slot, side, side.room.tensors.get(edit.tensor))
            name = side.node(edit.node)
            return edit if place is None else replace(edit, node=name, slot=place)
        case InsertNode() if edit.readers:
            readers = tuple(_reader(reader, side) for reader in edit.readers)
            return replace(edit, readers=readers)
        case _:
            return edit


def reached(edit: Edit) -> tuple[str, ...]:
    """Return the nodes that an edit names.

    Args:
        edit: An edit on the opened model.
    """
    match edit:
        case SetAttribute() | SetConstant() | Rewire() | RemoveNode():
            return (edit.node,)
        case InsertNode():
            return tuple(name for name, _ in edit.readers)
        case ReplaceRegion():
            return edit.nodes
        case _:
            return ()


def _type_of(value: Array) -> Known:
    array = np.asarray(value)
    return Known(helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def _reader(reader: tuple[str, int], side: Opened) -> tuple[str, int]:
    name, slot = reader
    place = _slot(name, slot, side, None) if name in side.parts else None
    return reader if place is None else (side.node(name), place)


def _attribute(edit: SetAttribute, side: Opened, part: Part) -> Edit:
    """Return the edit as one of the outer node's attributes, where one means the same."""
    if part.place < 0:
        return edit
    steps = _parts(part.outer, side, {})
    changed = _changed(steps[part.place], edit.attribute, edit.value)
    wanted = (*steps[: part.place], changed, *steps[part.place + 1 :])
    for name in _namesakes(part.outer, edit.attribute):
        outer = _changed(part.outer, name, edit.value)
        if _same(_parts(outer, side, {}), wanted):
            return replace(edit, node=node_name(part.outer), attribute=name)
    return edit


def _namesakes(node: onnx.NodeProto, attribute: str) -> Iterator[str]:
    """Yield the attributes that may set a part's: of the same name, or one like it."""
    yield attribute
    yield from (one.name for one in node.attribute if one.name.endswith(f"_{attribute}"))


def _changed(
    node: onnx.NodeProto, attribute: str, value: AttributeValue | None
) -> onnx.NodeProto:
    """Return a node with an attribute of another value; None: without it."""
    result = onnx.NodeProto()
    result.CopyFrom(node)
    del result.attribute[:]
    result.attribute.extend(one for one in node.attribute if one.name != attribute)
    if value is not None:
        plain = numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        result.attribute.append(helper.make_attribute(attribute, plain))
    return result


def _slot(name: str, slot: int, side: Opened, kind: Known | None) -> int | None:
    """Return the slot of the outer node that feeds a part's slot, and nothing else."""
    part = side.parts[name]
    if part.place < 0:
        return None
    steps = _parts(part.outer, side, {})
    step = steps[part.place]
    read = step.input[slot] if slot < len(step.input) else ""
    changed = _reading(step, slot)
    wanted = (*steps[: part.place], changed, *steps[part.place + 1 :])
    known = enumerate(part.outer.input)
    slots = [place for place, one in known if one == read] if read else [slot]
    tensors = {} if kind is None else {NEW: kind}
    return next(
        (
            place
            for place in slots
            if _same(_parts(_reading(part.outer, place), side, tensors), wanted)
        ),
        None,
    )


def _reading(node: onnx.NodeProto, slot: int) -> onnx.NodeProto:
    """Return a node that reads `NEW` in a slot."""
    result = onnx.NodeProto()
    result.CopyFrom(node)
    result.input.extend([""] * (slot + 1 - len(result.input)))
    result.input[slot] = NEW
    return result


def _parts(node: onnx.NodeProto, side: Opened, tensors: Tensors) -> Steps:
    """Return what a node is opened into; nothing where it is not."""
    return side.room.parts(node, {**side.room.tensors, **tensors}) or ()


def _same(one: Sequence[onnx.NodeProto], other: Sequence[onnx.NodeProto]) -> bool:
    """Return whether two lists of nodes are the same, whatever order attributes have."""
    return [_content(node) for node in one] == [_content(node) for node in other]


def _content(node: onnx.NodeProto) -> tuple[object, ...]:
    settings = {one.name: one.SerializeToString() for one in node.attribute}
    return node.op_type, node.domain, tuple(node.input), tuple(node.output), settings
