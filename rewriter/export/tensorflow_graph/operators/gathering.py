"""Slices, gathers and scatters."""

import numpy as np
import tensorflow as tf

from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value, valued
from rewriter.export.tensorflow_graph.weights import Tensor


@operator("Slice")
def slices(call: Call) -> Value:
    """Return a part: from starts to before ends, in steps."""
    value = call.value(0)
    computed = [call.has(n) and call.value(n).array is None for n in (1, 2)]
    if any(computed):
        return _computed_slice(call, value)
    starts = call.integers(1, "starts") or []
    ends = call.integers(2, "ends") or []
    axes = call.integers(3, "axes") or list(range(len(starts)))
    steps = call.integers(4, "steps") or [1] * len(starts)
    cuts = [slice(None)] * value.rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        cuts[value.place(axis)] = _cut(value.shape[axis % value.rank], start, end, step)
    if value.array is not None:
        return valued(value.array[tuple(cuts)])
    if all(cut == slice(None) for cut in cuts):
        return value
    return Value(value.stored[tuple(cuts)], value.order)


def _cut(size: int | None, start: int, end: int, step: int) -> slice:
    """Return a slice as Python and TensorFlow read it, without huge numbers."""
    if size is not None:
        first, last, _ = slice(start, end, step).indices(size)
        if step < 0 and last < 0:
            return slice(first, None, step)
        if (first, last, step) == (0, size, 1):
            return slice(None)
        return slice(first, last, step)
    most = 2**31 - 1
    stop = None if abs(end) >= most else end
    begin = None if abs(start) >= most or (start == 0 and step > 0) else start
    return slice(begin, stop, step)


def _computed_slice(call: Call, value: Value) -> Value:
    """Return a part whose ends are known only at run time."""
    count = int(call.value(1).shape[0] or 0)
    axes = call.integers(3, "axes") or list(range(count))
    steps = call.integers(4, "steps") or [1] * count
    starts, ends = call.tensor(1), call.tensor(2)
    cuts = [slice(None)] * value.rank
    sizes = tf.shape(value.stored, out_type=tf.int64)
    for place, (axis, step) in enumerate(zip(axes, steps, strict=True)):
        if step != 1:
            raise call.refusal("takes computed slices in steps")
        at = value.place(axis)
        size = sizes[at]
        cuts[at] = slice(_inside(starts[place], size), _inside(ends[place], size))
    return Value(value.as_stored()[tuple(cuts)], value.order)


def _inside(number: Tensor, size: Tensor) -> Tensor:
    number = tf.cast(number, tf.int64)
    counted = tf.where(number < 0, number + size, number)
    return tf.clip_by_value(counted, tf.constant(0, tf.int64), size)


@operator("Gather")
def gather(call: Call) -> Value | Tensor:
    """Return the elements at places along an axis."""
    value, axis = call.value(0), call.integer("axis", 0) % max(call.value(0).rank, 1)
    places = call.value(1)
    size = value.shape[axis]
    if places.array is not None and places.rank == 0:
        return _one(value, axis, int(places.array))
    if places.array is not None and size is not None:
        array = np.where(places.array < 0, places.array + size, places.array)
        return tf.gather(value.tensor, array, axis=axis)
    return tf.gather(value.tensor, from_front(places.tensor, value, axis), axis=axis)


def _one(value: Value, axis: int, place: int) -> Value:
    """Return one slice along an axis, without that axis."""
    if value.array is not None:
        return valued(np.take(value.array, place, axis))
    cuts: list[object] = [slice(None)] * value.rank
    cuts[value.place(axis)] = place
    left = tuple(one - (one > axis) for one in value.order if one != axis)
    return Value(value.stored[tuple(cuts)], left)


def from_front(places: Tensor, value: Value, axis: int) -> Tensor:
    """Return places along an axis with negative ones counted from the front.

    Args:
        places: Integers of any shape.
        value: What they point into.
        axis: Along which.
    """
    size = tf.shape(value.tensor, out_type=places.dtype)[axis]
    return tf.where(places < 0, places + size, places)


@operator("GatherND")
def gather_nd(call: Call) -> Tensor:
    """Return slices at places given by the last axis of the indices."""
    value, batch = call.value(0), call.integer("batch_dims", 0)
    places = counted_from_front(call.tensor(1), value, batch)
    return tf.gather_nd(value.tensor, places, batch_dims=batch)


def counted_from_front(places: Tensor, value: Value, batch: int = 0) -> Tensor:
    """Return coordinates with negative ones counted from the front.

    Args:
        places: Coordinates along the last axis.
        value: What they point into.
        batch: Leading axes that both have.
    """
    depth = places.shape[-1]
    sizes = tf.shape(value.tensor, out_type=places.dtype)[batch : batch + depth]
    return tf.where(places < 0, places + sizes, places)


