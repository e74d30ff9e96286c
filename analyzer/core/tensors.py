"""Initializers as arrays: memory-mapped where the file holds them raw, never copied."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from analyzer.core.errors import LoadError
from analyzer.core.types import Array

RAW_DTYPES = frozenset(
    {
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.UINT8,
        onnx.TensorProto.INT8,
        onnx.TensorProto.UINT16,
        onnx.TensorProto.INT16,
        onnx.TensorProto.INT32,
        onnx.TensorProto.INT64,
        onnx.TensorProto.BOOL,
        onnx.TensorProto.FLOAT16,
        onnx.TensorProto.DOUBLE,
        onnx.TensorProto.UINT32,
        onnx.TensorProto.UINT64,
        onnx.TensorProto.COMPLEX64,
        onnx.TensorProto.COMPLEX128,
    }
)
"""Element types whose raw bytes are a NumPy array as they stand; bfloat16, float8 and the
four-bit types go through onnx's own reader."""


def is_external(tensor: onnx.TensorProto) -> bool:
    """Return whether the tensor's values stand in another file."""
    return tensor.data_location == onnx.TensorProto.EXTERNAL


def external_location(tensor: onnx.TensorProto) -> tuple[str, int, int]:
    """Return an external tensor's file, byte offset and byte length; -1: to the end."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    return (
        entries.get("location", ""),
        int(entries.get("offset", 0)),
        int(entries.get("length", -1)),
    )


def outside(name: str, value: Array) -> onnx.TensorProto:
    """Return an initializer whose values the caller holds: it points at no file there is.

    Args:
        name: Its name.
        value: Array of a dtype that ONNX has.
    """
    tensor = onnx.TensorProto(name=name, dims=value.shape)
    tensor.data_type = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    where = {"location": "held by the caller", "offset": 0, "length": value.nbytes}
    for key, entry in where.items():
        tensor.external_data.add(key=key, value=str(entry))
    return tensor


def dtype_name(elem_type: int) -> str:
    """Return the NumPy dtype name of an ONNX element type, ``string`` or ``unknown``."""
    if elem_type == onnx.TensorProto.STRING:
        return "string"
    try:
        return str(onnx.helper.tensor_dtype_to_np_dtype(elem_type))
    except (KeyError, ValueError):
        return "unknown"


@lru_cache(maxsize=64)
def np_dtype(elem_type: int) -> np.dtype[Any]:
    """Return the NumPy dtype of an ONNX element type."""
    return onnx.helper.tensor_dtype_to_np_dtype(elem_type)


def tensor_value(tensor: onnx.TensorProto, folder: Path) -> Array:
    """Return the values of an initializer, memory-mapped where possible.

    Args:
        tensor: An initializer or the value of a Constant node.
        folder: The folder external locations are relative to.

    Returns:
        An array of the tensor's own shape and dtype; read-only where it is mapped.

    Raises:
        LoadError: The external file is missing or too short.
    """
    external = is_external(tensor)
    if tensor.data_type not in RAW_DTYPES or not (external or tensor.HasField("raw_data")):
        base = str(folder) if external else ""
        return np.asarray(numpy_helper.to_array(tensor, base_dir=base))
    if not external:
        dtype = np_dtype(tensor.data_type)
        return np.frombuffer(tensor.raw_data, dtype).reshape(tensor.dims[:])
    location, offset, _ = external_location(tensor)
    dtype = np_dtype(tensor.data_type)
    shape = tuple(tensor.dims)
    count = int(np.prod(shape, dtype=np.int64))
    whole = _current(folder / location)
    size = count * dtype.itemsize
    if offset + size > whole.size:
        raise LoadError(
            f"{folder / location} ends before the values of initializer {tensor.name}",
            hint="restore the model's external data file beside it",
        )
    return whole[offset : offset + size].view(dtype).reshape(shape)


def _current(path: Path) -> Array:
    """Return a file's bytes as they are now: the file may have been written anew."""
    try:
        state = path.stat()
        return _mapped(path, state.st_ino, state.st_size, state.st_mtime_ns)
    except (OSError, ValueError) as surprise:
        raise LoadError(
            f"{path} holds external weights but cannot be read ({surprise})",
            hint="put the model's external data file back beside it",
        ) from surprise


@lru_cache(maxsize=64)
def _mapped(path: Path, *state: int) -> Array:
    """Return a file's bytes, mapped once a state: thousands of weights share them."""
    del state
    return np.memmap(path, dtype=np.uint8, mode="r")
