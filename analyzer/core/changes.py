"""The edits that give a target node what its source node has."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from analyzer.core.grids import GridChange
from analyzer.core.settings import setting_dtype
from analyzer.core.spelling import lost_settings, replacement
from analyzer.core.types import (
    Array,
    Aspect,
    AttributeValue,
    Difference,
    Edit,
    Node,
    RemoveNode,
    ReplaceRegion,
    Rewire,
    SetAttribute,
    SetConstant,
)

SEMANTICS = "semantics"
"""Field of a difference in what the same attribute means under two opsets."""


def undone(difference: Difference) -> tuple[Edit, ...]:
    """Return the edits that make the target take the source's value of this one field.

    Args:
        difference: What a pair of nodes disagrees on.

    Returns:
        Edits on the target's node; empty where the field cannot be changed alone.
    """
    node = difference.target_node
    if node is None:
        return ()
    if difference.aspect is Aspect.OPERATOR or difference.field == SEMANTICS:
        return respelled(difference) if difference.source_node else _removed(node)
    if difference.grid is not None or difference.aspect is Aspect.WEIGHT:
        return _constants(node, difference)
    if difference.aspect is Aspect.CONNECTION:
        return (Rewire(node.name, difference.slot, str(difference.source)),)
    if difference.slot >= 0 and difference.source is not None:
        return (SetConstant(node.name, difference.slot, _constant(node, difference)),)
    known = difference.aspect in {Aspect.ATTRIBUTE, Aspect.DTYPE}
    return _attribute(node, difference) if known else ()


def _constants(node: Node, difference: Difference) -> tuple[Edit, ...]:
    """Return the edits that give the target a weight, or each node of a grid its values."""
    if difference.grid is not None:
        return tuple(_regridded(difference.grid))
    if isinstance(difference.source, np.ndarray):
        return (SetConstant(node.name, difference.slot, difference.source),)
    if difference.slot >= 0 and difference.source is not None:
        return (SetConstant(node.name, difference.slot, _constant(node, difference)),)
    return ()


def _regridded(change: GridChange) -> Iterator[Edit]:
    """Yield the edits that put a tensor on its right grid, along the right axis."""
    for one in change.settings:
        yield SetConstant(one.node.name, one.slot, one.value)
        if one.axis is not None and one.axis != one.node.attributes.get("axis"):
            yield SetAttribute(one.node.name, "axis", one.axis)


def respelled(difference: Difference) -> tuple[ReplaceRegion, ...]:
    """Return the edit that lets the source's operator stand in the target node's place.

    Args:
        difference: Two nodes of the same inputs and outputs. For `SEMANTICS`, its source is
            the axis in the target's layout, and the rank.

    Returns:
        One edit, or none where the target's opset cannot spell the source's operator.
    """
    source, target = difference.source_node, difference.target_node
    if source is None or target is None or len(source.outputs) < len(target.outputs):
        return ()
    rank = None
    if difference.field == SEMANTICS:
        if not isinstance(difference.source, tuple) or not difference.source:
            return ()
        axis, rank = (int(number) for number in difference.source)
        source = replace(source, attributes={**source.attributes, "axis": axis})
    graph = replacement(source, target, rank=rank)
    return () if graph is None else (ReplaceRegion((target.name,), graph, target.opset),)


def _removed(node: Node) -> tuple[RemoveNode, ...]:
    """Return the edit that passes a node's one computed input on in its stead."""
    reads = [s for s, name in enumerate(node.inputs) if name and s not in node.constants]
    if len(reads) != 1 or len([name for name in node.outputs if name]) != 1:
        return ()
    return (RemoveNode(node.name, reads[0]),)


def _attribute(node: Node, difference: Difference) -> tuple[Edit, ...]:
    if difference.field in lost_settings(_with(node, difference), node.opset):
        return _spelled_out(node, difference)
    edit = SetAttribute(node.name, difference.field, difference.source)
    if difference.field == "pads" and node.op == "ConvTranspose":
        return _cut_off(node, difference.source)
    if difference.field != "pads" or node.attributes.get("auto_pad", "NOTSET") == "NOTSET":
        return (edit,)
    return (SetAttribute(node.name, "auto_pad", "NOTSET"), edit)


def _spelled_out(node: Node, difference: Difference) -> tuple[Edit, ...]:
    """Return the edit that writes a node in other operators, for want of a setting."""
    if difference.source is None:
        return ()
    attributes = {**node.attributes, difference.field: difference.source}
    graph = replacement(replace(node, attributes=attributes), node)
    return () if graph is None else (ReplaceRegion((node.name,), graph, node.opset),)


def _cut_off(node: Node, pads: AttributeValue | None) -> tuple[Edit, ...]:
    """Return the edits that let a transposed convolution cut off so much and no more."""
    whole = tuple(int(one) for one in pads) if isinstance(pads, tuple) else ()
    half = len(whole) // 2
    added = tuple(max(-end, 0) for end in whole[half:])
    stated = {
        "auto_pad": None,
        "output_shape": None,
        "output_padding": added if any(added) else None,
        "pads": tuple(max(one, 0) for one in whole),
    }
    return tuple(
        SetAttribute(node.name, name, value)
        for name, value in stated.items()
        if value is not None or name in node.attributes
    )


def _with(node: Node, difference: Difference) -> Node:
    """Return the source's node in the target's place, to see what its opset cannot say."""
    source = difference.source_node
    if source is None or source.op != node.op or difference.source is None:
        return node
    return replace(source, attributes={difference.field: difference.source}, constants={})


def _constant(node: Node, difference: Difference) -> Array:
    dtype = setting_dtype(node, difference.slot)
    present = node.constants.get(difference.slot)
    value = np.asarray(difference.source, dtype=dtype)
    if present is not None and present.size == value.size:
        return value.reshape(present.shape)
    return value
