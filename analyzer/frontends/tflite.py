"""TFLite flatbuffers."""

from dataclasses import dataclass

from analyzer.core.types import Pivot
from analyzer.frontends.base import existing
from analyzer.frontends.imported import Importer, load

IMPORTER = Importer(
    framework="tflite",
    family="tflite",
    module="analyzer.frontends.child.from_tflite",
    tool="pivotfix",
    needs=("ai_edge_litert", "flatbuffers"),
    extra="tflite",
)
"""Our own reader of the flatbuffer, which has no need of TensorFlow."""

SECOND_OPINION = Importer(
    framework="tflite",
    family="tensorflow",
    module="analyzer.frontends.child.from_tflite_tf2onnx",
    tool="tf2onnx",
    needs=("ai_edge_litert", "flatbuffers", "tensorflow", "tf2onnx"),
    extra="tensorflow,tflite",
)
"""tf2onnx reads the flatbuffer through TensorFlow, so both extras are needed."""


@dataclass(frozen=True, slots=True)
class TfliteFrontend:
    """Reads ``.tflite`` itself; the LiteRT interpreter runs the model."""

    framework: str = "tflite"
    reads: tuple[str, ...] = (".tflite",)

    def claims(self, path: str) -> bool:
        """Return whether the path ends in ``.tflite``."""
        return path.lower().endswith(self.reads)

    def load(self, path: str, *, trust_code: bool) -> Pivot:
        """Return the model as a pivot.

        Args:
            path: As the user gave it.
            trust_code: Of no effect: a flatbuffer carries no code.

        Raises:
            LoadError: The file is broken, or a package is missing or fails.
        """
        return load(path, existing(path), IMPORTER, trust_code=trust_code)


FRONTEND = TfliteFrontend()
