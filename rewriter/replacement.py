"""Kept edits in onnx2tf's own words: a file it takes when it converts the source anew.

Source: "Parameter replacement" of https://github.com/PINTO0309/onnx2tf, format version 1.
Its values are in the layout of the converted file, from which they are read once it is
mended; its names are those of the ``.onnx`` file that was converted.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from analyzer.core.errors import ExportError, UsageError
from analyzer.core.graph import nodes
from analyzer.core.types import (
    Pivot,
)
from analyzer.reports.numbers import counted
from rewriter.export import tflite
from rewriter.export.beside import replacing
from rewriter.export.tflite_file import (
    description,
    read,
)
from rewriter.export.tflite_owners import owners
from rewriter.outcome import Repaired
from rewriter.replacement_words import Conversion, said

NAME = "param_replacement.json"
VERSION = 1
MADE_BY = "onnx2tf"
"""How the description of a ``.tflite`` file begins that onnx2tf wrote itself; a file that
it let TensorFlow write does not say so."""


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """Kept edits as operations of the file, and the fixes that it has no words for."""

    operations: tuple[Mapping[str, object], ...]
    left_out: tuple[str, ...]


def is_onnx2tf(target: Pivot) -> bool:
    """Return whether a file says that onnx2tf wrote it."""
    return target.framework == "tflite" and description(target.path).startswith(MADE_BY)


def check_replacement(patch: Path, source: Pivot, target: Pivot, *, force: bool) -> Path:
    """Return where the file goes: beside the patch.

    Args:
        patch: Where the patch goes.
        source: The source.
        target: The target.
        force: Whether a file that is there may be replaced.

    Raises:
        UsageError: It exists or is the patch, the source is no ``.onnx`` file or the target
            no ``.tflite``.
    """
    place = patch.with_name(NAME)
    if (source.framework, target.framework) != ("onnx", "tflite"):
        raise UsageError(
            f"onnx2tf makes .tflite of .onnx, and here SOURCE is {source.framework} and "
            f"TARGET {target.framework}",
            hint="give the .onnx file that it read as SOURCE, or leave --onnx2tf out",
        )
    if place == patch:
        raise UsageError(
            f"the patch {patch} bears the name of onnx2tf's own file, which goes beside it",
            hint="give --patch another name",
        )
    if place.exists() and not force:
        raise UsageError(
            f"{place}, which goes beside the patch, exists",
            hint="give --patch another folder, or pass --force",
        )
    return place


def write_replacement(
    done: Repaired, repaired: onnx.ModelProto, both: tuple[Pivot, Pivot], place: Path
) -> None:
    """Write what a repair kept as onnx2tf takes it.

    Args:
        done: What the repair did.
        repaired: The target's pivot with the kept edits.
        both: The source, as onnx2tf read it, and the target.
        place: Where the file goes.

    Raises:
        ExportError: The disk refuses.
    """
    source, target = both
    told = replacements(done, repaired, both)
    contents = {
        "format_version": VERSION,
        "model": source.path.name,
        "target": target.sha256,
        "command": f"onnx2tf -i {source.path.name} -prf {place.name}",
        "left_out": told.left_out,
        "operations": told.operations,
    }
    with replacing(place) as file:
        file.write(f"{json.dumps(contents, indent=2, ensure_ascii=False)}\n".encode())


def replacements(
    done: Repaired, repaired: onnx.ModelProto, both: tuple[Pivot, Pivot]
) -> Told:
    """Return the kept edits as operations, and the fixes that cannot be said.

    Args:
        done: What the repair did.
        repaired: The target's pivot with the kept edits.
        both: The source and the target.
    """
    chosen = [each for kept in done.chosen.chain for one in kept for each in one.fixes]
    try:
        conversion = _conversion(repaired, *both)
    except ExportError:  # the repair is one that no .tflite file can say
        return Told((), tuple(fix.title for _, fix in chosen))
    findings = {one.id: one for each in done.rounds for one in each.tried}
    told: list[Mapping[str, object]] = []
    left_out: list[str] = []
    for name, fix in chosen:
        found = [list(said(edit, findings[name], conversion)) for edit in fix.edits]
        told += [one for several in found for one in several]
        left_out += [] if all(found) else [fix.title]
    return Told(tuple(told), tuple(left_out))


def _conversion(repaired: onnx.ModelProto, source: Pivot, target: Pivot) -> Conversion:
    """Return the target's file before and after its repair.

    Raises:
        ExportError: TFLite cannot say an edit.
    """
    was = read(target.path)
    owned = owners(was, nodes(target.model, target.folder)).operators
    sources = {node.name: node for node in source.model.graph.node if node.name}
    return Conversion(was, tflite.mended(target, repaired), owned, sources)


def told_beside(patch: Path, sha256: str) -> str:
    """Return what to say of the file beside a patch; empty where this run wrote none.

    Args:
        patch: The patch.
        sha256: Digest of the target that was mended, hexadecimal.
    """
    place = patch.with_name(NAME)
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    if not isinstance(found, dict) or found.get("target") != sha256:
        return ""
    said, left_out = len(found["operations"]), len(found["left_out"])
    missing = f"; it has no words for {counted(left_out, 'fix')}" if left_out else ""
    return f"{place}, for onnx2tf -prf: {counted(said, 'operation')}{missing}"
