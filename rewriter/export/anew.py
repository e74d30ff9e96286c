"""A repaired pivot exported whole, where the target's own file cannot say the repair."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx

from analyzer.core.types import Pivot
from analyzer.frontends.exporting import Exporter, export
from rewriter.export.beside import replacing, replacing_folder
from rewriter.export.native_format import CHUNK, Write
from rewriter.export.onnx_file import write_whole

TORCH = Exporter(
    family="torch",
    module="rewriter.export.torch_graph.program",
    needs=("torch",),
    extra="torch",
)

TENSORFLOW = Exporter(
    family="tensorflow",
    module="rewriter.export.tensorflow_graph.entry",
    needs=("tensorflow",),
    extra="tensorflow",
)

Settings = Callable[[Pivot], Mapping[str, Any]]
"""What the exporter is told of the target: names, signatures, form."""


def anew(exporter: Exporter, settings: Settings) -> Write:
    """Return what writes a repaired model by exporting its pivot whole.

    Args:
        exporter: Who exports it.
        settings: What it is told of the target.
    """

    def write(target: Pivot, repaired: onnx.ModelProto, out: Path) -> tuple[str, ...]:
        with tempfile.TemporaryDirectory(prefix="pivotfix-") as folder:
            pivot = Path(folder) / "repaired.onnx"
            write_whole(repaired, target.folder, pivot)
            told = settings(target)
            if not out.suffix:
                with replacing_folder(out) as place:
                    return export(str(pivot), place, exporter, told)
            made = Path(folder) / out.name
            notes = export(str(pivot), made, exporter, told)
            with made.open("rb") as content, replacing(out) as file:
                shutil.copyfileobj(content, file, CHUNK)
        return notes

    return write


def like(target: Pivot) -> Mapping[str, Any]:
    """Return that an exported torch program is to be called as the target is."""
    return {"like": str(target.path), "trust_code": target.trusted}


def signed(target: Pivot) -> Mapping[str, Any]:
    """Return the signature that a SavedModel is called by."""
    return {"signature": target.signature} if target.signature else {}


def plain(_: Pivot) -> Mapping[str, Any]:
    """Return nothing."""
    return {}
