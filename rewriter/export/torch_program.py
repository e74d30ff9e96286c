"""A repaired torch program: the user's own ``.pt2``, changed where it was repaired."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import onnx

from analyzer.core.types import Pivot
from analyzer.frontends.exporting import Exporter, export
from rewriter.export.anew import TORCH, anew, like
from rewriter.export.beside import replacing
from rewriter.export.facts import torch_facts
from rewriter.export.in_child import both_pivots
from rewriter.export.native_format import CHUNK, NativeFormat, ends_in

EXPORTER = Exporter(
    family="torch",
    module="rewriter.export.child.torch_program",
    needs=("torch", "onnxscript"),
    extra="torch",
)

NOTHING: Mapping[str, Any] = MappingProxyType({})


def write(target: Pivot, repaired: onnx.ModelProto, out: Path) -> tuple[str, ...]:
    """Write the user's program with a repair in it; all else in it stays.

    Weights are found by their exact old value, arguments of calls are changed where they
    say what was imported, calls are put in and taken out; names, signature and free sizes
    survive.

    Args:
        target: The imported model.
        repaired: The model after the edits.
        out: Where the program goes.

    Returns:
        What is to be noted, in sentences.

    Raises:
        ExportError: The program cannot say an edit, or the disk refuses.
    """
    more = {"trust_code": target.trusted}
    return exported(str(target.path), EXPORTER, (target, repaired), out, more=more)


def exported(
    path: str,
    exporter: Exporter,
    both: tuple[Pivot, onnx.ModelProto],
    out: Path,
    *,
    more: Mapping[str, Any] = NOTHING,
    scripted: bool = False,
) -> tuple[str, ...]:
    """Let torch write a file with a repair in it, and return what is to be noted.

    Args:
        path: The model, as its importer was given it.
        exporter: What writes it.
        both: The imported model, and its pivot after the repair.
        out: Where the file goes, and a script beside it.
        more: What else the exporter takes.
        scripted: Whether it may write a script.

    Raises:
        ExportError: The file cannot say an edit, or the disk refuses.
    """
    with tempfile.TemporaryDirectory(prefix="pivotfix-") as folder:
        made = Path(folder) / out.name
        settings = {"pivots": both_pivots(*both, Path(folder)), **more}
        script = script_beside(made)[0]
        if scripted:
            settings["script"] = str(script)
        notes = export(path, made, exporter, settings)
        for one in (made, script):
            if one.exists():
                _place(one, out.with_name(one.name))
    return notes


def script_beside(out: Path) -> tuple[Path, ...]:
    """Return where the script goes for what a repaired file cannot say itself.

    Args:
        out: The repaired file.
    """
    return (out.with_name(f"{out.stem}_patch.py"),)


def _place(made: Path, out: Path) -> None:
    with made.open("rb") as content, replacing(out) as file:
        shutil.copyfileobj(content, file, CHUNK)


FORMAT = NativeFormat(
    "torch", ".pt2", ends_in(".pt2"), write, anew=anew(TORCH, like), facts=torch_facts
)
