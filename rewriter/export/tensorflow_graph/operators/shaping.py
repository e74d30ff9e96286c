"""Operators that change the axes and leave the elements."""

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from analyzer.core.types import Array
from rewriter.export.tensorflow_graph.sizes import whole
from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value, natural, valued
from rewriter.export.tensorflow_graph.weights import Tensor


@operator("Shape")
def shape(call: Call) -> Value | Array:
    """Return the sizes of the axes, known as far as they are."""
    value = call.value(0)
    axes = range(value.rank)[slice(call.integer("start", 0), call.attribute("end", None))]
    sizes = [value.shape[axis] for axis in axes]
    if None not in sizes:
        return np.array(sizes, np.int64)
    found = tf.shape(value.stored, out_type=tf.int64)
    stacked = tf.stack([found[value.place(axis)] for axis in axes])
    known = np.array([np.nan if size is None else size for size in sizes])
    return Value(stacked, natural(1), known)


@operator("Size")
def size(call: Call) -> Tensor | Array:
    """Return the number of elements."""
    value = call.value(0)
    if None not in value.shape:
        return np.array(math.prod(one or 0 for one in value.shape), np.int64)
    return tf.size(value.stored, out_type=tf.int64)


@operator("Reshape")
def reshape(call: Call) -> Value | Tensor:
    """Return the elements in another shape; 0 keeps a size, -1 takes what is left."""
    value, wanted = call.value(0), whole(call.value(1))
    if wanted is None:
        return _reshaped_later(call, value)
    sizes: list[Tensor] = []
    for axis, number in enumerate(wanted):
        kept = number == 0 and not call.integer("allowzero", 0)
        sizes.append(size_of(value, axis) if kept else number)
    return reshaped(value, sizes, lambda axis: call.tensor(1)[axis])


def _reshaped_later(call: Call, value: Value) -> Tensor:
    """Return a value in a shape known only at run time."""
    sizes, count = call.tensor(1), call.value(1).shape[0]
    if call.integer("allowzero", 0) or count is None:
        return tf.reshape(value.tensor, sizes)
    own = tf.shape(value.tensor, out_type=sizes.dtype)[:count]
    kept = tf.pad(own, [[0, max(0, count - value.rank)]])
    return tf.reshape(value.tensor, tf.where(tf.equal(sizes, 0), kept, sizes))


def reshaped(value: Value, sizes: Sequence[Tensor], missing: Tensor = None) -> Tensor:
    """Return a value in another shape.

    Args:
        value: Of any shape.
        sizes: Numbers, one at most -1; tensors; or None, one at most unless `missing`.
        missing: Gives the size of an axis that is None, where there are several.
    """
    sizes = _inferred(value, sizes)
    open_sizes = [p for p, one in enumerate(sizes) if not isinstance(one, int)]
    if len(open_sizes) == 1 and -1 not in [one for one in sizes if isinstance(one, int)]:
        sizes = [-1 if place in open_sizes else one for place, one in enumerate(sizes)]
    sizes = [missing(place) if one is None else one for place, one in enumerate(sizes)]
    tensor = value.tensor
    if all(isinstance(one, int) for one in sizes):
        return tf.reshape(tensor, sizes)
    return tf.reshape(tensor, tf.stack([tf.cast(one, tf.int32) for one in sizes]))


def _inferred(value: Value, sizes: Sequence[Tensor]) -> list[Tensor]:
    """Return sizes with -1 as its number, where one unknown size stands on each side."""
    known = [one for one in value.shape if one is not None]
    numbers = [one for one in sizes if isinstance(one, int) and one != -1]
    kept = sum(tf.is_tensor(one) for one in sizes)
    all_said = len(numbers) + kept + 1 == len(sizes)
    same = kept == value.rank - len(known)
    places = [p for p, one in enumerate(sizes) if isinstance(one, int) and one == -1]
    if not places or not all_said or not same or 0 in numbers or 0 in known:
        return list(sizes)
    left = math.prod(known) // math.prod(numbers)
    return [left if place == places[0] else one for place, one in enumerate(sizes)]


def size_of(value: Value, axis: int) -> Tensor:
    """Return the size of an axis: a number where it is known, else an int32 scalar."""
    known = value.shape[axis]
    return tf.shape(value.stored)[value.place(axis)] if known is None else known


