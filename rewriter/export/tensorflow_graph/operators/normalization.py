"""Normalizations and what divides by a sum."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value, aligned, channels_last, valued
from rewriter.export.tensorflow_graph.weights import Tensor

FLAT_SOFTMAX_UNTIL = 13
"""Opset from which a softmax is over one axis, not over all axes from one on."""


@operator("BatchNormalization")
def batch_normalization(call: Call) -> Value:
    """Return x scaled and shifted by recorded statistics, one of each per channel."""
    if call.integer("training_mode", 0) or call.gives(1):
        raise call.refusal("is in training mode")
    scale, bias, mean, variance = (call.value(place) for place in range(1, 5))
    epsilon = call.number("epsilon", 1e-5)
    known = [one.array for one in (scale, bias, mean, variance)]
    if all(one is not None for one in known):
        return _scaled_and_shifted(call.value(0), known, epsilon)
    factor = scale.tensor / tf.sqrt(variance.tensor + epsilon)
    shift = bias.tensor - mean.tensor * factor
    return _per_channel(call.value(0), valued(factor), valued(shift))


def _scaled_and_shifted(value: Value, known: list[Tensor], epsilon: float) -> Value:
    """Return a normalization by known statistics, folded into one factor and one shift."""
    scale, bias, mean, variance = (np.asarray(one, np.float64) for one in known)
    factor = scale / np.sqrt(variance + epsilon)
    dtype = known[0].dtype
    shift = (bias - mean * factor).astype(dtype)
    return _per_channel(value, valued(factor.astype(dtype)), valued(shift))


def _per_channel(value: Value, factor: Value, shift: Value) -> Value:
    """Return x times a factor plus a shift, one of each per channel."""
    (x, by), order = aligned(value, _on_channels(factor, value.rank))
    scaled = Value(x * tf.cast(by, x.dtype), order)
    (x, plus), order = aligned(scaled, _on_channels(shift, value.rank))
    return Value(x + tf.cast(plus, x.dtype), order)


def _on_channels(value: Value, rank: int) -> Value:
    """Return one number per channel so that it broadcasts along the other axes."""
    sizes = [-1, *[1] * max(rank - 2, 0)]
    if value.array is not None:
        return valued(value.array.reshape(sizes))
    return valued(tf.reshape(value.tensor, sizes))


@operator("InstanceNormalization")
def instance_normalization(call: Call) -> Value:
    """Return x normalized per sample and channel, then scaled and shifted."""
    value = call.value(0)
    last = value.in_order(channels_last(value.rank))
    axes = list(range(1, value.rank - 1))
    mean, variance = tf.nn.moments(last, axes, keepdims=True)
    centred = (last - mean) * tf.math.rsqrt(variance + call.number("epsilon", 1e-5))
    result = centred * call.tensor(1) + call.tensor(2)
    return Value(result, channels_last(value.rank))


@operator("LayerNormalization")
def layer_normalization(call: Call) -> tuple[Tensor, ...]:
    """Return x normalized over its last axes, then scaled and shifted."""
    x = call.tensor(0)
    axis = call.integer("axis", -1) % len(x.shape)
    axes = list(range(axis, len(x.shape)))
    wide = tf.cast(x, tf.float32) if x.dtype in {tf.float16, tf.bfloat16} else x
    mean = tf.reduce_mean(wide, axes, keepdims=True)
    centred = wide - mean
    variance = tf.reduce_mean(centred * centred, axes, keepdims=True)
    inverse = tf.math.rsqrt(variance + call.number("epsilon", 1e-5))
    result = tf.cast(centred * inverse, x.dtype) * call.tensor(1)
    if call.has(2):
        result += call.tensor(2)
    return result, mean, inverse


@operator("MeanVarianceNormalization")
def mean_variance_normalization(call: Call) -> Value:
    """Return x less its mean, over its standard deviation, along some axes."""
    value = call.value(0)
    places = [value.place(axis) for axis in call.attribute("axes", [0, 2, 3])]
    x = value.as_stored()
    centred = x - tf.reduce_mean(x, places, keepdims=True)
    variance = tf.reduce_mean(centred * centred, places, keepdims=True)
    return Value(centred / (tf.sqrt(variance) + 1e-9), value.order)


@operator("LRN")
def lrn(call: Call) -> Value:
    """Return x divided by a power of the squares of its neighbour channels."""
    value, size = call.value(0), call.integer("size", 1)
    last = value.in_order(channels_last(value.rank))
    before = (size - 1) // 2
    ends = [[0, 0]] * (value.rank - 1) + [[before, size - 1 - before]]
    squares = tf.pad(last * last, ends)
    channels = last.shape[-1]
    total = tf.add_n([squares[..., n : n + channels] for n in range(size)])
    factor = call.number("alpha", 1e-4) / size
    base = call.number("bias", 1.0) + factor * total
    result = last / tf.pow(base, call.number("beta", 0.75))
    return Value(result, channels_last(value.rank))


@operator("LpNormalization")
def lp_normalization(call: Call) -> Value:
    """Return x divided by its norm along an axis; zero where that is zero."""
    value = call.value(0)
    place = value.place(call.integer("axis", -1))
    x = value.as_stored()
    if call.integer("p", 2) == 1:
        norm = tf.reduce_sum(tf.abs(x), place, keepdims=True)
    else:
        norm = tf.sqrt(tf.reduce_sum(x * x, place, keepdims=True))
    return Value(tf.math.divide_no_nan(x, norm), value.order)


def _along(function: Callable[[Tensor, int], Tensor]) -> Callable[[Call], Value]:
    """Return an operator over one axis, in old opsets over all axes from one on."""

    def spelled(call: Call) -> Value:
        value = call.value(0)
        if call.opset >= FLAT_SOFTMAX_UNTIL:
            place = value.place(call.integer("axis", -1))
            return Value(function(value.as_stored(), place), value.order)
        axis = call.integer("axis", 1) % max(value.rank, 1)
        if axis == value.rank - 1:
            return Value(function(value.as_stored(), value.place(axis)), value.order)
        x = value.tensor
        outer = tf.shape(x)[:axis]
        flat = function(tf.reshape(x, tf.concat([outer, [-1]], 0)), -1)
        result = tf.reshape(flat, tf.shape(x))
        result.set_shape(x.shape)
        return valued(result)

    return spelled


def _hardmax(x: Tensor, axis: int) -> Tensor:
    return tf.one_hot(tf.argmax(x, axis), x.shape[axis], axis=axis, dtype=x.dtype)


operator("Softmax")(_along(tf.nn.softmax))
operator("LogSoftmax")(_along(tf.nn.log_softmax))
operator("Hardmax")(_along(_hardmax))
