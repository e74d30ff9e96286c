"""Convolutions, forward: channels last, with the padding TensorFlow has a word for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from rewriter.export.tensorflow_graph.operators.window import padded, window
from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value, channels_last, valued
from rewriter.export.tensorflow_graph.weights import Tensor

MOST_AXES = 3
"""Spatial axes that TensorFlow convolves over."""


@operator("Conv")
def conv(call: Call) -> Value:
    """Return a convolution of any group, over one to three axes."""
    return convolved(call, call.value(0), call.value(1), bias(call))


def bias(call: Call) -> Value | None:
    """Return the bias, one number per channel, None where there is none."""
    return call.value(2) if call.has(2) else None


def convolved(call: Call, value: Value, weight: Value, added: Value | None) -> Value:
    """Return a convolution as the node's attributes say it.

    Args:
        call: The node.
        value: Batch, channels, then the spatial axes.
        weight: Output channels, input channels of a group, then the kernel.
        added: One number per output channel.
    """
    if value.rank == 3:  # noqa: PLR2004  # TFLite has no convolution over one axis
        return _over_one(call, value, weight, added)
    if value.rank - 2 > MOST_AXES:
        raise call.refusal(f"convolves over {value.rank - 2} axes")
    result = _summed(call, value, weight)
    if added is not None:
        result = tf.nn.bias_add(result, added.tensor)
    return Value(result, channels_last(value.rank))


def _over_one(call: Call, value: Value, weight: Value, added: Value | None) -> Value:
    """Return a convolution over one axis as one over two, the first of size 1."""
    stored = tf.expand_dims(value.in_order((0, 2, 1)), 1)
    kernel = valued(
        np.expand_dims(weight.array, 2)
        if weight.array is not None
        else tf.expand_dims(weight.tensor, 2)
    )
    wide = convolved(call, Value(stored, (0, 2, 3, 1)), kernel, added)
    return Value(tf.squeeze(wide.stored, [1]), (0, 2, 1))


@dataclass(frozen=True, slots=True, eq=False)
class _Laid:
    """A convolution's parts as TensorFlow takes them."""

    tensor: Tensor
    kernel: Value
    strides: Sequence[int]
    dilations: Sequence[int]
    padding: str


def _summed(call: Call, value: Value, weight: Value) -> Tensor:
    """Return the products summed, channels last."""
    spatial = value.rank - 2
    seen = window(call, value, weight.shape[2:])
    tensor, padding = padded(value.in_order(channels_last(value.rank)), seen, 0)
    laid = _Laid(tensor, weight, seen.strides, seen.dilations, padding)
    group = call.integer("group", 1)
    if group == 1:
        return _plain(laid, spatial)
    if group == value.shape[1] and spatial == 2 and _is_depthwise(laid):  # noqa: PLR2004
        return _depthwise(laid)
    return _grouped(call, laid, group, spatial)


def _kernel(weight: Value, spatial: int) -> Tensor:
    """Return a kernel as TensorFlow has it: spatial axes, input, output channels."""
    return weight.in_order((*range(2, spatial + 2), 1, 0))


def _plain(laid: _Laid, spatial: int) -> Tensor:
    kernel = _kernel(laid.kernel, spatial)
    if spatial == 2:  # noqa: PLR2004
        return tf.nn.conv2d(
            laid.tensor, kernel, laid.strides, laid.padding, dilations=laid.dilations
        )
    if max(laid.dilations) > 1:  # TensorFlow has no such kernel on the CPU
        kernel = _stretched(kernel, laid.dilations)
    strides = [1, *laid.strides, 1]
    return tf.nn.conv3d(laid.tensor, kernel, strides, laid.padding)


def _stretched(kernel: Tensor, dilations: Sequence[int]) -> Tensor:
    """Return a kernel with zeros between its elements, which a dilation says."""
    for axis, step in enumerate(dilations):
        wide = tf.expand_dims(kernel, axis + 1)
        gaps = [
            [0, step - 1 if place == axis + 1 else 0] for place in range(len(wide.shape))
        ]
        sizes = list(kernel.shape)
        end = sizes[axis] * step - (step - 1)
        sizes[axis] *= step
        kernel = tf.gather(tf.reshape(tf.pad(wide, gaps), sizes), range(end), axis=axis)
    return kernel


def _is_depthwise(laid: _Laid) -> bool:
    """Return whether TensorFlow's depthwise kernel takes the strides and dilations."""
    even = len(set(laid.strides)) == 1
    return even and (max(laid.dilations) == 1 or max(laid.strides) == 1)


def _depthwise(laid: _Laid) -> Tensor:
    """Return a convolution of each channel on its own; (C·m, 1, h, w) as (h, w, C, m)."""
    outputs, _, height, width = laid.kernel.shape
    channels = laid.tensor.shape[-1]
    multiplier = (outputs or 0) // channels
    turned = (2, 3, 0, 1)
    sizes = [height, width, channels, multiplier]
    if laid.kernel.array is not None:
        own = np.transpose(laid.kernel.array, turned).reshape(sizes)
        kernel = valued(own).tensor
    else:
        kernel = tf.reshape(laid.kernel.in_order(turned), sizes)
    strides = [1, *laid.strides, 1]
    return tf.nn.depthwise_conv2d(
        laid.tensor, kernel, strides, laid.padding, dilations=laid.dilations
    )


def _grouped(call: Call, laid: _Laid, group: int, spatial: int) -> Tensor:
    """Return a grouped convolution: one operation in TFLite, its parts elsewhere."""
    if call.scope.lite and spatial == 2 and laid.tensor.shape[-1] != group:  # noqa: PLR2004
        return _plain(laid, spatial)
    inputs = tf.split(laid.tensor, group, -1)
    pieces = _pieces(laid.kernel, group)
    results = [
        _plain(_Laid(tensor, piece, laid.strides, laid.dilations, laid.padding), spatial)
        for tensor, piece in zip(inputs, pieces, strict=True)
    ]
    return tf.concat(results, -1)


def _pieces(weight: Value, group: int) -> list[Value]:
    if weight.array is not None:
        return [valued(piece) for piece in np.split(weight.array, group)]
    return [valued(piece) for piece in tf.split(weight.tensor, group)]
