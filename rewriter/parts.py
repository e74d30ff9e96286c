"""Fused operators and function calls that edits reach into, replaced by their parts."""

from collections.abc import Iterator, Sequence

import onnx

from analyzer.core.types import (
    Edit,
    InsertNode,
    RemoveNode,
    ReplaceRegion,
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
    spoken = {name for edit in edits for name in _names(edit)}
    outer = (side.parts[name].outer for name in spoken if name in side.parts)
    reached = {next(name for name in node.output if name) for node in outer}
    reached |= {side.tensors[name] for name in spoken if name in side.tensors}
    return opened(model, reached, also=EVERYTHING).model if reached else model


def _names(edit: Edit) -> Iterator[str]:
    """Yield the nodes and tensors that an edit speaks of."""
    match edit:
        case SetAttribute() | SetConstant() | RemoveNode():
            yield edit.node
        case Rewire():
            yield from (edit.node, edit.tensor)
        case InsertNode():
            yield edit.tensor
            yield from (name for name, _ in edit.readers)
        case ReplaceRegion():
            yield from edit.nodes
            graph = edit.replacement
            yield from (value.name for value in (*graph.input, *graph.output))
        case SetOpset() | SetType():
            pass  # they speak of the model's ends
