"""Quantized operators, said in plain arithmetic."""

import numpy as np
import tensorflow as tf

from rewriter.export.tensorflow_graph.operators.constants import dtype_of
from rewriter.export.tensorflow_graph.operators.convolution import convolved
from rewriter.export.tensorflow_graph.operators.matrix import product
from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value, aligned, valued
from rewriter.export.tensorflow_graph.weights import Tensor

NOTE = (
    "Its quantization is computed in floats: the numbers are those of the quantized model, "
    "the kernels are not."
)

FEW_BITS = {"int2": np.int8, "int4": np.int8, "uint2": np.uint8, "uint4": np.uint8}


def _spread(call: Call, value: Value, place: int) -> Value:
    """Return a scale or zero point so that it broadcasts: per axis, or per block."""
    found = call.value(place)
    axis = call.integer("axis", 1) % max(value.rank, 1)
    if found.rank == 0 or found.shape == (1,):
        return found if found.rank == 0 else _reshaped(found, [])
    if found.rank == 1:
        sizes = [-1 if one == axis else 1 for one in range(value.rank)]
        return _reshaped(found, sizes)
    block = call.integer("block_size", 0)
    size = value.shape[axis]
    repeated = tf.repeat(found.tensor, block, axis) if block else found.tensor
    return valued(tf.gather(repeated, range(int(size or 0)), axis=axis))


def _reshaped(value: Value, sizes: list[int]) -> Value:
    if value.array is not None:
        return valued(value.array.reshape(sizes))
    return valued(tf.reshape(value.tensor, sizes))


@operator("QuantizeLinear")
def quantize_linear(call: Call) -> Value:
    """Return x over its scale, rounded, moved by the zero point, in its integers."""
    call.scope.note(NOTE)
    value = call.value(0)
    (x, scale), order = aligned(value, _spread(call, value, 1))
    dtype = tf.uint8
    if call.integer("output_dtype", 0):
        dtype = dtype_of(call.integer("output_dtype", 0))
    if call.has(2):
        dtype = call.value(2).dtype
    scaled = tf.cast(x, scale.dtype) / scale
    if dtype.is_floating:
        return Value(tf.cast(scaled, dtype), order)
    rounded = Value(tf.round(scaled), order)
    if call.has(2) and not _is_zero(call.value(2)):
        (x, zero), order = aligned(rounded, _spread(call, value, 2))
        rounded = Value(x + tf.cast(zero, x.dtype), order)
    return rounded.mapped(lambda x: saturated(x, dtype))


def _is_zero(value: Value) -> bool:
    return value.array is not None and not value.array.any()


def saturated(x: Tensor, dtype: Tensor) -> Tensor:
    """Return whole floats as integers, at the ends of the dtype where they are outside.

    Args:
        x: Whole numbers in a float dtype.
        dtype: An integer dtype.
    """
    low, high = (tf.cast(float(end), x.dtype) for end in (dtype.min, dtype.max))
    return tf.cast(tf.minimum(tf.maximum(x, low), high), dtype)


@operator("DequantizeLinear")
def dequantize_linear(call: Call) -> Value:
    """Return integers less the zero point, times the scale."""
    call.scope.note(NOTE)
    value = _whole_bytes(call.value(0))
    scale = _spread(call, value, 1)
    shifted = value.mapped(lambda x: _wide(x, scale.dtype))
    if call.has(2) and not _is_zero(_whole_bytes(call.value(2))):
        (x, zero), order = aligned(shifted, _spread(call, value, 2))
        shifted = Value(x - tf.cast(zero, x.dtype), order)
    (x, by), order = aligned(shifted, scale)
    return Value(tf.cast(x, by.dtype) * by, order)


def _whole_bytes(value: Value) -> Value:
    """Return known integers of two or four bits as bytes, which TensorFlow can cast."""
    if value.array is None or value.array.dtype.name not in FEW_BITS:
        return value
    return valued(value.array.astype(FEW_BITS[value.array.dtype.name]))


def _wide(x: Tensor, dtype: Tensor) -> Tensor:
    """Return integers as floats; of 32 bits first as doubles, which hold them all."""
    if x.dtype in {tf.int32, tf.uint32} and dtype == tf.float32:
        return tf.cast(x, tf.float64)
    return tf.cast(x, dtype)


