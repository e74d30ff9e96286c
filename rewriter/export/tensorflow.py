"""Repaired TensorFlow graphs: the user's own file or folder, patched where it was wrong."""

from dataclasses import replace
from pathlib import Path

import onnx

from analyzer.core.types import Pivot
from analyzer.frontends.exporting import Exporter
from rewriter.export.anew import TENSORFLOW, anew, plain, signed
from rewriter.export.beside import replacing, replacing_folder
from rewriter.export.in_child import patched
from rewriter.export.native_format import NativeFormat, ends_in
from rewriter.export.saved_model_facts import facts

FROZEN = Exporter(
    family="tensorflow",
    module="rewriter.export.child.frozen_graph",
    needs=("tensorflow",),
    extra="tensorflow",
)


SAVED_MODEL = replace(FROZEN, module="rewriter.export.child.saved_model")


def write_folder(target: Pivot, repaired: onnx.ModelProto, out: Path) -> tuple[str, ...]:
    """Write the user's SavedModel with a repair in it; all else in it stays.

    Args:
        target: The imported model.
        repaired: Its pivot after the repair.
        out: Where the folder goes.

    Returns:
        What is to be noted, in sentences.

    Raises:
        ExportError: The graph cannot say the repair, or the disk refuses.
    """
    with replacing_folder(out) as folder:
        settings = {"signature": target.signature}
        return patched(target, repaired, folder, SAVED_MODEL, settings)


def write(target: Pivot, repaired: onnx.ModelProto, out: Path) -> tuple[str, ...]:
    """Write the user's frozen graph with a repair in it; all else in it stays.

    Args:
        target: The imported model.
        repaired: Its pivot after the repair.
        out: Where it goes.

    Returns:
        What is to be noted, in sentences.

    Raises:
        ExportError: The graph cannot say the repair, or the disk refuses.
    """
    with replacing(out) as file:
        return patched(target, repaired, Path(file.name), FROZEN, {})


def _is_saved_model(path: str) -> bool:
    return (Path(path) / "saved_model.pb").is_file()


FORMATS = (
    NativeFormat("tensorflow", ".pb", ends_in(".pb"), write, anew=anew(TENSORFLOW, plain)),
    NativeFormat(
        "tensorflow",
        "",
        _is_saved_model,
        write_folder,
        anew=anew(TENSORFLOW, signed),
        facts=facts,
    ),
)
