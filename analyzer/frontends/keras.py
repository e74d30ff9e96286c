"""Keras models: the ``.keras`` archive, and the ``.h5`` of older releases."""

from dataclasses import dataclass
from pathlib import Path

from analyzer.core.errors import LoadError
from analyzer.core.types import Pivot
from analyzer.frontends.archive import check_archive
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


HDF5 = b"\x89HDF\r\n\x1a\n"
"""How an HDF5 file starts; a user block before it is allowed, but Keras writes none."""


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
        file = existing(path)
        if path.lower().endswith(".h5"):
            _check_signature(path, file)
        else:
            check_archive(file, member="config.json")
        return load(path, file, IMPORTER, trust_code=trust_code)


def _check_signature(path: str, file: Path) -> None:
    with file.open("rb") as content:
        start = content.read(len(HDF5))
    if start != HDF5:
        raise LoadError(
            f"{path} is not an HDF5 file: it starts with {start!r}, not {HDF5!r}",
            hint="save the model again with model.save",
        )


FRONTEND = KerasFrontend()
