"""What every frontend offers, and how the right one for a path is found."""

import hashlib
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Protocol

import analyzer.frontends
from analyzer.core.errors import LoadError
from analyzer.core.types import Pivot


class Frontend(Protocol):
    """What reads one family of model files; each module offers its own as ``FRONTEND``.

    Attributes:
        framework: ``onnx``, ``keras``, ``tensorflow``, ``tflite`` or ``torch``.
        reads: The forms of path it claims, as a user would type them.
    """

    @property
    def framework(self) -> str:
        """Return the framework's name as the report shows it."""
        ...

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the forms of path it claims, such as ``.keras``."""
        ...

    def claims(self, path: str) -> bool:
        """Return whether the path, by its form alone, is this frontend's."""
        ...

    def load(self, path: str, *, trust_code: bool) -> Pivot:
        """Return the model as a pivot.

        Args:
            path: As the user gave it.
            trust_code: Whether code that comes with the model may run.

        Raises:
            LoadError: The file does not parse, or nothing installed can read it.
            UsageError: The model needs an option that was not given.
        """
        ...


def frontends() -> Iterator[Frontend]:
    """Yield every frontend of this package, in the order of their files."""
    folder = analyzer.frontends.__path__
    for entry in pkgutil.iter_modules(folder):
        module = import_module(f"analyzer.frontends.{entry.name}")
        if hasattr(module, "FRONTEND"):
            yield module.FRONTEND


def find_frontend(path: str) -> Frontend:
    """Return the frontend that claims a path.

    Args:
        path: A model file, or ``file.py:factory``.

    Raises:
        LoadError: No frontend reads such a path.
    """
    known = tuple(frontends())
    for frontend in known:
        if frontend.claims(path):
            return frontend
    readable = ", ".join(form for frontend in known for form in frontend.reads)
    missing = "" if Path(path).exists() else ", and there is no such file or folder"
    raise LoadError(
        f"{path}: no frontend reads a model of this form{missing}",
        hint=f"give a file of one of these forms: {readable}",
    )


def existing(path: str) -> Path:
    """Return the path of a file that is there and has content.

    Args:
        path: As the user gave it.

    Raises:
        LoadError: It is missing, a folder, empty, or not readable.
    """
    file = Path(path)
    if not file.exists():
        raise LoadError(f"{path}: there is no such file", hint="check the path for a typo")
    if not file.is_file():
        raise LoadError(f"{path} is a folder, not a model file", hint="name the file in it")
    try:
        with file.open("rb") as content:
            first = content.read(1)
    except OSError as surprise:
        raise LoadError(
            f"{path} cannot be read ({surprise.strerror})", hint="check its permissions"
        ) from surprise
    if not first:
        raise LoadError(f"{path} is empty", hint="convert or download the model again")
    return file


def digest(file: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal; of a folder, of its files'.

    Args:
        file: A file, or a folder: the digests of all files in it, by name, are digested.
    """
    if file.is_dir():
        inside = sorted(each for each in file.rglob("*") if each.is_file())
        lines = [
            f"{digest(each)}  {each.relative_to(file).as_posix()}\n" for each in inside
        ]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
