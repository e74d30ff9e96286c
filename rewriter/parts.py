"""What edits reach into: parts of fused operators and calls, and each other's places."""

from collections.abc import Sequence

import onnx

from analyzer.core.types import (
    AddOutput,
    Edit,
    Fix,
    InsertNode,
    RemoveNode,
    ReplaceRegion,
    Restate,
    Rewire,
    SetAttribute,
    SetConstant,
    SetOpset,
    SetType,
)
from analyzer.view.fused import SPELLED
from analyzer.view.fused.products import SPLIT
from analyzer.view.inline import opened
from analyzer.view.turns import CONTROL

EVERYTHING = frozenset({*SPELLED, *CONTROL, SPLIT})
"""Operators whose parts an edit may name."""


def opened_for(model: onnx.ModelProto, edits: Sequence[Edit]) -> onnx.ModelProto:
    """Return a model in which the nodes that edits reach into are replaced by their parts.

    Args:
        model: The user's model, which stays as it is.
        edits: What is to change, by names of the model or of its parts.

    Returns:
        The model with those nodes opened and no other; the very same where there are none.
    """
    side = opened(model, also=EVERYTHING)
    named = {name for edit in edits for name in spoken(edit)}
    outer = (side.parts[name].outer for name in named if name in side.parts)
    reached = {next(name for name in node.output if name) for node in outer}
    reached |= {side.tensors[name] for name in named if name in side.tensors}
    return opened(model, reached, also=EVERYTHING).model if reached else model


def spoken(edit: Edit) -> tuple[str, ...]:
    """Return the nodes and tensors that an edit names, declarations none."""
    return (*spoken_nodes(edit), *spoken_tensors(edit))


def spoken_nodes(edit: Edit) -> tuple[str, ...]:
    """Return the nodes that an edit names; a tensor may bear the name of one."""
    match edit:
        case SetAttribute() | SetConstant() | RemoveNode() | Rewire():
            return (edit.node,)
        case InsertNode():
            return tuple(name for name, _ in edit.readers)
        case ReplaceRegion():
            return edit.nodes
        case SetOpset() | SetType() | Restate() | AddOutput():
            return ()  # they speak of no part, or of the model's ends


def spoken_tensors(edit: Edit) -> tuple[str, ...]:
    """Return the tensors that an edit names, declarations none."""
    match edit:
        case Rewire() | InsertNode():
            return (edit.tensor,)
        case ReplaceRegion():
            graph = edit.replacement
            return tuple(value.name for value in (*graph.input, *graph.output))
        case _:
            return ()


def may_freeze(edit: Edit) -> bool:
    """Return whether an edit may fit one batch only: wires, shapes, and what is declared.

    Args:
        edit: Any edit; a setting, or a weight of numbers, is of no batch.
    """
    match edit:
        case SetAttribute():
            return False
        case SetConstant():
            return edit.value.dtype.kind in "iu"
        case _:
            return True


def clash(one: Fix, other: Fix) -> bool:
    """Return whether two fixes cannot both be meant: one overwrites or drops the other's.

    Args:
        one: A fix.
        other: Another.
    """
    first, then = set(map(_place, one.edits)), set(map(_place, other.edits))
    ones = {name for edit in one.edits for name in _nodes(edit)}
    others = {name for edit in other.edits for name in _nodes(edit)}
    return bool(first & then or _dropped(one) & others or _dropped(other) & ones)


def _place(edit: Edit) -> tuple[object, ...]:  # noqa: PLR0911 - one a type
    """Return what an edit overwrites."""
    match edit:
        case SetAttribute():
            return edit.node, edit.attribute
        case SetConstant() | Rewire():
            return edit.node, edit.slot
        case RemoveNode():
            return (edit.node,)
        case InsertNode():
            return edit.tensor, edit.readers
        case ReplaceRegion():
            return edit.nodes
        case SetOpset():
            return ("opset", edit.domain)
        case SetType():
            return ("type", edit.tensor)
        case Restate():
            return (edit.what, edit.name)
        case AddOutput():
            return ("output", edit.tensor)


def _nodes(edit: Edit) -> tuple[str, ...]:
    """Return the nodes that an edit changes or takes out."""
    match edit:
        case SetAttribute() | SetConstant() | Rewire() | RemoveNode():
            return (edit.node,)
        case InsertNode():
            return tuple(name for name, _ in edit.readers)
        case ReplaceRegion():
            return edit.nodes
        case _:
            return ()


def _dropped(fix: Fix) -> set[str]:
    """Return the nodes that a fix takes out."""
    taking = (one for one in fix.edits if isinstance(one, RemoveNode | ReplaceRegion))
    return {name for edit in taking for name in _nodes(edit)}
