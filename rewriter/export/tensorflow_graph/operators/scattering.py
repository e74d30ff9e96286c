"""Scatters: copies with elements put at computed places."""

from collections.abc import Callable

import tensorflow as tf

from rewriter.export.tensorflow_graph.operators.gathering import (
    coordinates,
    counted_from_front,
    from_front,
)
from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.weights import Tensor

Scatter = Callable[[Tensor, Tensor, Tensor], Tensor]

SCATTERS: dict[str, Scatter] = {
    "add": tf.tensor_scatter_nd_add,
    "max": tf.tensor_scatter_nd_max,
    "min": tf.tensor_scatter_nd_min,
    "none": tf.tensor_scatter_nd_update,
}


@operator("ScatterElements", "Scatter")
def scatter_elements(call: Call) -> Tensor:
    """Return a copy with elements put at places of their own along an axis."""
    value, axis = call.value(0), call.integer("axis", 0) % call.value(0).rank
    places = coordinates(from_front(call.tensor(1), value, axis), axis)
    return _scattered(call, value.tensor, places, call.tensor(2))


@operator("ScatterND")
def scatter_nd(call: Call) -> Tensor:
    """Return a copy with slices put at places given by the last axis of the indices."""
    value = call.value(0)
    places = counted_from_front(call.tensor(1), value)
    return _scattered(call, value.tensor, places, call.tensor(2))


def _scattered(call: Call, x: Tensor, places: Tensor, updates: Tensor) -> Tensor:
    how = call.text("reduction", "none")
    if how == "mul":
        return _multiplied(x, places, updates)
    return SCATTERS[how](x, places, updates)


def _multiplied(x: Tensor, places: Tensor, updates: Tensor) -> Tensor:
    """Return x with elements multiplied one after the other."""
    depth = places.shape[-1]
    flat = tf.reshape(places, [-1, depth])
    parts = tf.reshape(updates, tf.concat([[-1], tf.shape(x)[depth:]], 0))

    def step(n: Tensor, held: Tensor) -> tuple[Tensor, Tensor]:
        at = flat[n : n + 1]
        times = tf.gather_nd(held, at) * parts[n : n + 1]
        return n + 1, tf.tensor_scatter_nd_update(held, at, times)

    count = tf.shape(flat)[0]
    return tf.while_loop(lambda n, _: n < count, step, (tf.constant(0), x))[1]
