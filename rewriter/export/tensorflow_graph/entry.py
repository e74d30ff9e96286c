"""What the child calls: an ONNX file written as SavedModel, frozen graph or TFLite."""

from pathlib import Path

from rewriter.export.tensorflow_graph import frozen, lite, saved
from rewriter.export.tensorflow_graph.module import Settings
from rewriter.export.tensorflow_graph.program import read
from rewriter.export.tensorflow_graph.table import table
from rewriter.export.tensorflow_graph.weights import Tensor


def export(onnx_path: str, out: str, **settings: Tensor) -> list[str]:
    """Write an ONNX file in a TensorFlow format.

    Args:
        onnx_path: The model; its weights may lie beside it.
        out: No suffix: a SavedModel folder; ``.pb``: a frozen graph; ``.tflite``.
        settings: ``names``, ``layouts`` and ``signature`` of `Settings`.

    Returns:
        Sentences on what the written program says otherwise than the model.

    Raises:
        ExportError: TensorFlow cannot say the model; each operator is named.
    """
    program = read(Path(onnx_path), table().keys())
    write = {".pb": frozen.write, ".tflite": lite.write}.get(Path(out).suffix, saved.write)
    return write(program, Path(out), Settings(**settings))
