"""Poolings: channels last where TensorFlow has a kernel, window by window where not."""

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from rewriter.export.tensorflow_graph.operators.elementwise import widely
from rewriter.export.tensorflow_graph.operators.window import Window, padded, window
from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value, channels_last, valued
from rewriter.export.tensorflow_graph.weights import Tensor

PLANE = 4
"""Rank of an image with batch and channels."""


@operator("MaxPool")
def max_pool(call: Call) -> Value | tuple[Value | Tensor, ...]:
    """Return the largest element of each window, and where it stands if asked."""
    value = call.value(0)
    seen = window(call, value, call.attribute("kernel_shape", []))
    if call.gives(1):
        return _with_places(call, value, seen)
    if value.rank == PLANE and max(seen.dilations) == 1 and value.dtype.is_floating:
        last = value.in_order(channels_last(PLANE))
        tensor, padding = padded(last, seen, value.dtype.min)
        pooled = tf.nn.max_pool2d(tensor, seen.kernel, seen.strides, padding)
        return Value(pooled, channels_last(PLANE))
    least = -math.inf if value.dtype.is_floating else value.dtype.min
    parts = windows(value, seen, least)
    return valued(widely(lambda x: tf.reduce_max(x, -1), parts))


def _with_places(call: Call, value: Value, seen: Window) -> tuple[Value | Tensor, Tensor]:
    """Return maxima, and their places counted over the whole input."""
    if None in value.shape:
        raise call.refusal("tells the places of maxima in an input of unknown size")
    shape = [int(size or 0) for size in value.shape]
    spatial = shape[2:]
    backwards = call.integer("storage_order", 0)
    places = np.arange(math.prod(spatial), dtype=np.int64)
    grid = places.reshape(spatial[::-1]).T if backwards else places.reshape(spatial)
    firsts = np.arange(shape[0] * shape[1], dtype=np.int64) * math.prod(spatial)
    whole = firsts.reshape(*shape[:2], *[1] * len(spatial)) + grid
    least = value.dtype.min if not value.dtype.is_floating else -math.inf
    parts = windows(value, seen, least)
    numbers = windows(valued(whole), seen, -1)
    wide = tf.cast(parts, tf.int64) if value.dtype.is_integer else parts
    chosen = tf.argmax(wide, -1)
    return tf.reduce_max(parts, -1), tf.gather(numbers, chosen, batch_dims=value.rank)


@operator("AveragePool")
def average_pool(call: Call) -> Value:
    """Return the mean of each window, the padding counted or not."""
    value = call.value(0)
    seen = window(call, value, call.attribute("kernel_shape", []))
    counted = call.integer("count_include_pad", 0)
    bare = seen.pads is not None and not any(map(any, seen.pads))
    plain = value.rank == PLANE and max(seen.dilations) == 1
    if plain and (bare or (seen.same and not counted)):
        last = value.in_order(channels_last(PLANE))
        word = "VALID" if bare else "SAME"
        pooled = tf.nn.avg_pool2d(last, seen.kernel, seen.strides, word)
        return Value(pooled, channels_last(PLANE))
    if seen.pads is None:
        raise call.refusal("averages over a padding of unknown size")
    ones = _weights(call, value, seen)
    if plain:
        return _averaged(value, seen, ones)
    total = tf.reduce_sum(windows(value, seen, 0), -1)
    return valued(total / tf.cast(ones, total.dtype))


def _weights(call: Call, value: Value, seen: Window) -> Tensor:
    """Return how many elements each window counts, batch and channels of size 1."""
    if None in value.shape[2:]:
        raise call.refusal("averages over the edges of an input of unknown size")
    inside = np.ones((1, 1, *(size or 0 for size in value.shape[2:])), np.float32)
    if call.integer("count_include_pad", 0):
        spatial = value.rank - 2
        flat = call.attribute("pads", [0] * 2 * spatial)
        own = list(zip(flat[:spatial], flat[spatial:], strict=True))
        if call.text("auto_pad", "NOTSET") != "NOTSET":
            own = seen.pads or own
        inside = np.pad(inside, [(0, 0), (0, 0), *own], constant_values=1)
        pads = [
            (all_b - b, all_e - e)
            for (all_b, all_e), (b, e) in zip(seen.pads or [], own, strict=True)
        ]
        seen = Window(seen.kernel, seen.strides, seen.dilations, pads, same=False)
    with tf.init_scope():
        counts = tf.reduce_sum(windows(valued(inside), seen, 0), -1)
        return np.asarray(counts)


