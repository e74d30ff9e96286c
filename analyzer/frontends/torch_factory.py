"""Torch modules that a function of the user's builds: ``file.py:factory``."""

import re
from dataclasses import dataclass

from analyzer.core.errors import UsageError
from analyzer.core.types import Pivot
from analyzer.frontends.base import existing
from analyzer.frontends.imported import Importer, load

FORM = re.compile(r"(?P<file>.+\.py):(?P<factory>[A-Za-z_]\w*)")

IMPORTER = Importer(
    framework="torch",
    family="torch",
    module="analyzer.frontends.child.from_factory",
    tool="torch.onnx",
    needs=("torch", "onnxscript"),
    extra="torch",
)


@dataclass(frozen=True, slots=True)
class TorchFactoryFrontend:
    """Calls a function that returns a module and example inputs; torch does the rest."""

    framework: str = "torch"
    reads: tuple[str, ...] = ("file.py:factory",)

    def claims(self, path: str) -> bool:
        """Return whether the path names a Python file and a function in it."""
        return FORM.fullmatch(path) is not None

    def load(self, path: str, *, trust_code: bool) -> Pivot:
        """Return the module as a pivot.

        Args:
            path: As the user gave it.
            trust_code: Whether the file, which is the user's code, may run.

        Raises:
            UsageError: It may not.
            LoadError: The file or function is missing or fails, or torch does.
        """
        match = FORM.fullmatch(path)
        file = existing(match["file"] if match else path)
        if not trust_code:
            raise UsageError(
                f"{path} is Python code, which building the model would run",
                hint="read the file, then add --trust-code",
            )
        return load(path, file, IMPORTER, trust_code=trust_code)


FRONTEND = TorchFactoryFrontend()
