"""Sampling at computed places: GridSample and RoiAlign, said by gathers."""

from collections.abc import Callable
from itertools import product

import tensorflow as tf

from rewriter.export.tensorflow_graph.operators.shaping import size_of
from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value, channels_last
from rewriter.export.tensorflow_graph.weights import Tensor

CUBIC = -0.75
"""The coefficient of GridSample's cubic spline.

Source: the operator definition in ONNX."""

Tap = tuple[Tensor, Tensor]
"""Places along an axis, and the weights of what stands there."""


@operator("GridSample")
def grid_sample(call: Call) -> Value:
    """Return x at the places that a grid says, each from -1 to 1."""
    value, grid = call.value(0), call.tensor(1)
    x = value.in_order(channels_last(value.rank))
    mode = call.text("mode", "linear")
    taps = []
    for axis in range(value.rank - 2):
        size = tf.cast(size_of(value, axis + 2), grid.dtype)
        at = _denormalized(call, grid[..., -1 - axis], size)
        taps.append(_taps(call, at, size, mode))
    total = tf.add_n([_sampled(x, corner) for corner in product(*taps)])
    return Value(tf.cast(total, x.dtype), channels_last(value.rank))


def _denormalized(call: Call, at: Tensor, size: Tensor) -> Tensor:
    if call.integer("align_corners", 0):
        return (at + 1) / 2 * (size - 1)
    return ((at + 1) * size - 1) / 2


def _taps(call: Call, at: Tensor, size: Tensor, mode: str) -> list[Tap]:
    """Return the places around a coordinate along one axis, with weights."""
    if mode == "nearest":
        return [(_folded(call, tf.round(at), size), tf.ones_like(at))]
    if mode in {"cubic", "bicubic"}:
        first = tf.floor(at)
        return [
            (_folded(call, first + n, size), _spline(tf.abs(at - first - n)))
            for n in range(-1, 3)
        ]
    if call.text("padding_mode", "zeros") != "zeros":
        at = _folded(call, at, size)
    first = tf.floor(at)
    part = at - first
    return [(first, 1 - part), (first + 1, part)]


def _spline(x: Tensor) -> Tensor:
    near = ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1
    far = ((CUBIC * x - 5 * CUBIC) * x + 8 * CUBIC) * x - 4 * CUBIC
    return tf.where(x <= 1, near, tf.where(x < 2, far, tf.zeros_like(x)))  # noqa: PLR2004


def _folded(call: Call, at: Tensor, size: Tensor) -> Tensor:
    """Return coordinates brought inside as the padding mode says."""
    mode = call.text("padding_mode", "zeros")
    if mode == "border":
        return tf.clip_by_value(at, 0, size - 1)
    if mode != "reflection":
        return at
    low, high = -0.5, size - 0.5
    if call.integer("align_corners", 0):
        low, high = 0.0, size - 1
    span = high - low
    away = tf.abs(at - low)
    turns, rest = tf.floor(away / span), tf.math.floormod(away, span)
    folded = tf.where(tf.equal(tf.math.floormod(turns, 2), 0), low + rest, high - rest)
    return tf.clip_by_value(folded, 0, size - 1)


def _sampled(x: Tensor, corner: tuple[Tap, ...]) -> Tensor:
    """Return the elements at one corner of each place, times their weight."""
    sizes = tf.shape(x)
    weight = tf.ones_like(corner[0][1])
    places = []
    for axis, (at, part) in enumerate(corner):
        size = tf.cast(sizes[axis + 1], at.dtype)
        inside = tf.logical_and(at >= 0, at <= size - 1)
        weight *= tf.where(inside, part, tf.zeros_like(part))
        places.append(tf.cast(tf.clip_by_value(at, 0, size - 1), tf.int32))
    found = tf.gather_nd(x, tf.stack(places, -1), batch_dims=1)
    return tf.cast(found, weight.dtype) * tf.expand_dims(weight, -1)


@operator("RoiAlign")
def roi_align(call: Call) -> Value:
    """Return a small image of each box: means or maxima of samples inside it."""
    value, boxes = call.value(0), call.tensor(1)
    x = tf.gather(value.in_order((0, 2, 3, 1)), call.tensor(2))
    half = call.text("coordinate_transformation_mode", "half_pixel") == "half_pixel"
    boxes = boxes * call.number("spatial_scale", 1.0) - (0.5 if half else 0.0)
    count = call.integer("sampling_ratio", 0)
    if count == 0:
        raise call.refusal("takes as many samples as a box is large")
    wanted = call.integer("output_height", 1), call.integer("output_width", 1)
    ends = [(boxes[:, 1], boxes[:, 3]), (boxes[:, 0], boxes[:, 2])]
    sizes = [tf.cast(size_of(value, axis), x.dtype) for axis in (2, 3)]
    taps = [
        _box_taps(*pair, (output, count), half=half, size=size)
        for pair, output, size in zip(ends, wanted, sizes, strict=True)
    ]
    reduce = tf.reduce_mean if call.text("mode", "avg") == "avg" else tf.reduce_max
    return Value(_aligned(x, taps, wanted, count, reduce), (0, 2, 3, 1))


def _box_taps(
    low: Tensor, high: Tensor, counts: tuple[int, int], *, half: bool, size: Tensor
) -> list[Tap]:
    """Return where samples along one axis of each box stand: boxes by samples."""
    output, count = counts
    length = high - low if half else tf.maximum(high - low, 1)
    steps = (tf.range(output * count, dtype=low.dtype) + 0.5) / (output * count)
    at = low[:, None] + length[:, None] * steps
    inside = tf.cast(tf.logical_and(at >= -1, at <= size), at.dtype)
    at = tf.clip_by_value(at, 0, size - 1)
    first = tf.floor(at)
    behind = tf.minimum(first + 1, size - 1)
    return [(first, (1 - (at - first)) * inside), (behind, (at - first) * inside)]


def _aligned(
    x: Tensor,
    taps: list[list[Tap]],
    wanted: tuple[int, int],
    count: int,
    reduce: Callable[..., Tensor],
) -> Tensor:
    """Return the samples of each box, reduced to its cells."""
    parts = []
    for (row, row_weight), (column, column_weight) in product(*taps):
        lines = tf.gather(x, tf.cast(row, tf.int32), axis=1, batch_dims=1)
        found = tf.gather(lines, tf.cast(column, tf.int32), axis=2, batch_dims=1)
        weight = row_weight[:, :, None] * column_weight[:, None, :]
        parts.append(found * weight[..., None])
    if reduce is tf.reduce_max:  # of the weighted corners, not of their sum
        total = tf.reduce_max(tf.stack(parts), 0)
    else:
        total = tf.add_n(parts)
    cells = [-1, wanted[0], count, wanted[1], count, x.shape[-1]]
    return reduce(tf.reshape(total, cells), [2, 4])
