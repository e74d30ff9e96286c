"""A program written as a TFLite flatbuffer, by TensorFlow's own converter."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import tensorflow as tf

from analyzer.core.errors import ExportError
from rewriter.export.tensorflow_graph import saved
from rewriter.export.tensorflow_graph.module import Settings
from rewriter.export.tensorflow_graph.program import Program
from rewriter.export.tflite_file import packed, read

REFUSED = re.compile(r"'(tf\.\w+)' op")
"""How the converter names an operation that TFLite has not."""


def write(program: Program, out: Path, settings: Settings) -> list[str]:
    """Write a flatbuffer whose ends have the user's names.

    Args:
        program: The graph.
        out: The ``.tflite`` file.
        settings: Its names and layouts outside.

    Returns:
        What the user should know, in sentences.

    Raises:
        ExportError: TFLite lacks an operation; each is named.
    """
    with TemporaryDirectory() as folder:
        own = replace(settings, variables=False, lite=True)
        notes = saved.write(program, Path(folder), own)
        out.write_bytes(_converted(folder, settings.signature))
    _name_ends(out, settings.signature)
    return notes


def _converted(folder: str, signature: str) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(folder, [signature])
    try:
        content: bytes = converter.convert()
    except Exception as surprise:  # its own error class is private
        lacking = sorted(set(REFUSED.findall(str(surprise))))
        what = ", ".join(lacking) or str(surprise).strip().splitlines()[0]
        raise ExportError(
            f"TFLite has no way to say what the repaired model does: {what}",
            hint="write the repaired model with -o to an .onnx file",
        ) from surprise
    return content


def _name_ends(out: Path, signature: str) -> None:
    """Give the tensors of a flatbuffer's ends the names that its signature has."""
    tree = read(out)
    tensors = tree.graph.tensors
    for name, index in _ends(tree.model, signature).items():
        for other in tensors:
            if other.name == name.encode():
                other.name = name.encode() + b"_inner"
        tensors[index].name = name.encode()
    out.write_bytes(packed(tree))


def _ends(model: object, signature: str) -> Mapping[str, int]:
    signatures = model.signatureDefs  # type: ignore[attr-defined]  # the schema's name
    chosen = next(one for one in signatures if one.signatureKey.decode() == signature)
    return {
        one.name.decode(): int(one.tensorIndex) for one in (*chosen.inputs, *chosen.outputs)
    }
