"""What is drawn or computed from a size alone."""

import math
from collections.abc import Callable

import tensorflow as tf

from rewriter.export.tensorflow_graph.operators.constants import dtype_of
from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.weights import Tensor

WINDOWS = {
    "BlackmanWindow": (0.42, -0.5, 0.08),
    "HammingWindow": (25 / 46, -21 / 46, 0.0),
    "HannWindow": (0.5, -0.5, 0.0),
}
"""Weights of the cosines of zero, one and two periods.

Source: the operator definitions in ONNX."""


@operator(*WINDOWS)
def window(call: Call) -> Tensor:
    """Return a window function's values."""
    size = tf.cast(tf.reshape(call.tensor(0), []), tf.float32)
    length = size if call.integer("periodic", 1) else size - 1
    angle = tf.range(size) * (2 * math.pi) / length
    flat, once, twice = WINDOWS[call.node.op_type]
    found = flat + once * tf.cos(angle) + twice * tf.cos(2 * angle)
    return tf.cast(found, dtype_of(call.integer("output_datatype", 1)))


def _drawn(call: Call, shape: Tensor, dtype: Tensor, draw: Callable[..., Tensor]) -> Tensor:
    call.scope.note("Its random numbers are TensorFlow's, not those of another runtime.")
    if draw is tf.random.normal:
        mean, scale = call.number("mean", 0.0), call.number("scale", 1.0)
        return tf.random.normal(shape, mean, scale, dtype)
    low, high = call.number("low", 0.0), call.number("high", 1.0)
    return tf.random.uniform(shape, low, high, dtype)


@operator("RandomNormal", "RandomUniform")
def drawn(call: Call) -> Tensor:
    """Return random numbers in a shape."""
    dtype = dtype_of(call.integer("dtype", 1))
    return _drawn(call, call.attribute("shape", []), dtype, _drawing(call))


@operator("RandomNormalLike", "RandomUniformLike")
def drawn_like(call: Call) -> Tensor:
    """Return random numbers in another tensor's shape."""
    number = call.integer("dtype", 0)
    dtype = dtype_of(number) if number else call.value(0).dtype
    return _drawn(call, tf.shape(call.tensor(0)), dtype, _drawing(call))


def _drawing(call: Call) -> Callable[..., Tensor]:
    normal = call.node.op_type.startswith("RandomNormal")
    return tf.random.normal if normal else tf.random.uniform  # type: ignore[no-any-return]


@operator("Bernoulli")
def bernoulli(call: Call) -> Tensor:
    """Return one with the probability that each element says, else zero."""
    x, number = call.tensor(0), call.integer("dtype", 0)
    call.scope.note("Its random numbers are TensorFlow's, not those of another runtime.")
    drawn = tf.random.uniform(tf.shape(x), dtype=tf.float32) < tf.cast(x, tf.float32)
    return tf.cast(drawn, dtype_of(number) if number else x.dtype)
