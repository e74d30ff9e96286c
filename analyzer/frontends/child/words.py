"""What a framework's failure is called in one sentence."""

from collections.abc import Callable
from typing import TypeVar

from analyzer.core.errors import LoadError

SURPRISE_LENGTH = 300
"""Characters of a framework's complaint that are passed on; some print whole graphs."""

Result = TypeVar("Result")


def one_line(surprise: BaseException) -> str:
    """Return an exception as one short line: its kind, and the first line it says."""
    lines = [line.strip() for line in str(surprise).splitlines() if line.strip()]
    said = f"{type(surprise).__name__}: {lines[0]}" if lines else type(surprise).__name__
    return said if len(said) <= SURPRISE_LENGTH else said[:SURPRISE_LENGTH] + " …"


def converted(path: str, tool: str, convert: Callable[[], Result]) -> Result:
    """Return what a converter makes, its failure told apart from the framework's own.

    Args:
        path: The model, as the user gave it.
        tool: The converter.
        convert: Calls it.

    Raises:
        LoadError: It fails, in whatever way.
    """
    try:
        return convert()
    except LoadError:
        raise
    except Exception as surprise:  # a converter may raise anything at all
        raise LoadError(
            f"{path} can be read, but {tool} does not convert it ({one_line(surprise)})",
            hint=f"try another release of {tool}, or give an .onnx export of the model",
        ) from surprise
