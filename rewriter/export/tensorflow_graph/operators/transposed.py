"""Transposed convolutions."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from rewriter.export.tensorflow_graph.operators.convolution import bias
from rewriter.export.tensorflow_graph.operators.shaping import size_of
from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value, channels_last
from rewriter.export.tensorflow_graph.weights import Tensor


@operator("ConvTranspose")
def conv_transpose(call: Call) -> Value:
    """Return a transposed convolution of any group, over one to three axes."""
    value, weight = call.value(0), call.value(1)
    spatial = value.rank - 2
    x = value.in_order(channels_last(value.rank))
    kernel = weight.in_order((*range(2, value.rank), 1, 0))
    if spatial == 1:
        x, kernel = tf.expand_dims(x, 1), tf.expand_dims(kernel, 0)
    plan = _Plan(call, value, weight, narrow=spatial == 1)
    group = call.integer("group", 1)
    pieces = zip(tf.split(x, group, -1), tf.split(kernel, group, -1), strict=True)
    whole = tf.concat([plan.spread(a, b) for a, b in pieces], -1) if group > 1 else None
    result = plan.cropped(plan.spread(x, kernel) if whole is None else whole)
    added = bias(call)
    if added is not None:
        result = tf.nn.bias_add(result, added.tensor)
    if spatial == 1:
        result = tf.squeeze(result, [1])
    return Value(result, channels_last(value.rank))


class _Plan:
    """The sizes of a transposed convolution: spread out whole, then cropped or padded."""

    def __init__(self, call: Call, value: Value, weight: Value, *, narrow: bool) -> None:
        spatial = value.rank - 2
        ones = [1] * spatial
        strides = list(call.attribute("strides", ones))
        dilations = list(call.attribute("dilations", ones))
        kernel = [int(size or 0) for size in weight.shape[2:]]
        extra = list(call.attribute("output_padding", [0] * spatial))
        spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        ends = _ends(call, value, (strides, spans, extra))
        sizes = [size_of(value, axis + 2) for axis in range(spatial)]
        lead = [1] if narrow else []
        self._dilations = lead + dilations
        self._kernel = lead + kernel
        self._strides = lead + strides
        self._ends = [(0, 0)] * len(lead) + [
            (before, behind - more)
            for (before, behind), more in zip(ends, extra, strict=True)
        ]
        self._sizes: list[Tensor] = lead + [
            (size - 1) * stride + span
            for size, stride, span in zip(sizes, strides, spans, strict=True)
        ]
        self._batch = size_of(value, 0)

    def spread(self, x: Tensor, kernel: Tensor) -> Tensor:
        """Return the whole output of one group, channels last."""
        kernel = _stretched(kernel, self._dilations)
        shape = [self._batch, *self._sizes, kernel.shape[-2]]
        if any(tf.is_tensor(size) for size in shape):
            shape = tf.stack(shape)
        strides = [1, *self._strides, 1]
        plane = len(self._sizes) == 2  # noqa: PLR2004
        convolve = tf.nn.conv2d_transpose if plane else tf.nn.conv3d_transpose
        return convolve(x, kernel, shape, strides, "VALID")

    def cropped(self, x: Tensor) -> Tensor:
        """Return the output without what the pads cut off."""
        more = [(max(-before, 0), max(-behind, 0)) for before, behind in self._ends]
        cuts = [slice(max(b, 0), -e if e > 0 else None) for b, e in self._ends]
        if any(cut != slice(0, None) for cut in cuts):
            x = x[(slice(None), *cuts, slice(None))]
        if any(map(any, more)):
            x = tf.pad(x, [(0, 0), *more, (0, 0)])
        return x


def _ends(
    call: Call, value: Value, spans: tuple[Sequence[int], Sequence[int], Sequence[int]]
) -> list[tuple[int, int]]:
    """Return what is cut off before and behind, per spatial axis."""
    spatial = value.rank - 2
    flat = call.attribute("pads", [0] * 2 * spatial)
    wanted = call.attribute("output_shape", None)
    auto = call.text("auto_pad", "NOTSET")
    if wanted is None and not auto.startswith("SAME"):
        return list(zip(flat[:spatial], flat[spatial:], strict=True))
    ends = []
    for axis, (stride, span, more) in enumerate(zip(*spans, strict=True)):
        size = value.shape[axis + 2]
        if size is None:
            raise call.refusal("asks for an output size of an input of unknown size")
        output = size * stride if wanted is None else wanted[-spatial:][axis]
        total = stride * (size - 1) + more + span - output
        small = total // 2
        ends.append(
            (small, total - small) if auto == "SAME_UPPER" else (total - small, small)
        )
    return ends


def _stretched(kernel: Tensor, dilations: Sequence[int]) -> Tensor:
    """Return a kernel with zeros between its elements, which a dilation says."""
    if max(dilations) == 1:
        return kernel
    sizes = list(kernel.shape)
    spans = [(s - 1) * d + 1 for s, d in zip(sizes, dilations, strict=False)]
    grids = np.meshgrid(
        *(np.arange(s) * d for s, d in zip(sizes, dilations, strict=False)), indexing="ij"
    )
    places = np.stack(grids, -1)
    return tf.scatter_nd(places, kernel, [*spans, *sizes[len(spans) :]])
