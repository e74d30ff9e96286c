"""A repaired pivot back in the user's own format, one module per format."""

from dataclasses import replace
from pathlib import Path

import onnx

from analyzer.core.errors import ExportError
from analyzer.core.types import Pivot
from analyzer.quantized_ends import with_integers
from rewriter.export import (
    keras,
    onnx_file,
    tensorflow,
    tflite,
    torch_module,
    torch_program,
    torch_script,
    torch_weights,
)
from rewriter.export.native_format import NativeFormat

__all__ = ["ONNX", "copy", "export", "out_suffix", "own_format", "refusal"]

ONNX = ".onnx"
"""What OUT may end in for any target."""

FORMATS = (
    onnx_file.FORMAT,
    tflite.FORMAT,
    keras.ARCHIVE,
    keras.HDF5,
    *tensorflow.FORMATS,
    torch_program.FORMAT,
    torch_script.PT,
    torch_script.PTH,
    torch_weights.PT,
    torch_weights.PTH,
    torch_module.FORMAT,
)
"""Every format that models are written in; the first that claims a path writes it."""


def own_format(path: str) -> NativeFormat | None:
    """Return the format that a target is written in; None: as ``.onnx`` only.

    Args:
        path: Of the target, as the user gave it or as it was loaded.
    """
    return next((one for one in FORMATS if one.claims(path)), None)


def out_suffix(path: str, out: Path | None, framework: str) -> str:
    """Return ``.onnx``, or the suffix of the target's own format: what OUT is to be.

    Args:
        path: Of the target, as the user gave it.
        out: Where the repaired model goes; None: nowhere, but its own format is meant.
        framework: Of the target; the same path may be of several.
    """
    own = own_format(path)
    asked = out is not None and out.suffix.lower() == ONNX
    foreign = out is None and own is not None and own.framework != framework
    return ONNX if own is None or asked or foreign else own.suffix


def export(
    target: Pivot, model: onnx.ModelProto, out: Path, *, anew: bool = False
) -> tuple[str, ...]:
    """Write a repaired model: in the target's own format, or as ONNX where OUT says so.

    Args:
        target: The model as it was loaded.
        model: Its pivot after the repair.
        out: Where it goes; the suffix tells the format.
        anew: Whether the pivot is exported whole, and the target's file not patched.

    Returns:
        What is to be noted, in sentences.

    Raises:
        ExportError: The format cannot say the repair, or the disk refuses.
    """
    target, model = _as_in_file(target, model)
    own = _format(target, out.suffix)
    if own is not None:
        write = own.anew if anew and own.anew is not None else own.write
        return write(target, model, out)
    onnx_file.write_whole(model, target.folder, out)
    return ()


def refusal(target: Pivot, model: onnx.ModelProto, suffix: str) -> str:
    """Return why a repaired model cannot be written in a format; empty where it can.

    Args:
        target: The model as it was loaded.
        model: Its pivot after the repair.
        suffix: ``.onnx``, or that of the target's own format.
    """
    own = _format(target, suffix)
    if own is None:
        return ""
    try:
        own.check(*_as_in_file(target, model))
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
    own = _format(target, out.suffix)
    if own is not None:
        own.copy(target, out)
        return
    plain, _ = _as_in_file(target, target.model)
    onnx_file.write_whole(plain.model, plain.folder, out)


def _format(target: Pivot, suffix: str) -> NativeFormat | None:
    """Return the target's own format, where OUT is of it; None: OUT is ``.onnx``."""
    own = own_format(str(target.path))
    if own is None or (own.suffix != ONNX and suffix.lower() == ONNX):
        return None
    return own


def _as_in_file(target: Pivot, model: onnx.ModelProto) -> tuple[Pivot, onnx.ModelProto]:
    """Return a target and its repaired model with the integer ends that the file has."""
    if not target.ends:
        return target, model
    own = with_integers(target.model, target.ends)
    return replace(target, model=own, ends={}), with_integers(model, target.ends)
