"""A repaired pivot back in the user's own format, one module per format."""

import shutil
from dataclasses import replace
from pathlib import Path

import onnx

from analyzer.core.errors import ExportError
from analyzer.core.types import Pivot
from analyzer.quantized_ends import with_integers
from rewriter.export import onnx_file, tflite
from rewriter.export.beside import replacing

__all__ = ["OWN_FORMAT", "copy", "export", "refusal"]

OWN_FORMAT = {"onnx": ".onnx", "tflite": ".tflite"}
"""The suffix of each framework whose models are written in their own format; every other
framework's are written as ``.onnx``."""


def export(target: Pivot, model: onnx.ModelProto, out: Path) -> None:
    """Write a repaired model: in the target's own format, or as ONNX where OUT says so.

    Args:
        target: The model as it was loaded.
        model: Its pivot after the repair.
        out: Where it goes; the suffix tells the format.

    Raises:
        ExportError: The format cannot say the repair, or the disk refuses.
    """
    target, model = _as_in_file(target, model)
    if target.framework == "onnx":
        onnx_file.write(target.path, model, out)
    elif out.suffix.lower() == OWN_FORMAT.get(target.framework):
        tflite.write(target, model, out)
    else:
        onnx_file.write_whole(model, target.folder, out)


def refusal(target: Pivot, model: onnx.ModelProto, suffix: str) -> str:
    """Return why a repaired model cannot be written in a format; empty where it can.

    Args:
        target: The model as it was loaded.
        model: Its pivot after the repair.
        suffix: Of OUT, which tells the format.
    """
    if target.framework != "tflite" or suffix != OWN_FORMAT["tflite"]:
        return ""
    try:
        tflite.mended(*_as_in_file(target, model))
    except ExportError as surprise:
        return surprise.problem
    return ""


def copy(target: Pivot, out: Path) -> None:
    """Write a target that needs no repair: its very bytes, where the format is its own.

    Args:
        target: The model as it was loaded.
        out: Where it goes.

    Raises:
        ExportError: The disk refuses, or a side file would be replaced.
    """
    if out.suffix.lower() != OWN_FORMAT.get(target.framework):
        own, _ = _as_in_file(target, target.model)
        onnx_file.write_whole(own.model, own.folder, out)
        return
    if target.framework == "onnx":
        onnx_file.copy_sides(target.path, target.model, out)
    with target.path.open("rb") as content, replacing(out) as file:
        shutil.copyfileobj(content, file, onnx_file.CHUNK)


def _as_in_file(target: Pivot, model: onnx.ModelProto) -> tuple[Pivot, onnx.ModelProto]:
    """Return a target and its repaired model with the integer ends that the file has."""
    if not target.ends:
        return target, model
    own = with_integers(target.model, target.ends)
    return replace(target, model=own, ends={}), with_integers(model, target.ends)