@operator("GatherElements")
def gather_elements(call: Call) -> Tensor:
    """Return elements at places of their own along an axis."""
    value, axis = call.value(0), call.integer("axis", 0) % call.value(0).rank
    places = from_front(call.tensor(1), value, axis)
    return tf.gather_nd(value.tensor, coordinates(places, axis))


def coordinates(places: Tensor, axis: int) -> Tensor:
    """Return the whole coordinates of elements, their place along an axis given.

    Args:
        places: Integers of the elements' shape.
        axis: Along which.

    Returns:
        One coordinate per axis along a last axis.
    """
    sizes = tf.shape(places, out_type=places.dtype)
    parts = []
    for other in range(len(places.shape)):
        if other == axis:
            parts.append(places)
            continue
        around = [-1 if one == other else 1 for one in range(len(places.shape))]
        counted = tf.reshape(tf.range(sizes[other]), around)
        parts.append(tf.broadcast_to(counted, sizes))
    return tf.stack(parts, -1)


@operator("OneHot")
def one_hot(call: Call) -> Tensor:
    """Return one number where an index points along a new axis, another elsewhere."""
    depth = tf.cast(tf.reshape(call.tensor(1), []), tf.int32)
    places = tf.cast(call.tensor(0), tf.int64)
    places = tf.where(places < 0, places + tf.cast(depth, tf.int64), places)
    values, rank = call.tensor(2), call.value(0).rank + 1
    axis = call.integer("axis", -1) % rank
    return tf.one_hot(places, depth, values[1], values[0], -1 if axis == rank - 1 else axis)


@operator("NonZero")
def non_zero(call: Call) -> Tensor:
    """Return the coordinates of what is not zero, one column per element."""
    x = call.tensor(0)
    return tf.transpose(tf.where(tf.not_equal(x, tf.zeros_like(x))))


@operator("Compress")
def compress(call: Call) -> Tensor:
    """Return the slices where a condition holds."""
    axis = call.attribute("axis", None)
    x = tf.reshape(call.tensor(0), [-1]) if axis is None else call.tensor(0)
    places = tf.reshape(tf.where(call.tensor(1)), [-1])
    return tf.gather(x, places, axis=0 if axis is None else int(axis) % len(x.shape))


@operator("ReverseSequence")
def reverse_sequence(call: Call) -> Tensor:
    """Return each sequence of a batch with its beginning reversed."""
    return tf.reverse_sequence(
        call.tensor(0),
        call.tensor(1),
        seq_axis=call.integer("time_axis", 0),
        batch_axis=call.integer("batch_axis", 1),
    )


@operator("Trilu")
def trilu(call: Call) -> Tensor:
    """Return the upper or lower triangle of matrices, zero elsewhere."""
    x = call.tensor(0)
    k = tf.cast(tf.reshape(call.tensor(1), []), tf.int32) if call.has(1) else 0
    rows, columns = (x.shape[n] or tf.shape(x)[n] for n in (-2, -1))
    across = tf.range(columns)[None, :] - tf.range(rows)[:, None]
    kept = across >= k if call.integer("upper", 1) else across <= k
    return tf.where(kept, x, tf.zeros_like(x))


@operator("Unique")
def unique(call: Call) -> tuple[Tensor, ...]:
    """Return what is different, sorted or as it comes, and where it stands."""
    axis = call.attribute("axis", None)
    x = tf.reshape(call.tensor(0), [-1]) if axis is None else call.tensor(0)
    found, back, counts = tf.raw_ops.UniqueWithCountsV2(
        x=x, axis=[0 if axis is None else int(axis)], out_idx=tf.int64
    )
    at = 0 if axis is None else int(axis) % len(x.shape)
    if call.integer("sorted", 1):
        found, back, counts = _sorted(found, back, counts, at)
    total = tf.shape(back, out_type=tf.int64)[0]
    number = tf.shape(counts, out_type=tf.int64)[0]
    first = tf.math.unsorted_segment_min(tf.range(total), back, number)
    return found, first, back, counts


def _sorted(found: Tensor, back: Tensor, counts: Tensor, axis: int) -> tuple[Tensor, ...]:
    """Return unique slices in lexicographic order."""
    size = tf.shape(found)[axis]
    rows = tf.reshape(tf.experimental.numpy.moveaxis(found, axis, 0), [size, -1])
    order = tf.range(size)
    width = rows.shape[1] if rows.shape[1] is not None else 1
    for column in reversed(range(width)):
        keys = tf.gather(rows[:, column], order)
        order = tf.gather(order, tf.argsort(keys, stable=True))
    place = tf.cast(tf.argsort(order), tf.int64)
    return (
        tf.gather(found, order, axis=axis),
        tf.gather(place, back),
        tf.gather(counts, order),
    )
