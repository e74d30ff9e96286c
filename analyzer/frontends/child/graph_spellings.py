"""Operators of TensorFlow spelled with others, for where tf2onnx translates one wrongly.

Each is written for tf2onnx 1.17, and proven on the samples before it is used. Tensors of a
graph are compared by `tf.equal`: their ``==`` asks whether they are one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from analyzer.frontends.child.graph_spelled import Spelling

Tensors = Sequence[Any]


def _selected(operation: Any) -> Tensors:
    """Return the same choice: what stands in a spelling, `handlers` lets be one.

    tf2onnx multiplies both choices by one and zero and adds them.
    """
    select = getattr(tf.raw_ops, operation.type)
    named = {"Select": ("x", "y"), "SelectV2": ("t", "e")}[operation.type]
    condition, *choices = operation.inputs
    return [select(condition=condition, **dict(zip(named, choices, strict=True)))]


def _aside(rest: Any, divisor: Any) -> Any:
    """Return where a remainder has not the sign of its divisor."""
    zero = tf.zeros((), rest.dtype)
    return tf.logical_and(
        tf.not_equal(rest, zero), tf.math.logical_xor(rest < zero, divisor < zero)
    )


def _truncated_rest(value: Any, divisor: Any) -> Any:
    if not value.dtype.is_integer:
        quotient = value / divisor
        whole = tf.where(quotient < 0, tf.math.ceil(quotient), tf.math.floor(quotient))
        return value - whole * divisor
    return value - tf.truncatediv(value, divisor) * divisor


def _floor_div(operation: Any) -> Tensors | None:
    value, divisor = operation.inputs
    if not value.dtype.is_integer:
        return None
    rest = _truncated_rest(value, divisor)
    one = tf.cast(_aside(rest, divisor), value.dtype)
    return [tf.truncatediv(value, divisor) - one]


def _floor_mod(operation: Any) -> Tensors | None:
    value, divisor = operation.inputs
    if not value.dtype.is_integer:
        return None
    rest = _truncated_rest(value, divisor)
    return [tf.where(_aside(rest, divisor), rest + divisor, rest)]


def _truncate_mod(operation: Any) -> Tensors:
    return [_truncated_rest(*operation.inputs)]


def _scattered(operation: Any) -> Tensors:
    """Return sums of what is scattered to one place; tf2onnx keeps the last."""
    places, updates, shape = operation.inputs
    empty = tf.zeros(shape, updates.dtype)
    return [tf.tensor_scatter_nd_add(empty, places, updates)]


def _unsorted(operation: Any) -> Tensors:
    """Return segments without what has a negative one; tf2onnx counts it from the end."""
    values, segments, count = operation.inputs
    one = tf.ones((), segments.dtype)
    many = tf.cast(count, segments.dtype)
    kept = tf.where(segments < 0, many, segments)
    more = tf.cast(many + one, count.dtype)
    reduce = getattr(tf.raw_ops, operation.type)
    whole = reduce(data=values, segment_ids=kept, num_segments=more)[:-1]
    limits = {"UnsortedSegmentMax": tf.maximum, "UnsortedSegmentMin": tf.minimum}
    if operation.type not in limits:
        return [whole]
    kind = values.dtype
    limit = kind.min if operation.type == "UnsortedSegmentMax" else kind.max
    return [limits[operation.type](whole, tf.constant(limit, kind))]


def _segments(operation: Any) -> Tensors:
    """Return segments in which nothing stands as zeros."""
    values, segments = operation.inputs
    reduce = getattr(tf.raw_ops, operation.type)
    whole = reduce(data=values, segment_ids=segments)
    ones = tf.ones_like(segments, dtype=tf.float32)
    counts = tf.math.segment_sum(ones, segments)
    axes = tf.concat([tf.shape(counts), tf.ones(values.shape.rank - 1, tf.int32)], 0)
    return [
        tf.where(tf.equal(tf.reshape(counts, axes), 0.0), tf.zeros((), values.dtype), whole)
    ]


def _shifted_right(operation: Any) -> Tensors | None:
    """Return quotients by powers of two rounded down; tf2onnx shifts as if unsigned."""
    value, places = operation.inputs
    if value.dtype.is_unsigned:
        return None
    wide = tf.cast(value, tf.int64)
    by = tf.cast(
        tf.pow(tf.constant(2.0, tf.float64), tf.cast(places, tf.float64)), tf.int64
    )
    rest = _truncated_rest(wide, by)
    one = tf.cast(rest < tf.zeros((), tf.int64), tf.int64)
    return [tf.cast(tf.truncatediv(wide, by) - one, value.dtype)]


def _resized(operation: Any) -> Tensors | None:
    """Return a resize as two products: it is linear along each axis.

    The weights are what TensorFlow itself gives for images of one bright line each.
    """
    image, size = operation.inputs[:2]
    sizes = tf.get_static_value(size)
    if sizes is None or None in image.shape[1:3].as_list():
        return None
    height, width = image.shape[1:3].as_list()
    rows = _weights(operation, height, (int(sizes[0]), 0))
    columns = _weights(operation, width, (int(sizes[1]), 1))
    if rows is None or columns is None:
        return None
    real = tf.cast(image, tf.float32)
    tall = tf.einsum("oh,nhwc->nowc", tf.constant(rows), real)
    return [tf.einsum("pw,nowc->nopc", tf.constant(columns), tall)]


def _weights(operation: Any, size: int, onto: tuple[int, int]) -> Any:
    """Return the share of each line in each line of a resized image, [out, size]."""
    out, axis = onto
    eye = np.eye(size, dtype=np.float32)
    lines = eye[None, :, None, :] if axis == 0 else eye[None, None, :, :]
    wanted = np.array([out, 1] if axis == 0 else [1, out], np.int32)
    attributes = {
        name: operation.get_attr(name) for name in operation.node_def.attr if name in KEPT
    }
    given: dict[str, Any] = {"images": lines, "size": wanted, **attributes}
    if operation.type == "ScaleAndTranslate":
        more = _scale(operation, axis)
        if more is None:
            return None
        given |= more
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        result = session.run(getattr(tf.raw_ops, operation.type)(**given))
    return result[0, :, 0, :] if axis == 0 else result[0, 0, :, :]


def _scale(operation: Any, axis: int) -> dict[str, Any] | None:
    try:
        with tf.compat.v1.Session(graph=operation.graph) as session:
            scale, shift = session.run(list(operation.inputs[2:4]))
    except tf.errors.InvalidArgumentError:  # it depends on what is fed
        return None
    ones, zeros = np.ones(2, np.float32), np.zeros(2, np.float32)
    ones[axis], zeros[axis] = scale[axis], shift[axis]
    return {"scale": ones, "translation": zeros}


KEPT = frozenset({"align_corners", "half_pixel_centers", "kernel_type", "antialias"})


def _mul_no_nan(operation: Any) -> Tensors:
    left, right = operation.inputs
    return [tf.where(tf.equal(right, 0), tf.zeros((), left.dtype), left * right)]


def _xlogy(operation: Any) -> Tensors:
    left, right = operation.inputs
    return [
        tf.where(tf.equal(left, 0), tf.zeros((), left.dtype), left * tf.math.log(right))
    ]


def _xdivy(operation: Any) -> Tensors:
    left, right = operation.inputs
    return [tf.where(tf.equal(left, 0), tf.zeros((), left.dtype), left / right)]


def _log1p(operation: Any) -> Tensors:
    """Return log(1 + x), also of an x that hardly changes the one.

    Source: Kahan's formula, as in Goldberg, "What every computer scientist should know
    about floating-point arithmetic", theorem 4.
    """
    (value,) = operation.inputs
    one = tf.ones((), value.dtype)
    sum_ = value + one
    lost = tf.equal(sum_, one)
    scaled = tf.math.log(sum_) * (value / tf.where(lost, one, sum_ - one))
    kept = tf.where(tf.math.is_inf(sum_), sum_, scaled)
    return [tf.where(lost, value, kept)]


def _expm1(operation: Any) -> Tensors:
    """Return exp(x) - 1, near zero by the hyperbolic tangent of a half of x."""
    (value,) = operation.inputs
    one = tf.ones((), value.dtype)
    near = tf.abs(value) < one
    half = tf.tanh(tf.where(near, value, tf.zeros_like(value)) / (one + one))
    return [tf.where(near, (one + one) * half / (one - half), tf.exp(value) - one)]


def _in_top(operation: Any) -> Tensors:
    scores, targets, count = operation.inputs
    own = tf.gather(scores, targets, batch_dims=1)[:, tf.newaxis]
    above = tf.reduce_sum(tf.cast(scores > own, tf.int32), 1)
    return [above < tf.cast(count, tf.int32)]


UNKNOWN: Mapping[str, Spelling] = {
    "Expm1": _expm1,
    "InTopKV2": _in_top,
    "Log1p": _log1p,
    "MulNoNan": _mul_no_nan,
    "ScaleAndTranslate": _resized,
    "TruncateMod": _truncate_mod,
    "Xdivy": _xdivy,
    "Xlogy": _xlogy,
}
"""Spellings of what tf2onnx does not know: it writes TensorFlow's operator as it is."""

SPELLINGS: Mapping[str, Spelling] = {
    "FloorDiv": _floor_div,
    "FloorMod": _floor_mod,
    "ResizeArea": _resized,
    "ResizeBicubic": _resized,
    "ResizeBilinear": _resized,
    "RightShift": _shifted_right,
    "ScatterNd": _scattered,
    "SegmentMax": _segments,
    "SegmentMean": _segments,
    "SegmentMin": _segments,
    "Select": _selected,
    "SelectV2": _selected,
    "UnsortedSegmentMax": _unsorted,
    "UnsortedSegmentMin": _unsorted,
    "UnsortedSegmentProd": _unsorted,
    "UnsortedSegmentSum": _unsorted,
}
"""Spellings of what it knows and gets wrong."""
