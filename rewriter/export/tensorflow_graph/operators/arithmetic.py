"""Operators of several inputs that broadcast."""

from collections.abc import Callable
from functools import reduce

import tensorflow as tf

from rewriter.export.tensorflow_graph.operators.elementwise import widely
from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value, aligned
from rewriter.export.tensorflow_graph.weights import Tensor

BROADCAST = {
    "Add": tf.add,
    "BitwiseAnd": tf.bitwise.bitwise_and,
    "BitwiseOr": tf.bitwise.bitwise_or,
    "BitwiseXor": tf.bitwise.bitwise_xor,
    "Equal": tf.equal,
    "Greater": tf.greater,
    "GreaterOrEqual": tf.greater_equal,
    "Less": tf.less,
    "LessOrEqual": tf.less_equal,
    "Mul": tf.multiply,
    "Sub": tf.subtract,
}
TRUTH = {"And": tf.logical_and, "Or": tf.logical_or, "Xor": tf.math.logical_xor}
MANY = {"Max": tf.maximum, "Mean": tf.add, "Min": tf.minimum, "Sum": tf.add}


def broadcast(call: Call, function: Callable[..., Tensor]) -> Value:
    """Return what a function makes of the first two inputs, broadcast.

    Args:
        call: The node with its inputs.
        function: From two tensors of one dtype to one.
    """
    tensors, order = aligned(call.value(0), call.value(1))
    return Value(widely(function, *tensors), order)


for _name, _function in {**BROADCAST, **TRUTH}.items():
    operator(_name)(lambda call, function=_function: broadcast(call, function))  # type: ignore[misc]


@operator(*MANY)
def many(call: Call) -> Value:
    """Return the sum, mean, maximum or minimum of any number of inputs."""
    values = [call.value(place) for place in range(len(call.inputs))]
    tensors, order = aligned(*values)
    function = MANY[call.node.op_type]
    total = reduce(lambda one, other: widely(function, one, other), tensors)
    mean = call.node.op_type == "Mean" and len(tensors) > 1
    return Value(total / tf.cast(len(tensors), total.dtype) if mean else total, order)


@operator("Div")
def div(call: Call) -> Value:
    """Return the quotient; of integers, rounded towards zero."""
    integers = call.value(0).dtype.is_integer
    return broadcast(call, tf.truncatediv if integers else tf.divide)


@operator("Mod")
def mod(call: Call) -> Value:
    """Return the remainder, with the sign of the divisor, or of the dividend as in C."""
    as_in_c = call.integer("fmod", 0)
    if as_in_c and call.value(0).dtype.is_floating:
        return broadcast(call, lambda x, y: x - y * _towards_zero(x / y))
    return broadcast(call, tf.truncatemod if as_in_c else tf.math.floormod)


def _towards_zero(x: Tensor) -> Tensor:
    return tf.sign(x) * tf.floor(tf.abs(x))


@operator("Pow")
def power(call: Call) -> Value:
    """Return the base to a power; the power may have another dtype."""
    tensors, order = aligned(call.value(0), call.value(1))
    base, exponent = tensors
    known = call.value(1).array
    if known is not None and known.size == 1 and known.reshape(-1)[0] == 2:  # noqa: PLR2004  # a square is cheaper
        return call.value(0).mapped(lambda x: widely(tf.multiply, x, x))
    if base.dtype.is_integer:
        wide = tf.pow(tf.cast(base, tf.float64), tf.cast(exponent, tf.float64))
        return Value(tf.cast(wide, base.dtype), order)
    return Value(tf.pow(base, tf.cast(exponent, base.dtype)), order)


@operator("BitShift")
def bit_shift(call: Call) -> Value:
    """Return unsigned integers shifted to one side."""
    left = call.text("direction", "LEFT") == "LEFT"
    function = tf.bitwise.left_shift if left else tf.bitwise.right_shift
    tensors, order = aligned(call.value(0), call.value(1))
    return Value(function(*tensors), order)


@operator("PRelu")
def prelu(call: Call) -> Value:
    """Return x, scaled by a slope of its own below zero."""
    (x, slope), order = aligned(call.value(0), call.value(1))
    if x.dtype.is_integer:
        return Value(widely(lambda a, b: tf.where(a > 0, a, a * b), x, slope), order)
    return Value(tf.nn.relu(x) - slope * tf.nn.relu(-x), order)


@operator("Where")
def where(call: Call) -> Value:
    """Return elements of one input where a condition holds, else of another."""
    tensors, order = aligned(call.value(0), call.value(1), call.value(2))
    return Value(tf.where(*tensors), order)