@operator("DynamicQuantizeLinear")
def dynamic_quantize_linear(call: Call) -> tuple[Value | Tensor, ...]:
    """Return x in unsigned bytes, and the scale and zero point its range gives."""
    x = call.value(0).as_stored()
    low, high = tf.minimum(tf.reduce_min(x), 0), tf.maximum(tf.reduce_max(x), 0)
    scale = (high - low) / 255
    scale = tf.where(tf.equal(scale, 0), tf.ones_like(scale), scale)
    zero = tf.round(tf.clip_by_value(-low / scale, 0, 255))
    quantized = saturated(tf.round(x / scale) + zero, tf.uint8)
    return Value(quantized, call.value(0).order), scale, tf.cast(zero, tf.uint8)


def _exact(call: Call) -> Tensor:
    """Return the float dtype that holds a sum of products of bytes."""
    return tf.float32 if call.scope.lite else tf.float64


def _centred(call: Call, place: int, zero: int, axis: int | None) -> Value:
    """Return integers less their zero point, as floats.

    Args:
        call: The node.
        place: Of the integers among its inputs.
        zero: Of their zero point.
        axis: Along which a zero point of several numbers lies.
    """
    value = call.value(place)
    wide = value.mapped(lambda x: tf.cast(x, _exact(call)))
    if not call.has(zero) or _is_zero(call.value(zero)):
        return wide
    point = call.value(zero)
    if point.rank == 1 and point.shape != (1,) and axis is not None:
        around = [-1 if one == axis % value.rank else 1 for one in range(value.rank)]
        point = _reshaped(point, around)
    elif point.rank == 1:
        point = _reshaped(point, [])
    (x, by), order = aligned(wide, point)
    return Value(x - tf.cast(by, x.dtype), order)


@operator("ConvInteger")
def conv_integer(call: Call) -> Value:
    """Return a convolution of bytes in 32 bits."""
    call.scope.note(NOTE)
    x, w = _centred(call, 0, 2, None), _centred(call, 1, 3, 0)
    return convolved(call, x, _folded(w), None).mapped(lambda x: tf.cast(x, tf.int32))


def _folded(value: Value) -> Value:
    """Return a computed value as an array where its tensor is a constant."""
    known = tf.get_static_value(value.stored) if value.array is None else None
    return value if known is None else Value(np.asarray(known), value.order)


@operator("MatMulInteger")
def matmul_integer(call: Call) -> Value:
    """Return a product of matrices of bytes in 32 bits."""
    call.scope.note(NOTE)
    left, right = _centred(call, 0, 2, -2), _centred(call, 1, 3, -1)
    return valued(product(left, right)).mapped(lambda x: tf.cast(x, tf.int32))


@operator("QLinearMatMul")
def qlinear_matmul(call: Call) -> Value:
    """Return a product of quantized matrices, quantized again."""
    call.scope.note(NOTE)
    total = valued(product(_centred(call, 0, 2, -2), _centred(call, 3, 5, -1)))
    scale = call.tensor(1), call.tensor(4), call.tensor(6)
    return _requantized(call, total, scale, call.tensor(7))


@operator("QLinearConv")
def qlinear_conv(call: Call) -> Value:
    """Return a convolution of quantized tensors, quantized again."""
    call.scope.note(NOTE)
    x, w = _centred(call, 0, 2, None), _folded(_centred(call, 3, 5, 0))
    total = convolved(call, x, w, None)
    around = [-1, *[1] * (x.rank - 2)]
    if call.has(8):
        (a, b), order = aligned(total, _reshaped(call.value(8), around))
        total = Value(a + tf.cast(b, a.dtype), order)
    weight = call.value(4)
    by = weight.tensor if weight.rank == 0 else tf.reshape(weight.tensor, around)
    return _requantized(call, total, (call.tensor(1), by, call.tensor(6)), call.tensor(7))


def _requantized(
    call: Call, total: Value, scales: tuple[Tensor, Tensor, Tensor], zero: Tensor
) -> Value:
    """Return sums of products of integers in the integers of the output."""
    left, right, out = (tf.cast(one, _exact(call)) for one in scales)
    (x, by), order = aligned(total, valued(left * right / out))
    moved = tf.round(x * by) + tf.cast(zero, x.dtype)
    return Value(saturated(moved, zero.dtype), order)
