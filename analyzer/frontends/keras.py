"""Keras models: the ``.keras`` archive, and the ``.h5`` of older releases."""

from dataclasses import dataclass

from analyzer.core.types import Pivot
from analyzer.frontends.base import existing
from analyzer.frontends.imported import Importer, load

IMPORTER = Importer(
    framework="keras",
    family="tensorflow",
    module="analyzer.frontends.child.from_keras",
    tool="tf2onnx",
    needs=("tensorflow", "tf2onnx"),
    extra="tensorflow",
)


@dataclass(frozen=True, slots=True)
class KerasFrontend:
    """Reads what ``model.save`` writes; tf2onnx makes the pivot, Keras itself runs it."""

    framework: str = "keras"
    reads: tuple[str, ...] = (".keras", ".h5")

    def claims(self, path: str) -> bool:
        """Return whether the path ends as Keras names its files."""
        return path.lower().endswith(self.reads)

    def load(self, path: str, *, trust_code: bool) -> Pivot:
        """Return the model as a pivot.

        Args:
            path: As the user gave it.
            trust_code: Whether Lambda layers, which carry code, may run.

        Raises:
            LoadError: The file is broken, or TensorFlow or tf2onnx is missing or fails.
        """
        return load(path, existing(path), IMPORTER, trust_code=trust_code)


FRONTEND = KerasFrontend()
