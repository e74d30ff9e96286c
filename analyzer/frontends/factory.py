"""Networks that a function of the user's builds, with torch or JAX: ``file.py:factory``."""

import re
from dataclasses import dataclass
from importlib.util import find_spec

from analyzer.core.errors import LoadError, UsageError
from analyzer.core.types import Pivot
from analyzer.frontends.base import existing
from analyzer.frontends.imported import Importer, load

FORM = re.compile(r"(?P<file>.+\.py):(?P<factory>[A-Za-z_]\w*)")

BUILDERS = ("torch", "jax")
"""What a factory may build with, each the name of its extra too."""

IMPORTER = Importer(
    framework="factory",
    family="factory",
    module="analyzer.frontends.child.from_factory",
    tool="torch.onnx",
    needs=(),
    extra="torch",
)
"""Which framework it is shows only when the factory has run; the child tells."""


@dataclass(frozen=True, slots=True)
class FactoryFrontend:
    """Calls a function that returns a network and example inputs, of torch or of JAX."""

    framework: str = "torch"
    reads: tuple[str, ...] = ("file.py:factory",)

    def claims(self, path: str) -> bool:
        """Return whether the path names a Python file and a function in it."""
        return FORM.fullmatch(path) is not None

    def load(self, path: str, *, trust_code: bool) -> Pivot:
        """Return what the factory builds as a pivot.

        Args:
            path: As the user gave it.
            trust_code: Whether the file, which is the user's code, may run.

        Raises:
            UsageError: It may not.
            LoadError: The file or function is missing or fails, or its framework does.
        """
        match = FORM.fullmatch(path)
        file = existing(match["file"] if match else path)
        if not trust_code:
            raise UsageError(
                f"{path} is Python code, which building the model would run",
                hint="read the file, then add --trust-code",
            )
        if not any(find_spec(package) for package in BUILDERS):
            raise LoadError(
                f"{path} needs torch or jax to be built, and neither is installed here",
                hint="pip install 'pivotfix[torch]' or 'pivotfix[jax]', whichever it uses",
            )
        return load(path, file, IMPORTER, trust_code=trust_code, code=path)


FRONTEND = FactoryFrontend()
