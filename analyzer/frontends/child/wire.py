"""What both ends of the pipe agree on: errors as JSON, arrays as files."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analyzer.core.errors import ExportError, LoadError, PivotfixError, RunError, UsageError
from analyzer.core.types import Array, Feeds

ERRORS = {kind.__name__: kind for kind in (ExportError, LoadError, UsageError)}


def error_as_json(error: PivotfixError) -> dict[str, Any]:
    """Return an error as what JSON can hold.

    Args:
        error: An `ExportError`, `LoadError`, `RunError` or `UsageError`.
    """
    words = {"kind": type(error).__name__, "problem": error.problem, "hint": error.hint}
    if not isinstance(error, RunError):
        return words
    return words | {"node": error.node, "loading": error.loading}


def error_from_json(words: Mapping[str, Any]) -> PivotfixError:
    """Return the error that `error_as_json` wrote down."""
    problem, hint = words["problem"], words["hint"]
    if words["kind"] in ERRORS:
        return ERRORS[words["kind"]](problem, hint=hint)
    return RunError(problem, hint=hint, node=words["node"], loading=words["loading"])


def write_arrays(file: Path, arrays: Iterable[Array]) -> None:
    """Write arrays of any dtype, by position.

    Args:
        file: The ``.npz`` to write.
        arrays: Any shapes. Objects are written as text, and what NumPy has no own dtype
            for (bfloat16) as float32.
    """
    named = {f"a{place}": _plain(value) for place, value in enumerate(arrays)}
    np.savez(file, allow_pickle=False, **named)


def _plain(value: Array) -> Array:
    if value.dtype == object:
        return value.astype(str)
    return value.astype(np.float32) if value.dtype.kind == "V" else value


def read_arrays(file: Path, names: Sequence[str]) -> Feeds:
    """Return the arrays of a file by name, given the names in the order of writing.

    Args:
        file: The ``.npz`` that `write_arrays` wrote.
        names: One name per array.
    """
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[f"a{place}"] for place, name in enumerate(names)}