@operator("Flatten")
def flatten(call: Call) -> Tensor:
    """Return a matrix: the axes before one, and those from it on."""
    value = call.value(0)
    axis = call.integer("axis", 1)
    axis += value.rank if axis < 0 else 0
    if axis == 1 and value.rank > 1 and None not in value.shape[1:]:
        return reshaped(
            value, [size_of(value, 0), math.prod(size or 0 for size in value.shape[1:])]
        )
    first: Tensor = 1
    for place in range(axis):
        first *= size_of(value, place)
    last: Tensor = 1
    for place in range(axis, value.rank):
        last *= size_of(value, place)
    return reshaped(value, [first, last])


@operator("Transpose")
def transpose(call: Call) -> Value:
    """Return the axes in another order; nothing is computed."""
    value = call.value(0)
    backwards = list(range(value.rank))[::-1]
    return value.moved(call.attribute("perm", backwards))


@operator("Unsqueeze")
def unsqueeze(call: Call) -> Value:
    """Return a value with further axes of size 1."""
    value = call.value(0)
    wanted = call.integers(1, "axes") or []
    rank = value.rank + len(wanted)
    new = sorted(axis % rank for axis in wanted)
    if value.array is not None:
        return valued(np.expand_dims(value.array, tuple(new)))
    kept = [axis for axis in range(rank) if axis not in new]
    order = [kept[axis] for axis in value.order]
    stored = value.stored
    for axis in new:  # before the axis that follows it, so that later ones stay together
        place = order.index(axis + 1) if axis + 1 in order else _behind(order, axis)
        stored = tf.expand_dims(stored, place)
        order.insert(place, axis)
    return Value(stored, tuple(order))


def _behind(order: Sequence[int], axis: int) -> int:
    return order.index(axis - 1) + 1 if axis - 1 in order else len(order)


@operator("Squeeze")
def squeeze(call: Call) -> Value:
    """Return a value without axes of size 1."""
    value = call.value(0)
    ones = [axis for axis, one in enumerate(value.shape) if one == 1]
    named = call.integers(1, "axes")
    gone = ones if named is None else [axis % value.rank for axis in named]
    if value.array is not None:
        return valued(np.squeeze(value.array, tuple(gone)))
    if not gone:
        return value
    stored = tf.squeeze(value.stored, [value.place(axis) for axis in gone])
    return Value(stored, without(value.order, gone))


def without(order: Sequence[int], gone: Sequence[int]) -> tuple[int, ...]:
    """Return the order of the axes that are left when some are dropped.

    Args:
        order: Which axis stands at each place.
        gone: The axes dropped, from the front.
    """
    kept = sorted(axis for axis in order if axis not in gone)
    return tuple(kept.index(axis) for axis in order if axis not in gone)


@operator("Tile")
def tile(call: Call) -> Tensor:
    """Return a value repeated along its axes."""
    return tf.tile(call.tensor(0), call.tensor(1))


@operator("Concat")
def concat(call: Call) -> Value:
    """Return values one behind the other along an axis."""
    values = [call.value(place) for place in range(len(call.inputs))]
    filled = [value for value in values if 0 not in value.shape] or values[:1]
    if len(filled) == 1:
        return filled[0]
    first = max(filled, key=lambda v: (v.array is None, v.order != natural(v.rank)))
    tensors = [value.in_order(first.order) for value in filled]
    place = first.place(call.integer("axis", 0))
    return Value(tf.concat(tensors, place), first.order)


@operator("Split")
def split(call: Call) -> tuple[Value, ...]:
    """Return pieces along an axis."""
    value = call.value(0)
    axis = call.integer("axis", 0)
    place, count = value.place(axis), len(call.node.output)
    sizes = call.integers(1, "split")
    if sizes is None:
        total = value.shape[axis]
        if total is None:
            raise call.refusal("splits an axis of unknown size into equal parts")
        part = -(-total // call.integer("num_outputs", count))
        sizes = [min(part, total - part * n) for n in range(count)]
    pieces = tf.split(value.as_stored(), sizes, place)
    return tuple(Value(piece, value.order) for piece in pieces)
