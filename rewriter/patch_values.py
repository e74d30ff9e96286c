"""The fields of edits as JSON that says them whole, and back again."""

import base64
import zlib
from collections.abc import Mapping
from dataclasses import fields
from typing import cast, get_args

import numpy as np
import onnx

from analyzer.core.errors import UsageError
from analyzer.core.types import Edit

KINDS = {kind.__name__: kind for kind in get_args(Edit)}
"""Every edit by its name in a patch."""

BY_SLOT = "constants"
"""The field whose keys are slots; JSON has only words for keys."""


def encoded(edit: Edit) -> dict[str, object]:
    """Return an edit as a JSON object: its type and every field.

    Args:
        edit: Any edit.
    """
    values = {field.name: _encoded(getattr(edit, field.name)) for field in fields(edit)}
    return {"type": type(edit).__name__, **values}


def decoded(found: Mapping[str, object]) -> Edit:
    """Return the edit that a JSON object says.

    Args:
        found: What `encoded` returned, read again.

    Raises:
        UsageError: It says none.
    """
    kind = KINDS.get(str(found.get("type")))
    if kind is None:
        raise UsageError(
            f"a patch holds an edit of type {found.get('type')}, which is not known",
            hint="write the patch anew with this version: repair --patch FILE",
        )
    try:
        values = {
            field.name: _decoded(found[field.name], field.name) for field in fields(kind)
        }
    except (KeyError, TypeError, ValueError, zlib.error) as surprise:
        raise UsageError(
            f"a patch holds a {kind.__name__} that cannot be read: {surprise}",
            hint="write the patch anew with this version: repair --patch FILE",
        ) from surprise
    return cast("Edit", kind(**values))


def _encoded(value: object) -> object:  # noqa: PLR0911 - one a type
    match value:
        case np.ndarray() | np.generic():
            array = np.ascontiguousarray(value)
            about = {"dtype": array.dtype.name, "shape": list(np.shape(value))}
            return {"array": _packed(array.tobytes()), **about}
        case onnx.GraphProto():
            text = onnx.printer.to_text(value).splitlines()
            return {"graph": _packed(value.SerializeToString()), "text": text}
        case bytes():
            return {"bytes": _packed(value)}
        case Mapping():
            return {str(name): _encoded(one) for name, one in value.items()}
        case tuple():
            return [_encoded(one) for one in value]
        case float() if not np.isfinite(value):
            return {"float": repr(value)}
        case _:
            return value


def _decoded(value: object, field: str = "") -> object:  # noqa: PLR0911 - one a type
    match value:
        case {"array": str(packed), "dtype": str(dtype), "shape": list(shape)}:
            flat = np.frombuffer(_unpacked(packed), dtype=_dtype(dtype))
            return flat.reshape(shape).copy()
        case {"graph": str(packed)}:
            return onnx.GraphProto.FromString(_unpacked(packed))
        case {"bytes": str(packed)}:
            return _unpacked(packed)
        case {"float": str(word)}:
            return float(word)
        case dict() if field == BY_SLOT:
            return {int(name): _decoded(one) for name, one in value.items()}
        case dict():
            return {name: _decoded(one) for name, one in value.items()}
        case list():
            return tuple(_decoded(one) for one in value)
        case _:
            return value


def _dtype(name: str) -> np.dtype[np.generic]:
    """Return a dtype by name, those of fewer bits among them."""
    import ml_dtypes

    return np.dtype(getattr(ml_dtypes, name, name))


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode("ascii")


def _unpacked(word: str) -> bytes:
    return zlib.decompress(base64.b64decode(word, validate=True))
