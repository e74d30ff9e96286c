"""A program written as a TFLite flatbuffer, by TensorFlow's own converter."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tensorflow as tf

from analyzer.core.errors import ExportError
from rewriter.export.tensorflow_graph import saved
from rewriter.export.tensorflow_graph.module import Settings
from rewriter.export.tensorflow_graph.program import Program
from rewriter.export.tensorflow_graph.weights import valid_name
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
    _name_ends(out, program, settings)
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


def _name_ends(out: Path, program: Program, settings: Settings) -> None:
    """Give a flatbuffer's ends the names of its signature, in the model's order."""
    tree = read(out)
    tensors, ends = tree.graph.tensors, _ends(tree.model, settings.signature)
    first = [ends[valid_name(settings.name(one.name))] for one in program.inputs]
    last = [ends[settings.name(one.name)] for one in program.graph.output]
    tree.graph.inputs = np.array(first, np.int32)
    tree.graph.outputs = np.array(last, np.int32)
    for name, index in ends.items():
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