def _averaged(value: Value, seen: Window, counts: Tensor) -> Value:
    """Return the mean over a padded image, corrected by how many elements count."""
    plain = Window(seen.kernel, seen.strides, seen.dilations, seen.pads, same=False)
    tensor, word = padded(value.in_order(channels_last(PLANE)), plain, 0)
    pooled = tf.nn.avg_pool2d(tensor, seen.kernel, seen.strides, word)
    factor = math.prod(seen.kernel) / np.transpose(counts, channels_last(PLANE))
    if np.all(factor == 1):
        return Value(pooled, channels_last(PLANE))
    return Value(pooled * tf.cast(factor, pooled.dtype), channels_last(PLANE))


@operator("LpPool")
def lp_pool(call: Call) -> Tensor:
    """Return the norm of each window."""
    value, p = call.value(0), call.integer("p", 2)
    seen = window(call, value, call.attribute("kernel_shape", []))
    parts = windows(value, seen, 0)
    return tf.pow(tf.reduce_sum(tf.pow(tf.abs(parts), p), -1), 1 / p)


def windows(value: Value, seen: Window, filling: float) -> Tensor:
    """Return the elements of each window along a last axis.

    Args:
        value: Batch, channels, then the spatial axes; these of known size.
        seen: The window.
        filling: What stands in the padding.
    """
    tensor = value.tensor
    if any(map(any, seen.pads or [])):
        ends = [(0, 0), (0, 0), *(seen.pads or [])]
        tensor = tf.pad(tensor, ends, constant_values=tf.cast(filling, tensor.dtype))
    spatial = value.rank - 2
    for axis in reversed(range(spatial)):
        size = tensor.shape[axis + 2]
        count = (size - seen.extents[axis]) // seen.strides[axis] + 1
        starts = np.arange(count)[:, None] * seen.strides[axis]
        steps = np.arange(seen.kernel[axis]) * seen.dilations[axis]
        tensor = tf.gather(tensor, starts + steps, axis=axis + 2)
    places = [
        0,
        1,
        *(2 + 2 * n for n in range(spatial)),
        *(3 + 2 * n for n in range(spatial)),
    ]
    turned = tf.transpose(tensor, places)
    outer = [-1 if one is None else one for one in turned.shape[: spatial + 2]]
    return tf.reshape(turned, [*outer, math.prod(seen.kernel)])


def _overall(reduction: Callable[..., Tensor]) -> Callable[[Call], Value]:
    def pooled(call: Call) -> Value:
        value = call.value(0)
        places = [value.place(axis) for axis in range(2, value.rank)]
        return Value(reduction(value.as_stored(), places, keepdims=True), value.order)

    return pooled


operator("GlobalAveragePool")(_overall(tf.reduce_mean))
operator("GlobalMaxPool")(_overall(tf.reduce_max))


@operator("GlobalLpPool")
def global_lp_pool(call: Call) -> Value:
    """Return the norm over all spatial axes."""
    value, p = call.value(0), call.integer("p", 2)
    places = [value.place(axis) for axis in range(2, value.rank)]
    total = tf.reduce_sum(tf.pow(tf.abs(value.as_stored()), p), places, keepdims=True)
    return Value(tf.pow(total, 1 / p), value.order)


@operator("MaxUnpool")
def max_unpool(call: Call) -> Tensor:
    """Return maxima put back where they stood, zero elsewhere."""
    value, places = call.value(0), call.tensor(1)
    if call.has(2):
        sizes = [int(size) for size in call.array(2)]
    else:
        sizes = [int(size or 0) for size in value.shape[:2]]
        sizes += [_unpooled(call, value, axis) for axis in range(value.rank - 2)]
    own = [int(size or 0) for size in value.shape]
    inner = [_unpooled(call, value, axis) for axis in range(value.rank - 2)]
    if inner != sizes[2:]:  # the places count in the smaller output
        places = _moved(places, [*own[:2], *inner], sizes)
    flat = tf.reshape(places, [-1, 1])
    filled = tf.scatter_nd(
        flat, tf.reshape(value.tensor, [-1]), tf.constant([math.prod(sizes)], tf.int64)
    )
    return tf.reshape(filled, sizes)


def _unpooled(call: Call, value: Value, axis: int) -> int:
    spatial = value.rank - 2
    kernel = call.attribute("kernel_shape", [])
    stride = call.attribute("strides", [1] * spatial)[axis]
    pads = call.attribute("pads", [0] * 2 * spatial)
    size = int(value.shape[axis + 2] or 0)
    return int((size - 1) * stride + kernel[axis] - pads[axis] - pads[axis + spatial])


def _moved(places: Tensor, inner: list[int], outer: list[int]) -> Tensor:
    """Return places counted in one shape as they count in another."""
    moved = tf.zeros_like(places)
    rest = places
    for axis in range(len(inner)):
        step = math.prod(inner[axis + 1 :])
        moved += (rest // step) * math.prod(outer[axis + 1 :])
        rest %= step
    return moved
