"""Attention: scores, mask, softmax and the values they weigh."""

import math

import tensorflow as tf

from rewriter.export.tensorflow_graph.operators.shaping import reshaped, size_of
from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value, valued
from rewriter.export.tensorflow_graph.weights import Tensor

MASKED, WEIGHTS = 2, 3
"""What the last output is besides the scores, by the node's number for it."""

FLAT = 3
"""Rank of heads that lie one behind the other in the last axis."""


@operator("Attention")
def attention(call: Call) -> tuple[Tensor | Value, ...]:
    """Return values weighed by the softmax of queries times keys, and the keys held."""
    flat = call.value(0).rank == FLAT
    heads = call.integer("q_num_heads", 0), call.integer("kv_num_heads", 0)
    query = _headed(call.value(0), heads[0])
    key, value = (_headed(call.value(place), heads[1]) for place in (1, 2))
    if call.has(4):
        key = tf.concat([call.tensor(4), key], 2)
        value = tf.concat([call.tensor(5), value], 2)
    held = key, value
    times = query.shape[1] // key.shape[1]
    if times > 1:
        key, value = tf.repeat(key, times, 1), tf.repeat(value, times, 1)
    scores = _scores(call, query, key)
    mask = _mask(call, scores)
    masked = scores if mask is None else scores + mask
    weights = _softmax(masked, mask)
    result = tf.matmul(tf.cast(weights, value.dtype), value)
    shown = {MASKED: masked, WEIGHTS: weights}
    picked = shown.get(call.integer("qk_matmul_output_mode", 0), scores)
    return _together(result) if flat else result, *held, tf.cast(picked, query.dtype)


def _headed(value: Value, heads: int) -> Tensor:
    """Return batch, heads, steps and features, of either layout."""
    if value.rank != FLAT:
        return value.tensor
    batch, steps, width = (size_of(value, axis) for axis in range(FLAT))
    return tf.transpose(
        reshaped(value, [batch, steps, heads, width // heads]), [0, 2, 1, 3]
    )


def _together(x: Tensor) -> Tensor:
    """Return heads one behind the other in the last axis."""
    turned = valued(tf.transpose(x, [0, 2, 1, 3]))
    batch, steps = size_of(turned, 0), size_of(turned, 1)
    return reshaped(turned, [batch, steps, x.shape[1] * x.shape[3]])


def _scores(call: Call, query: Tensor, key: Tensor) -> Tensor:
    """Return the products of queries and keys, capped where a cap is."""
    scale = call.number("scale", 0.0) or 1 / math.sqrt(query.shape[-1])
    root = tf.cast(math.sqrt(scale), query.dtype)
    products = tf.matmul(query * root, key * root, transpose_b=True)
    cap = call.number("softcap", 0.0)
    return cap * tf.tanh(products / cap) if cap else products


def _mask(call: Call, scores: Tensor) -> Tensor:
    """Return what is added to the scores: minus infinity where nothing may be seen."""
    parts = []
    if call.has(3):
        parts.append(_widened(_added(call.tensor(3), scores.dtype), scores))
    places = tf.range(tf.shape(scores)[-1])
    ahead = places[None, :] - tf.range(tf.shape(scores)[-2])[:, None] - _past(call, scores)
    if call.integer("is_causal", 0):
        parts.append(_added(ahead <= 0, scores.dtype))
    left, right = (
        call.integer("left_window_size", -1),
        call.integer("right_window_size", -1),
    )
    if left >= 0:
        parts.append(_added(ahead >= -left, scores.dtype))
    if right >= 0:
        parts.append(_added(ahead <= right, scores.dtype))
    if call.has(6):
        parts.append(_added(places < _lengths(call), scores.dtype))
    return sum(parts[1:], parts[0]) if parts else None


def _past(call: Call, scores: Tensor) -> Tensor:
    """Return how many keys stand before the first query, per sample where they differ."""
    if call.has(4):
        return tf.shape(call.tensor(4))[2]
    return _lengths(call) - tf.shape(scores)[-2] if call.has(6) else 0


def _lengths(call: Call) -> Tensor:
    return tf.reshape(tf.cast(call.tensor(6), tf.int32), [-1, 1, 1, 1])


def _added(mask: Tensor, dtype: Tensor) -> Tensor:
    """Return a mask as what is added to scores."""
    if mask.dtype != tf.bool:
        return tf.cast(mask, dtype)
    return tf.where(mask, tf.cast(0, dtype), tf.cast(-math.inf, dtype))


def _widened(mask: Tensor, scores: Tensor) -> Tensor:
    """Return a mask as long as the keys; what it does not reach is not looked at."""
    size, width = scores.shape[-1], mask.shape[-1]
    if size is None or width is None or width in {size, 1}:
        return mask
    ends = [[0, 0]] * (len(mask.shape) - 1) + [[0, size - width]]
    return tf.pad(mask, ends, constant_values=tf.cast(-math.inf, mask.dtype))


def _softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Return weights, zero where a query may see nothing at all."""
    wide = tf.cast(scores, tf.float32) if scores.dtype.size == 2 else scores  # noqa: PLR2004
    weights = tf.nn.softmax(wide)
    if mask is None:
        return weights
    blind = tf.equal(tf.reduce_max(mask, -1, keepdims=True), -math.inf)
    return tf.where(blind, tf.zeros_like(weights), weights)
