"""What a repaired model of one format is written with: a value, one for each format."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from analyzer.core.types import Pivot
from rewriter.export.beside import replacing, replacing_folder

CHUNK = 1 << 24
"""Bytes copied at once."""

Write = Callable[[Pivot, onnx.ModelProto, Path], tuple[str, ...]]
"""Writes a repaired model.

Takes the model as it was loaded, its pivot after the repair, and where it goes; returns
what is to be noted, in sentences. Raises ExportError where the format cannot say it.
"""


def copied(target: Pivot, out: Path) -> None:
    """Write a target that needs no repair: its very bytes.

    Args:
        target: The model, a file or a folder.
        out: Where it goes.

    Raises:
        ExportError: The disk refuses.
    """
    if target.path.is_dir():
        with replacing_folder(out) as folder:
            shutil.copytree(target.path, folder, dirs_exist_ok=True)
        return
    with target.path.open("rb") as content, replacing(out) as file:
        shutil.copyfileobj(content, file, CHUNK)


def alone(_out: Path) -> tuple[Path, ...]:
    """Return what is written beside a repaired model: nothing."""
    return ()


def anything(_: Pivot, __: onnx.ModelProto) -> None:
    """Refuse no repair before it is written."""


def no_facts(_: Path) -> Mapping[str, str]:
    """Return nothing: the file states nothing beside what it computes."""
    return {}


@dataclass(frozen=True, slots=True)
class NativeFormat:
    """How models of one format are written.

    Attributes:
        framework: Whose format it is, as a report names it.
        suffix: What OUT ends in; empty: OUT is a folder.
        claims: Whether a target's path, as the user typed it or as it was loaded, is of it.
        write: Writes a repaired model.
        check: Raises ExportError where the format cannot say a repair, as far as that is
            known without its framework: repairs are chosen by it.
        copy: Writes a target that needs no repair.
        anew: Exports a repaired pivot whole, where `write` cannot say the repair; None:
            nothing does.
        facts: What a file states beside what it computes, by what it is of: signatures,
            metadata, what is quantized. An export is told by what it changes of them.
        beside: Gives, for OUT, the files that may be written beside it; the first is the
            Python code that a repaired file of weights is to be read with.
    """

    framework: str
    suffix: str
    claims: Callable[[str], bool]
    write: Write
    check: Callable[[Pivot, onnx.ModelProto], None] = anything
    copy: Callable[[Pivot, Path], None] = copied
    anew: Write | None = None
    facts: Callable[[Path], Mapping[str, str]] = no_facts
    beside: Callable[[Path], tuple[Path, ...]] = alone


def ends_in(*suffixes: str) -> Callable[[str], bool]:
    """Return what claims the paths that end in one of these suffixes."""
    return lambda path: path.lower().endswith(suffixes)
