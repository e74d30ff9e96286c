"""A repair as a small file, to be read, kept beside the model, and replayed on its like.

Each edit says what it expects to find; where it finds anything else, nothing is written.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from analyzer.core.errors import PivotfixError, RepairError, UsageError
from analyzer.core.types import (
    Edit,
    Pivot,
)
from analyzer.frontends.hints import Hints
from analyzer.pivot import load
from rewriter.destination import check_destination
from rewriter.expectations import expectations, place
from rewriter.export import export
from rewriter.export.beside import removed, replacing
from rewriter.patch_values import decoded, encoded
from rewriter.surgeon import apply

SCHEMA = "pivotfix-patch/1"

SHOWN = 12
"""Digits of a digest that tell two files apart in a sentence."""


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
        expects = expectations(model, pivot.folder, cure.edits)
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


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A patch as it was read.

    Attributes:
        made_for: The model it was made for, as a sentence names it.
        cures: What it does, in order.
    """

    made_for: str
    cures: tuple[Cure, ...]


def read_patch(path: Path) -> Patch:
    """Return what a patch does, and the model it was made for.

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
    cures = tuple(_cure(one, path) for one in _listed(found.get("cures", [])))
    match found.get("target"):
        case {"name": str(name), "framework": str(framework), "sha256": str(digest_)}:
            return Patch(_called(name, framework, digest_), cures)
    return Patch("a model that it does not name", cures)


def _listed(found: object) -> list[object]:
    """Return a list of a file as it is; what is none as its only part, to be refused."""
    return found if isinstance(found, list) else [found]


def _called(name: str, framework: str, sha256: str) -> str:
    """Return a model as a sentence names it: file, framework, the start of its digest."""
    return f"{name} ({framework}, sha256 {sha256[:SHOWN]})"


def _cure(found: object, path: Path) -> Cure:
    match found:
        case {"rule": str(rule), "title": str(title), "edits": list(edits)} if all(
            isinstance(one, dict) for one in edits
        ):
            expects = tuple(one.get("expects", {}) for one in edits)
            return Cure(rule, title, tuple(decoded(one) for one in edits), expects)
    raise UsageError(
        f"{path} holds a cure without rule, title and edits",
        hint="write the patch anew: repair --patch FILE",
    )


def apply_patch(
    patch: Path,
    target: str,
    out: Path,
    *,
    hints: Hints = Hints(),  # noqa: B008 - a frozen value
    trust_code: bool = False,
    force: bool = False,
) -> tuple[Cure, ...]:
    """Replay a patch on another export of the model it was made for, and write the result.

    Args:
        patch: The file.
        target: The model; it stays as it is.
        out: Where the mended model goes.
        hints: What is known of the model besides its file.
        trust_code: Whether code that comes with the model may run.
        force: Whether a file that is there may be replaced.

    Returns:
        What was done.

    Raises:
        PivotfixError: A file is wrong, or the model is not what the patch expects.
    """
    check_destination(target, target, out, force=force)
    read = read_patch(patch)
    pivot = load(target, trust_code=trust_code, hints=hints)
    export(pivot, replayed(pivot, read), out)
    try:
        load(str(out), trust_code=trust_code, hints=hints)
    except PivotfixError:  # what does not load must not stay
        removed(out)
        raise
    return read.cures


def replayed(pivot: Pivot, patch: Patch) -> onnx.ModelProto:
    """Return a model with a patch's cures in it.

    Args:
        pivot: The model.
        patch: What to do, each cure with what it expects to find.

    Raises:
        RepairError: The model holds something else.
    """
    model = pivot.model
    for cure in patch.cures:
        present = expectations(model, pivot.folder, cure.edits)
        for edit, wanted, found in zip(cure.edits, cure.expects, present, strict=True):
            surprise = _surprise(edit, wanted, found)
            if surprise:
                raise _misfit(patch, pivot, cure, surprise)
        model = apply(model, pivot.folder, cure.edits)
    return model


def _surprise(edit: Edit, wanted: Mapping[str, object], found: Mapping[str, object]) -> str:
    """Return what an edit does not find as it expects it; empty where it finds all."""
    if wanted and not found:
        return f"it has no {place(edit)}"
    for what in sorted(wanted.keys() | found.keys()):
        if wanted.get(what) != found.get(what):
            there = "absent" if found.get(what) is None else found[what]
            return f"{what} of {place(edit)} is {there}, not {wanted.get(what)}"
    return ""


def _misfit(patch: Patch, pivot: Pivot, cure: Cure, surprise: str) -> RepairError:
    """Return the refusal of a model that a patch was not made for."""
    this = _called(pivot.path.name, pivot.framework, pivot.sha256)
    if this == patch.made_for:
        hint = (
            "the patch was changed since it was written: write it anew with repair --patch"
        )
    else:
        hint = (
            f"name an export of the model that {patch.made_for} is of, not mended yet; or "
            f"repair this one: repair SOURCE {pivot.path.name} -o OUT"
        )
    return RepairError(
        f"the patch does not fit: it was made for {patch.made_for}, and this is {this}; "
        f"its fix for {cure.rule} finds something else: {surprise}",
        hint=hint,
    )
