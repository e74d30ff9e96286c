"""Files that a framework has to write itself: asked of its child process."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analyzer.core.errors import ExportError
from analyzer.frontends.child.client import ChildDied, child_of
from analyzer.frontends.imported import LOAD_SECONDS
from analyzer.frontends.needed import require


@dataclass(frozen=True, slots=True)
class Exporter:
    """What writes one kind of file.

    Attributes:
        family: The child it runs in, ``tensorflow``, ``tflite``, ``torch`` or ``factory``.
        module: The module in the child, with a function ``export(path, out, **settings)``
            that writes `out` and returns what is to be noted, in sentences.
        needs: The packages that must be there.
        extra: The extras that bring them, as pip takes them.
    """

    family: str
    module: str
    needs: tuple[str, ...]
    extra: str


def export(
    path: str, out: Path, exporter: Exporter, settings: Mapping[str, Any]
) -> tuple[str, ...]:
    """Let a framework write a file, and return what is to be noted of it, in sentences.

    Args:
        path: What is to be written anew: the user's model, or a pivot.
        out: Where it goes; nothing else knows of it until this returns.
        exporter: Who writes it.
        settings: What else the exporter takes, as JSON can hold it.

    Raises:
        ExportError: It cannot say the model, or its framework fails.
        LoadError: A package is missing.
    """
    require(path, exporter.needs, exporter.extra)
    try:
        answer = child_of(exporter.family).ask(
            "export",
            seconds=LOAD_SECONDS,
            path=path,
            out=str(out),
            exporter=exporter.module,
            settings=dict(settings),
            folder=str(Path.cwd()),
        )
    except ChildDied as surprise:
        raise ExportError(
            f"{path}: its framework {surprise} while it wrote the repaired model",
            hint=surprise.hint or "write the repaired model with -o to an .onnx file",
        ) from surprise
    return tuple(answer["notes"])
