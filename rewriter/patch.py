"""A repair as a small file, to be read, kept beside the model, and replayed on its like.

Each edit says what it expects to find; where it finds anything else, nothing is written.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from analyzer.core.errors import PivotfixError, RepairError, UsageError
from analyzer.core.graph import nodes
from analyzer.core.types import (
    Edit,
    InsertNode,
    Node,
    Pivot,
    RemoveNode,
    ReplaceRegion,
    Rewire,
    SetAttribute,
    SetConstant,
    SetOpset,
    SetType,
)
from analyzer.pivot import load
from analyzer.reports.edits import digest, value_object
from rewriter.destination import check_destination
from rewriter.export import export
from rewriter.export.beside import replacing
from rewriter.parts import opened_for
from rewriter.patch_values import decoded, encoded
from rewriter.surgeon import apply

SCHEMA = "pivotfix-patch/1"


@dataclass(frozen=True, slots=True, eq=False)
class Cure:
    """Edits that belong together.

    Attributes:
        rule: The rule that offered them.
        title: What they do, in words.
        edits: In this order.
        expects: What each of them has to find.
    """

    rule: str
    title: str
    edits: tuple[Edit, ...]
    expects: tuple[Mapping[str, object], ...] = ()


def write_patch(pivot: Pivot, cures: Sequence[Cure], path: Path) -> None:
    """Write what was done to a model as a patch.

    Args:
        pivot: The model as it was.
        cures: What was done, in order; what they expect is taken from the model.
        path: Where the patch goes.

    Raises:
        ExportError: The disk refuses.
        RepairError: The edits do not fit the model.
    """
    model, told = pivot.model, []
    for cure in cures:
        expects = _expectations(model, pivot.folder, cure.edits)
        told.append(_as_object(replace(cure, expects=expects)))
        model = apply(model, pivot.folder, cure.edits)
    target = {"name": pivot.path.name, "framework": pivot.framework, "sha256": pivot.sha256}
    text = json.dumps(
        {"schema": SCHEMA, "target": target, "cures": told}, indent=1, ensure_ascii=False
    )
    with replacing(path) as file:
        file.write(f"{text}\n".encode())


def _as_object(cure: Cure) -> dict[str, object]:
    both = zip(cure.edits, cure.expects, strict=True)
    edits = [{**encoded(edit), "expects": dict(expected)} for edit, expected in both]
    return {"rule": cure.rule, "title": cure.title, "edits": edits}


def read_patch(path: Path) -> tuple[Cure, ...]:
    """Return what a patch does.

    Args:
        path: The file.

    Raises:
        UsageError: It is missing, or no patch of this version.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as surprise:
        raise UsageError(
            f"{path} cannot be read as a patch: {surprise}",
            hint="name a file that repair --patch FILE wrote",
        ) from surprise
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise UsageError(
            f"{path} is no patch of the form {SCHEMA}",
            hint="name a file that repair --patch FILE wrote",
        )
    return tuple(_cure(one, path) for one in found.get("cures", ()))


def _cure(found: Mapping[str, object], path: Path) -> Cure:
    match found:
        case {"rule": str(rule), "title": str(title), "edits": list(edits)}:
            expects = tuple(one.get("expects", {}) for one in edits)
            return Cure(rule, title, tuple(decoded(one) for one in edits), expects)
    raise UsageError(
        f"{path} holds a cure without rule, title and edits",
        hint="write the patch anew: repair --patch FILE",
    )


def apply_patch(
    patch: Path, target: str, out: Path, *, trust_code: bool = False, force: bool = False
) -> tuple[Cure, ...]:
    """Replay a patch on another export of the model it was made for, and write the result.

    Args:
        patch: The file.
        target: The model; it stays as it is.
        out: Where the mended model goes.
        trust_code: Whether code that comes with the model may run.
        force: Whether a file that is there may be replaced.

    Returns:
        What was done.

    Raises:
        PivotfixError: A file is wrong, or the model is not what the patch expects.
    """
    check_destination(target, target, out, force=force)
    cures = read_patch(patch)
    pivot = load(target, trust_code=trust_code)
    export(pivot, replayed(pivot, cures), out)
    try:
        load(str(out), trust_code=trust_code)
    except PivotfixError:  # what does not load must not stay
        out.unlink()
        raise
    return cures


def replayed(pivot: Pivot, cures: Iterable[Cure]) -> onnx.ModelProto:
    """Return a model with a patch's cures in it.

    Args:
        pivot: The model.
        cures: What to do, each with what it expects to find.

    Raises:
        RepairError: The model holds something else.
    """
    model = pivot.model
    for cure in cures:
        present = _expectations(model, pivot.folder, cure.edits)
        for edit, wanted, found in zip(cure.edits, cure.expects, present, strict=True):
            _refuse_other(cure, edit, wanted, found)
        model = apply(model, pivot.folder, cure.edits)
    return model


def _refuse_other(
    cure: Cure, edit: Edit, wanted: Mapping[str, object], found: Mapping[str, object]
) -> None:
    """Refuse a model in which an edit does not find what it expects."""
    for what in sorted(wanted.keys() | found.keys()):
        if wanted.get(what) != found.get(what):
            raise RepairError(
                f"the patch does not fit: {cure.rule} expects {what} of {_place(edit)} to "
                f"be {wanted.get(what)}, and it is {found.get(what)}",
                hint="it is another model, or mended already: run diff, or repair it anew",
            )


def _place(edit: Edit) -> str:
    match edit:
        case SetAttribute() | SetConstant() | RemoveNode() | Rewire():
            return f"node {edit.node}"
        case InsertNode() | SetType():
            return f"tensor {edit.tensor}"
        case ReplaceRegion():
            return f"nodes {', '.join(edit.nodes[:4])}"
        case SetOpset():
            return f"opset domain {edit.domain or 'ai.onnx'}"


def _expectations(
    model: onnx.ModelProto, folder: Path, edits: Sequence[Edit]
) -> tuple[Mapping[str, object], ...]:
    """Return what each edit finds in a model before any of them is made."""
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
            return {"operator": node.op, f"input{slot}": node.inputs[slot]}
        case RemoveNode(node=name) if name in known:
            return {"operator": known[name].op}
        case ReplaceRegion(nodes=names):
            return {"operators": [known[n].op if n in known else None for n in names]}
        case InsertNode(tensor=tensor):
            read = sorted(node.op for node in known.values() if tensor in node.inputs)
            return {"giver": _giver(tensor, model, known), "readers": read}
        case SetOpset(domain=domain):
            return {"version": _version(model, domain)}
        case _:
            return {}


def _constant(node: Node, slot: int) -> str | None:
    held = node.constants.get(slot)
    return None if held is None else digest(np.asarray(held))


def _giver(tensor: str, model: onnx.ModelProto, known: Mapping[str, Node]) -> str | None:
    if tensor in {value.name for value in model.graph.input}:
        return "input"
    return next((node.op for node in known.values() if tensor in node.outputs), None)


def _version(model: onnx.ModelProto, domain: str) -> int | None:
    return next((o.version for o in model.opset_import if o.domain == domain), None)
