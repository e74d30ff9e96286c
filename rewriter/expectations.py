"""What an edit has to find in a model, so that it fits there."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx

from analyzer.core.graph import nodes
from analyzer.core.types import (
    AddOutput,
    Edit,
    InsertNode,
    Node,
    RemoveNode,
    ReplaceRegion,
    Restate,
    Rewire,
    SetAttribute,
    SetConstant,
    SetOpset,
    SetType,
    Statement,
)
from analyzer.reports.edits import digest, value_object
from rewriter.parts import opened_for


def expectations(
    model: onnx.ModelProto, folder: Path, edits: Sequence[Edit]
) -> tuple[Mapping[str, object], ...]:
    """Return what each edit finds in a model before any of them is made.

    Args:
        model: The model.
        folder: The folder its external locations are relative to.
        edits: Any edits.

    Returns:
        For each, the part of the model that it speaks of, in JSON's terms.
    """
    inside = opened_for(model, edits)
    known = {node.name: node for node in nodes(inside, folder)}
    return tuple(_found(edit, inside, known) for edit in edits)


def _found(  # noqa: PLR0911 - one a type
    edit: Edit, model: onnx.ModelProto, known: Mapping[str, Node]
) -> dict[str, object]:
    """Return the part of a model that an edit speaks of, in JSON's terms."""
    match edit:
        case SetAttribute(node=name, attribute=attribute) if name in known:
            node = known[name]
            value = value_object(node.attributes.get(attribute))
            return {"operator": node.op, attribute: value}
        case SetConstant(node=name, slot=slot) if name in known:
            node = known[name]
            return {"operator": node.op, f"input{slot}": _constant(node, slot)}
        case Rewire(node=name, slot=slot) if name in known:
            node = known[name]
            read = node.inputs[slot] if slot < len(node.inputs) else None
            return {"operator": node.op, f"input{slot}": read}
        case RemoveNode(node=name) if name in known:
            return {"operator": known[name].op}
        case ReplaceRegion(nodes=names) if known.keys() & set(names):
            return {"operators": [known[n].op if n in known else None for n in names]}
        case InsertNode(tensor=tensor):
            return _around(tensor, model, known)
        case Restate():
            return _stated(edit, model, known)
        case SetOpset(domain=domain):
            return {"version": _version(model, domain)}
        case _:
            return {}


def _stated(
    edit: Restate, model: onnx.ModelProto, known: Mapping[str, Node]
) -> dict[str, object]:
    match edit.what:
        case Statement.IR_VERSION:
            return {"version": model.ir_version}
        case Statement.OPSET:
            return {"version": _version(model, "")}
        case _:
            return _around(edit.name, model, known)


def _around(
    tensor: str, model: onnx.ModelProto, known: Mapping[str, Node]
) -> dict[str, object]:
    read = sorted(node.op for node in known.values() if tensor in node.inputs)
    return {"giver": _giver(tensor, model, known), "readers": read}


def _constant(node: Node, slot: int) -> str | None:
    held = node.constants.get(slot)
    return None if held is None else digest(np.asarray(held))


def _giver(tensor: str, model: onnx.ModelProto, known: Mapping[str, Node]) -> str | None:
    if tensor in {value.name for value in model.graph.input}:
        return "input"
    return next((node.op for node in known.values() if tensor in node.outputs), None)


def _version(model: onnx.ModelProto, domain: str) -> int | None:
    return next((o.version for o in model.opset_import if o.domain == domain), None)


def place(edit: Edit) -> str:
    """Return what an edit speaks of, as a sentence names it."""
    match edit:
        case SetAttribute() | SetConstant() | RemoveNode() | Rewire():
            return f"node {edit.node}"
        case InsertNode() | SetType() | AddOutput():
            return f"tensor {edit.tensor}"
        case ReplaceRegion():
            return f"nodes {', '.join(edit.nodes[:4])}"
        case Restate():
            return f"tensor {edit.name}" if edit.name else "the model"
        case SetOpset():
            return f"opset domain {edit.domain or 'ai.onnx'}"
