"""What TFLite cannot be told, said in one way."""

from analyzer.core.errors import ExportError
from analyzer.core.types import Node


def refusal(node: Node, why: str) -> ExportError:
    """Return the error for a change that the flatbuffer cannot be given.

    Args:
        node: Where the change is.
        why: What is in the way, as the end of a sentence.
    """
    return ExportError(
        f"the repair of {node.name} ({node.op}) cannot go into the .tflite file: {why}",
        hint="write the repaired model with -o to an .onnx file",
    )
