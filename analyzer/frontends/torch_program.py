"""Torch programs saved by ``torch.export.save``."""

from dataclasses import dataclass

from analyzer.core.types import Pivot
from analyzer.frontends.archive import check_archive
from analyzer.frontends.base import existing
from analyzer.frontends.imported import Importer, load

IMPORTER = Importer(
    framework="torch",
    family="torch",
    module="analyzer.frontends.child.from_program",
    tool="torch.onnx",
    needs=("torch", "onnxscript"),
    extra="torch",
)


@dataclass(frozen=True, slots=True)
class TorchProgramFrontend:
    """Reads ``.pt2``; torch.onnx makes the pivot, torch itself runs the program."""

    framework: str = "torch"
    reads: tuple[str, ...] = (".pt2",)

    def claims(self, path: str) -> bool:
        """Return whether the path ends in ``.pt2``."""
        return path.lower().endswith(self.reads)

    def load(self, path: str, *, trust_code: bool) -> Pivot:
        """Return the model as a pivot.

        Args:
            path: As the user gave it.
            trust_code: Whether the file is loaded even where it holds code.

        Raises:
            LoadError: The file is broken or holds code, or torch is missing or fails.
        """
        file = existing(path)
        check_archive(file, member=".json")
        return load(path, file, IMPORTER, trust_code=trust_code)


FRONTEND = TorchProgramFrontend()
