"""Products of matrices."""

import numpy as np
import tensorflow as tf

from rewriter.export.tensorflow_graph.operators.elementwise import NARROW
from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value, natural, valued
from rewriter.export.tensorflow_graph.weights import Tensor, constant


@operator("MatMul")
def matmul(call: Call) -> Value | Tensor:
    """Return the product of two stacks of matrices."""
    return product(call.value(0), call.value(1))


def product(left: Value, right: Value) -> Value | Tensor:
    """Return the product of two stacks of matrices, or with a vector on either side.

    Args:
        left: Its last axis is summed over.
        right: Its last but one axis is summed over.
    """
    if left.rank == right.rank == 1:
        return tf.reduce_sum(left.tensor * right.tensor)
    if left.rank == 1:
        wide = product(valued(tf.expand_dims(left.tensor, 0)), right)
        return tf.squeeze(valued(wide).tensor, [-2])
    if right.rank == 1:
        wide = product(left, valued(tf.expand_dims(right.tensor, 1)))
        return tf.squeeze(valued(wide).tensor, [-1])
    dtype = left.dtype
    one = (
        left.tensor
    )  # TensorFlow fails on a transposed one with a row added to the product
    other, turned = _operand(right)
    if dtype in NARROW:
        one, other = tf.cast(one, tf.int64), tf.cast(other, tf.int64)
    result = tf.matmul(one, other, transpose_b=turned)
    return tf.cast(result, dtype)


def _operand(value: Value) -> tuple[Tensor, bool]:
    """Return a stack of matrices, and whether they are stored transposed."""
    *outer, rows, columns = natural(value.rank)
    if value.array is None and value.order == (*outer, columns, rows):
        return value.stored, True
    return value.tensor, False


@operator("Gemm")
def gemm(call: Call) -> Value | Tensor:
    """Return alpha times a product of two matrices, plus beta times a third."""
    left, right = call.value(0), call.value(1)
    if call.integer("transA", 0):
        left = left.moved((1, 0))
    if call.integer("transB", 0):
        right = right.moved((1, 0))
    result = product(left, _scaled(right, call.number("alpha", 1.0)))
    if not call.has(2):
        return result
    added = _scaled(call.value(2), call.number("beta", 1.0))
    return valued(result).tensor + _row(added)


def _row(value: Value) -> Tensor:
    """Return what is added to a matrix, one row of it as one axis."""
    if value.rank != 2 or value.shape[0] != 1:  # noqa: PLR2004
        return value.tensor
    return value.tensor[0] if value.array is None else constant(value.array[0])


def _scaled(value: Value, factor: float) -> Value:
    if factor == 1:
        return value
    if value.array is not None:
        return valued(value.array * np.asarray(factor, value.array.dtype))
    return value.mapped(lambda x: x * tf.cast(factor, x.dtype))


@operator("Einsum")
def einsum(call: Call) -> Tensor:
    """Return a sum of products said by an equation."""
    tensors = [call.tensor(place) for place in range(len(call.inputs))]
    equation = call.text("equation", "").replace(" ", "")
    return tf.einsum(equation, *tensors)


@operator("Det")
def det(call: Call) -> Tensor:
    """Return the determinants of a stack of matrices."""
    return tf.linalg.det(call.tensor(0))
