"""What torch saves as ``.pt`` or ``.pth``: TorchScript, or the bare weights of a module."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from analyzer.core.errors import LoadError, UsageError
from analyzer.core.types import Pivot
from analyzer.frontends.archive import check_archive
from analyzer.frontends.base import existing
from analyzer.frontends.factory import FORM
from analyzer.frontends.hints import Hints
from analyzer.frontends.imported import Importer, load
from analyzer.frontends.pickled import Content, Kind, content_of

SCRIPT = Importer(
    framework="torch",
    family="torch",
    module="analyzer.frontends.child.from_script",
    tool="torch.onnx",
    needs=("torch",),
    extra="torch",
)

WEIGHTS = Importer(
    framework="torch",
    family="torch",
    module="analyzer.frontends.child.from_weights",
    tool="torch.onnx",
    needs=("torch", "onnxscript"),
    extra="torch",
)

CONTAINERS = ("collections.", "builtins.", "numpy.", "argparse.", "pathlib.")
"""Where classes live that stand in checkpoints beside weights, and are no modules."""


@dataclass(frozen=True, slots=True)
class TorchFileFrontend:
    """Tells by its content what a file is; torch itself reads and runs it."""

    framework: str = "torch"
    reads: tuple[str, ...] = (".pt", ".pth")

    def claims(self, path: str) -> bool:
        """Return whether the path ends in ``.pt`` or ``.pth``."""
        return path.lower().endswith(self.reads)

    def asks(self, path: str) -> bool:
        """Return whether it is TorchScript that does not keep the inputs of a trace."""
        content = content_of(existing(path))
        return content.kind is Kind.SCRIPT and not content.traced

    def load(self, path: str, *, trust_code: bool) -> Pivot:
        """Return the model as a pivot, of a file that says everything itself.

        Args:
            path: As the user gave it.
            trust_code: Whether code that comes with the model may run.
        """
        return self.load_hinted(path, Hints(), trust_code=trust_code)

    def load_hinted(self, path: str, hints: Hints, *, trust_code: bool) -> Pivot:
        """Return the model as a pivot.

        Args:
            path: As the user gave it.
            hints: Shapes of the inputs, or the module that bare weights belong to.
            trust_code: Whether code that comes with the model may run.

        Raises:
            LoadError: The file is broken or holds code, or torch is missing or fails.
            UsageError: It needs an option that was not given.
        """
        file = existing(path)
        content = content_of(file)
        match content.kind:
            case Kind.SCRIPT:
                check_archive(file, member="constants.pkl")
                settings = _ends(hints)
                return load(path, file, SCRIPT, trust_code=trust_code, settings=settings)
            case Kind.WEIGHTS:
                if is_zipfile(file):  # before release 1.6, torch wrote bare pickles
                    check_archive(file, member="data.pkl")
                return _with_module(path, file, hints, trust_code=trust_code)
        raise _refused(path, content)


def _ends(hints: Hints) -> Mapping[str, Any]:
    """Return what is known of a model's inputs, as JSON can hold it."""
    shapes = {name: list(shape) for name, shape in hints.shapes.items()}
    if hints.inputs is None:
        return {"shapes": shapes}
    others = [[spec.name, spec.dtype, spec.shape] for spec in hints.inputs]
    return {"shapes": shapes, "others": others}


def _with_module(path: str, file: Path, hints: Hints, *, trust_code: bool) -> Pivot:
    match = FORM.fullmatch(hints.model)
    if match is None:
        raise UsageError(
            f"{path} holds weights alone, and not the module that computes with them",
            hint="name a function that builds it: --model file.py:factory --trust-code",
        )
    existing(match["file"])
    if not trust_code:
        raise UsageError(
            f"{hints.model} is Python code, which building the model would run",
            hint="read the file, then add --trust-code",
        )
    settings = {"model": hints.model}
    code = hints.model
    return load(path, file, WEIGHTS, trust_code=trust_code, settings=settings, code=code)


def _refused(path: str, content: Content) -> LoadError:
    if content.kind is Kind.PROGRAM:
        return LoadError(
            f"{path} is a program of torch.export.save, whatever its name says",
            hint="name it .pt2",
        )
    modules = [name for name in content.classes if not name.startswith(CONTAINERS)]
    named = ", ".join((modules or list(content.classes))[:3])
    return LoadError(
        f"{path} is a pickle of Python objects ({named}), and loading it would run code",
        hint="where it was made, torch.save(model.state_dict(), …) and give --model "
        "file.py:factory, or use torch.export.save",
    )


FRONTEND = TorchFileFrontend()
