"""Edits as JSON objects, their arrays kept apart under their digest."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields

import numpy as np
import onnx

from analyzer.core.report import Report
from analyzer.core.types import Array, Edit, TryVerdict

MOST_NUMBERS = 8
"""Larger arrays are shown by dtype and shape alone."""


def edit_arrays(report: Report) -> dict[str, Array]:
    """Return every array of the report's fixes by digest, as ``edits.npz`` holds them.

    Dtypes and shapes are the edits' own; a graph is its serialized bytes, uint8.

    Args:
        report: What a run found.
    """
    fixes = (finding.fix for finding in report.findings)
    edits = (edit for fix in fixes if fix is not None for edit in fix.edits)
    return {digest(array): array for edit in edits for array in _arrays(edit)}


def edit_object(edit: Edit) -> dict[str, object]:
    """Return an edit as ``report.json`` shows it: its type and its fields.

    Args:
        edit: Any edit; its arrays become references by digest.
    """
    values = {field.name: value_object(getattr(edit, field.name)) for field in fields(edit)}
    return {"type": type(edit).__name__, **values}


def value_object(value: object) -> object:
    """Return a field of an edit in JSON's terms, an array or graph by its digest.

    Args:
        value: Any value an edit may hold; arrays of any shape and dtype.
    """
    match value:
        case np.ndarray():
            reference = {"dtype": str(value.dtype), "shape": list(value.shape)}
            return {"sha256": digest(value), **reference}
        case onnx.GraphProto():
            return {"sha256": digest(_serialized(value)), "graph": value.name}
        case bytes():
            return {"base64": base64.b64encode(value).decode("ascii")}
        case Mapping():
            return {str(name): value_object(one) for name, one in value.items()}
        case tuple():
            return [value_object(one) for one in value]
        case _:
            return value


def digest(array: Array) -> str:
    """Return the SHA-256 of an array's dtype, shape and bytes in C order, hexadecimal.

    Args:
        array: Any shape and dtype.
    """
    header = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(header + np.ascontiguousarray(array).tobytes()).hexdigest()


def _arrays(value: object) -> Iterator[Array]:
    """Yield the arrays that an edit, or a field of it, refers to."""
    match value:
        case np.ndarray():
            yield value
        case onnx.GraphProto():
            yield _serialized(value)
        case Mapping():
            for one in value.values():
                yield from _arrays(one)
        case _ if hasattr(value, "__dataclass_fields__"):
            for name in value.__dataclass_fields__:
                yield from _arrays(getattr(value, name))
        case _:
            return


def _serialized(graph: onnx.GraphProto) -> Array:
    return np.frombuffer(graph.SerializeToString(deterministic=True), dtype=np.uint8)


def edit_lines(report: Report) -> tuple[str, ...]:
    """Return a line per edit of each fix that was kept, under the finding it is for.

    Args:
        report: What a repair found; nothing was kept where it has no outcomes.
    """
    return tuple(
        f"  {finding.rule}: {edit_line(edit)}"
        for finding in report.findings
        if finding.fix is not None
        and finding.outcome is not None
        and finding.outcome.verdict is TryVerdict.KEPT
        for edit in finding.fix.edits
    )


def edit_line(edit: Edit) -> str:
    """Return an edit in words: its type, then field by field, arrays by dtype and shape.

    Args:
        edit: Any edit.
    """
    parts = (f"{field.name} {_shown(getattr(edit, field.name))}" for field in fields(edit))
    return f"{type(edit).__name__} {', '.join(parts)}"


def _shown(value: object) -> str:
    match value:
        case np.ndarray() if value.size > MOST_NUMBERS:
            return f"{value.dtype} of shape {list(value.shape)}"
        case np.ndarray():
            return f"{value.dtype} {value.tolist()}"
        case onnx.GraphProto():
            return f"a graph of {len(value.node)} nodes"
        case Mapping():
            return str({name: _shown(one) for name, one in value.items()})
        case _:
            return str(value)
