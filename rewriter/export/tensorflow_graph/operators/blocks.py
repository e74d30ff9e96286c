"""Blocks of pixels and channels, and bytes read as another dtype."""

import math

import numpy as np
import tensorflow as tf

from rewriter.export.tensorflow_graph.operators.constants import dtype_of
from rewriter.export.tensorflow_graph.operators.shaping import reshaped, size_of
from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value, valued
from rewriter.export.tensorflow_graph.weights import Tensor


@operator("BitCast")
def bit_cast(call: Call) -> Tensor:
    """Return the same bytes read as another dtype."""
    x, dtype = call.tensor(0), dtype_of(call.integer("to", 1))
    if x.dtype == tf.bool:
        x = tf.cast(x, tf.uint8)
    if dtype == tf.bool:
        return tf.not_equal(x, tf.zeros_like(x))
    return tf.bitcast(x, dtype)


@operator("Col2Im")
def col2im(call: Call) -> Tensor:
    """Return an image from its blocks, which are summed where they overlap."""
    image = [int(size) for size in call.array(1)]
    block = [int(size) for size in call.array(2)]
    spatial = len(image)
    strides = call.attribute("strides", [1] * spatial)
    dilations = call.attribute("dilations", [1] * spatial)
    flat = call.attribute("pads", [0] * 2 * spatial)
    ends = list(zip(flat[:spatial], flat[spatial:], strict=True))
    whole = [size + sum(pair) for size, pair in zip(image, ends, strict=True)]
    places = _places(whole, block, strides, dilations)
    value = call.value(0)
    channels = int(value.shape[1] or 0) // math.prod(block)
    batch = int(value.shape[0] or 0)
    parts = tf.transpose(
        tf.reshape(value.tensor, [batch * channels, math.prod(block), -1]), [1, 2, 0]
    )
    size = math.prod(whole)
    summed = tf.scatter_nd(places[..., None], parts, [size, batch * channels])
    full = tf.reshape(tf.transpose(summed), [batch, channels, *whole])
    cuts = [slice(b, n - e) for (b, e), n in zip(ends, whole, strict=True)]
    return full[(slice(None), slice(None), *cuts)]


def _places(
    whole: list[int], block: list[int], strides: list[int], dilations: list[int]
) -> Tensor:
    """Return where each element of each block lies in the flat image: element, block."""
    axes = zip(whole, block, strides, dilations, strict=True)
    places = np.zeros((1, 1), np.int64)
    for size, length, stride, dilation in axes:
        count = (size - (length - 1) * dilation - 1) // stride + 1
        own = np.arange(length)[:, None] * dilation + np.arange(count)[None] * stride
        wide = places[:, None, :, None] * size + own[None, :, None, :]
        places = wide.reshape(places.shape[0] * length, -1)
    return places


@operator("DepthToSpace")
def depth_to_space(call: Call) -> Value | Tensor:
    """Return blocks of channels as blocks of pixels."""
    value, block = call.value(0), call.integer("blocksize", 1)
    if call.text("mode", "DCR") == "DCR" and block > 1:
        last = value.in_order((0, 2, 3, 1))
        return Value(tf.nn.depth_to_space(last, block), (0, 2, 3, 1))
    n, c, h, w = (size_of(value, axis) for axis in range(4))
    parts = [n, c // block**2, block, block, h, w]
    turned = tf.transpose(reshaped(value, parts), [0, 1, 4, 2, 5, 3])
    return reshaped(valued(turned), [n, c // block**2, h * block, w * block])


@operator("SpaceToDepth")
def space_to_depth(call: Call) -> Value:
    """Return blocks of pixels as blocks of channels."""
    value, block = call.value(0), call.integer("blocksize", 1)
    if block == 1:
        return value
    if call.text("mode", "DCR") == "CRD":
        n, c, h, w = (size_of(value, axis) for axis in range(4))
        parts = [n, c, h // block, block, w // block, block]
        turned = valued(tf.transpose(reshaped(value, parts), [0, 1, 3, 5, 2, 4]))
        return valued(reshaped(turned, [n, c * block**2, h // block, w // block]))
    last = value.in_order((0, 2, 3, 1))
    return Value(tf.nn.space_to_depth(last, block), (0, 2, 3, 1))
