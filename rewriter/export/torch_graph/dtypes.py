"""ONNX's element types as torch's, and arrays as tensors."""

from typing import Any

import numpy as np
import torch
from onnx import TensorProto, helper

from analyzer.core.types import Array

TORCH: dict[int, Any] = {
    TensorProto.BFLOAT16: torch.bfloat16,
    TensorProto.BOOL: torch.bool,
    TensorProto.COMPLEX64: torch.complex64,
    TensorProto.COMPLEX128: torch.complex128,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.FLOAT: torch.float32,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.FLOAT8E4M3FN: torch.float8_e4m3fn,
    TensorProto.FLOAT8E4M3FNUZ: torch.float8_e4m3fnuz,
    TensorProto.FLOAT8E5M2: torch.float8_e5m2,
    TensorProto.FLOAT8E5M2FNUZ: torch.float8_e5m2fnuz,
    TensorProto.FLOAT8E8M0: torch.float8_e8m0fnu,
    TensorProto.INT16: torch.int16,
    TensorProto.INT32: torch.int32,
    TensorProto.INT64: torch.int64,
    TensorProto.INT8: torch.int8,
    TensorProto.UINT16: torch.uint16,
    TensorProto.UINT32: torch.uint32,
    TensorProto.UINT64: torch.uint64,
    TensorProto.UINT8: torch.uint8,
}
"""Torch's dtype of each element type that both have."""

NARROW: dict[int, Any] = {
    TensorProto.FLOAT4E2M1: torch.float32,
    TensorProto.INT2: torch.int8,
    TensorProto.INT4: torch.int8,
    TensorProto.UINT2: torch.uint8,
    TensorProto.UINT4: torch.uint8,
}
"""Where what has fewer than eight bits lives: torch computes with nothing smaller."""

ENDS: dict[int, tuple[int, int]] = {
    TensorProto.INT2: (-2, 1),
    TensorProto.INT4: (-8, 7),
    TensorProto.UINT2: (0, 3),
    TensorProto.UINT4: (0, 15),
}
"""The smallest and the largest integer of those."""

ONNX = {dtype: code for code, dtype in TORCH.items()}

BITS = {1: torch.uint8, 2: torch.uint16}
"""What NumPy and torch both have, by bytes, for dtypes that only one of them has."""


def dtype_of(code: int) -> Any:
    """Return torch's dtype of an element type; None where it has none."""
    return TORCH.get(code) or NARROW.get(code)


def dtype_code(value: Any) -> int:
    """Return how ONNX numbers the dtype of a tensor or of an array."""
    if isinstance(value, torch.Tensor):
        return int(ONNX[value.dtype])
    if value.dtype == object:
        return int(TensorProto.INT64)
    return int(helper.np_dtype_to_tensor_dtype(value.dtype))


def as_tensor(array: Array) -> Any:
    """Return an array as a tensor; sizes that are symbols stay symbols.

    Args:
        array: Any shape; of dtype object where it holds symbols, which become int64.
    """
    if array.dtype == object:
        numbers = [torch.scalar_tensor(size, dtype=torch.int64) for size in array.flat]
        return torch.stack(numbers).reshape(array.shape)
    code = helper.np_dtype_to_tensor_dtype(array.dtype)
    if code in NARROW:
        return torch.from_numpy(array.astype(np.float32)).to(NARROW[code])
    if array.dtype.kind != "V" and not array.dtype.name.startswith(("float8", "bfloat")):
        return torch.from_numpy(np.array(array, order="C"))
    bits = np.array(array, order="C").view(f"u{array.dtype.itemsize}")
    return torch.from_numpy(bits).view(TORCH[code])


def as_array(tensor: Any) -> Array:
    """Return a tensor as an array of its shape and dtype."""
    whole = tensor.detach()
    if ONNX[whole.dtype] in {TensorProto.BFLOAT16, *EIGHT_BIT_FLOATS}:
        bits = whole.contiguous().view(BITS[whole.element_size()])
        return np.asarray(
            bits.numpy().view(helper.tensor_dtype_to_np_dtype(ONNX[whole.dtype]))
        )
    return np.asarray(whole.numpy())


EIGHT_BIT_FLOATS = frozenset({
    TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E4M3FNUZ, TensorProto.FLOAT8E5M2,
    TensorProto.FLOAT8E5M2FNUZ, TensorProto.FLOAT8E8M0,
})  # fmt: skip
