"""Operators on quantized tensors: integers that stand for numbers on a grid."""

from typing import Any

import torch
from onnx import TensorProto

from rewriter.export.torch_graph.call import Call
from rewriter.export.torch_graph.dtypes import ENDS, ONNX, dtype_of
from rewriter.export.torch_graph.operators.elementwise import converted, four_bit_floats
from rewriter.export.torch_graph.operators.windows import convolved
from rewriter.export.torch_graph.table import computes


def _along(grid: Any, x: Any, axis: int, block: int) -> Any:
    """Return scales or zero points in a shape that broadcasts to a tensor's.

    Args:
        grid: One number, one per index of an axis, or one per block of it.
        x: The tensor.
        axis: The axis.
        block: Elements of a block; 0 where there are none.
    """
    if block:
        return grid.repeat_interleave(block, axis).narrow(axis, 0, x.shape[axis])
    if grid.ndim == 0 or x.ndim == 0 or grid.numel() == 1:
        return grid.reshape(())
    shape = [1] * x.ndim
    shape[axis] = -1
    return grid.reshape(shape)


@computes("QuantizeLinear", "com.microsoft:QuantizeLinear")
def quantize(call: Call) -> Any:
    """Return the nearest integers of a grid, halves to even."""
    x, scale = call.tensor(0), call.tensor(1)
    axis, block = call.option("axis", 1), call.option("block_size", 0)
    axis = axis % x.ndim if x.ndim else 0
    code = _grid_code(call)
    dtype = dtype_of(code)
    if dtype is None:
        raise call.refusal("torch has no such integers")
    steps = x.to(scale.dtype) / _along(scale, x, axis, block)
    zero = _along(call.tensor(2), x, axis, block) if call.has(2) else None
    if code == TensorProto.FLOAT4E2M1:
        return four_bit_floats(steps)
    if dtype.is_floating_point:
        return converted(steps, dtype, saturate=bool(call.option("saturate", 1)))
    return on_grid(steps, zero, code)


def _grid_code(call: Call) -> int:
    """Return the element type of a QuantizeLinear's result, which ONNX numbers so."""
    given = call.option("output_dtype", 0)
    return int(given or (call.kind(2) if call.has(2) else TensorProto.UINT8))


def on_grid(steps: Any, zero: Any, code: int) -> Any:
    """Return steps as integers: rounded, shifted by the zero point, and kept in range.

    Args:
        steps: Floats of any shape.
        zero: What stands for zero, or None for 0.
        code: The element type as ONNX numbers it.
    """
    dtype = dtype_of(code)
    low, high = ENDS.get(code) or (torch.iinfo(dtype).min, torch.iinfo(dtype).max)
    rounded = torch.round(steps)
    moved = rounded if zero is None else rounded + zero.to(steps.dtype)
    return moved.clamp(low, high).to(dtype)


@computes("DequantizeLinear", "com.microsoft:DequantizeLinear")
def dequantize(call: Call) -> Any:
    """Return the numbers that integers of a grid stand for."""
    x, scale, zero = call.tensor(0), call.tensor(1), call.maybe(2)
    axis, block = call.option("axis", 1), call.option("block_size", 0)
    axis = axis % x.ndim if x.ndim else 0
    steps = x.to(scale.dtype)
    if zero is not None:
        steps = steps - _along(zero, x, axis, block).to(scale.dtype)
    found = steps * _along(scale, x, axis, block)
    code = call.option("output_dtype", 0)
    return found.to(dtype_of(code)) if code else found


@computes("DynamicQuantizeLinear")
def quantize_by_range(call: Call) -> tuple[Any, Any, Any]:
    """Return a tensor on a grid of 8 bits over its range, with the scale and zero point."""
    x = call.tensor(0)
    low, high = x.amin().clamp(max=0), x.amax().clamp(min=0)
    scale = (high - low) / 255
    zero = on_grid(-low / scale, None, TensorProto.UINT8)
    return on_grid(x / scale, zero, TensorProto.UINT8), scale, zero


def _centred(call: Call, slot: int, zero: int, axis: int) -> Any:
    """Return integers less their zero point, in floats that hold them and their sums."""
    x = call.tensor(slot).double()
    if not call.has(zero):
        return x
    shift = call.tensor(zero).double()
    return x - (shift.reshape(()) if shift.numel() == 1 else _beside(shift, x, axis))


def _beside(shift: Any, x: Any, axis: int) -> Any:
    if shift.ndim != 1:
        return shift
    return _along(shift, x, axis % x.ndim, 0)


@computes("MatMulInteger")
def integer_product(call: Call) -> Any:
    """Return an exact product of integer matrices, in int32."""
    one, other = _centred(call, 0, 2, -2), _centred(call, 1, 3, -1)
    return torch.matmul(one, other).to(torch.int32)


@computes("ConvInteger")
def integer_convolution(call: Call) -> Any:
    """Return an exact convolution of integers, in int32."""
    x, weight = _centred(call, 0, 2, 1), _centred(call, 1, 3, 0)
    return convolved(call, x, weight, None).to(torch.int32)


@computes("QLinearMatMul")
def quantized_product(call: Call) -> Any:
    """Return a product of quantized matrices, on a grid of its own."""
    one, other = _centred(call, 0, 2, -2), _centred(call, 3, 5, -1)
    scales = _side(call.tensor(1), -2, one.ndim) * _side(call.tensor(4), -1, other.ndim)
    factor = scales.double() / call.tensor(6).double()
    return _written(call, torch.matmul(one, other) * factor, 7)


def _side(scale: Any, axis: int, rank: int) -> Any:
    """Return one scale, or one per row or column, as it broadcasts to a product."""
    if scale.ndim != 1 or scale.numel() == 1:
        return scale if scale.ndim > 1 else scale.reshape(())
    shape = [1] * rank
    shape[axis] = -1
    return scale.reshape(shape)


@computes("QLinearConv")
def quantized_convolution(call: Call) -> Any:
    """Return a convolution of quantized tensors, on a grid of its own."""
    x, weight = _centred(call, 0, 2, 1), _centred(call, 3, 5, 0)
    bias = call.tensor(8).double() if call.has(8) else None
    found = convolved(call, x, weight, bias)
    scales = call.tensor(1).double() * call.tensor(4).double()
    factor = _side(scales, 1, found.ndim) / call.tensor(6).double()
    return _written(call, found * factor, 7)


def _written(call: Call, steps: Any, zero: int) -> Any:
    point = call.tensor(zero)
    return on_grid(steps, point, ONNX[point.dtype])
