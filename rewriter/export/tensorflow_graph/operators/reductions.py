"""Reductions over axes, and searches along one."""

from collections.abc import Callable

import tensorflow as tf

from rewriter.export.tensorflow_graph.operators.elementwise import NARROW
from rewriter.export.tensorflow_graph.operators.shaping import without
from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value
from rewriter.export.tensorflow_graph.weights import Tensor


def _sum_exp(x: Tensor, axes: list[int], *, keepdims: bool) -> Tensor:
    return tf.reduce_logsumexp(x, axes, keepdims=keepdims)


def _log_sum(x: Tensor, axes: list[int], *, keepdims: bool) -> Tensor:
    return tf.math.log(tf.reduce_sum(x, axes, keepdims=keepdims))


def _l1(x: Tensor, axes: list[int], *, keepdims: bool) -> Tensor:
    return tf.reduce_sum(tf.abs(x), axes, keepdims=keepdims)


def _l2(x: Tensor, axes: list[int], *, keepdims: bool) -> Tensor:
    return tf.sqrt(tf.reduce_sum(x * x, axes, keepdims=keepdims))


def _squares(x: Tensor, axes: list[int], *, keepdims: bool) -> Tensor:
    return tf.reduce_sum(x * x, axes, keepdims=keepdims)


REDUCTIONS: dict[str, Callable[..., Tensor]] = {
    "ReduceL1": _l1,
    "ReduceL2": _l2,
    "ReduceLogSum": _log_sum,
    "ReduceLogSumExp": _sum_exp,
    "ReduceMax": tf.reduce_max,
    "ReduceMean": tf.reduce_mean,
    "ReduceMin": tf.reduce_min,
    "ReduceProd": tf.reduce_prod,
    "ReduceSum": tf.reduce_sum,
    "ReduceSumSquare": _squares,
}


@operator(*REDUCTIONS)
def reduction(call: Call) -> Value:
    """Return a reduction over the axes asked for, over all where none are."""
    value = call.value(0)
    asked = call.integers(1, "axes")
    if not asked and call.integer("noop_with_empty_axes", 0):
        return value.mapped(lambda x: _over(call, x, [], keep=True))
    axes = [axis % value.rank for axis in asked] if asked else list(range(value.rank))
    keep = bool(call.integer("keepdims", 1))
    places = [value.place(axis) for axis in axes]
    result = _over(call, value.as_stored(), places, keep=keep)
    return Value(result, value.order if keep else without(value.order, axes))


def _over(call: Call, x: Tensor, places: list[int], *, keep: bool) -> Tensor:
    function = REDUCTIONS[call.node.op_type]
    if x.dtype == tf.bool:
        reduce = tf.reduce_any if call.node.op_type == "ReduceMax" else tf.reduce_all
        return reduce(x, places, keepdims=keep)
    if x.dtype.is_integer and call.node.op_type in {
        "ReduceL2",
        "ReduceLogSum",
        "ReduceLogSumExp",
    }:
        return tf.cast(function(tf.cast(x, tf.float64), places, keepdims=keep), x.dtype)
    if x.dtype in NARROW:
        return tf.cast(function(tf.cast(x, tf.int64), places, keepdims=keep), x.dtype)
    return function(x, places, keepdims=keep)


@operator("ArgMax", "ArgMin")
def arg_best(call: Call) -> Value:
    """Return the place of the largest or smallest element along an axis."""
    value, axis = call.value(0), call.integer("axis", 0)
    axis %= value.rank
    place = value.place(axis)
    function = tf.argmax if call.node.op_type == "ArgMax" else tf.argmin
    x = value.as_stored()
    if call.integer("select_last_index", 0):
        size = tf.shape(x, out_type=tf.int64)[place]
        found = size - 1 - function(tf.reverse(x, [place]), place)
    else:
        found = function(x, place)
    if call.integer("keepdims", 1):
        return Value(tf.expand_dims(found, place), value.order)
    return Value(found, without(value.order, [axis]))


@operator("CumSum", "CumProd")
def cumulative(call: Call) -> Value:
    """Return running sums or products along an axis."""
    value = call.value(0)
    place = value.place(int(call.array(1).reshape(-1)[0]))
    function = tf.cumsum if call.node.op_type == "CumSum" else tf.math.cumprod
    exclusive, reverse = call.integer("exclusive", 0), call.integer("reverse", 0)
    return value.mapped(
        lambda x: function(x, place, exclusive=bool(exclusive), reverse=bool(reverse))
    )


@operator("TopK")
def top_k(call: Call) -> tuple[Value, Value]:
    """Return the largest or smallest elements along an axis, and their places."""
    value = call.value(0)
    axis = call.integer("axis", -1) % value.rank
    order = (*(one for one in range(value.rank) if one != axis), axis)
    x = value.in_order(order)
    known = call.value(1).array if call.has(1) else call.attribute("k", 1)
    k = call.tensor(1) if known is None else known
    k = int(k.reshape(-1)[0]) if hasattr(k, "reshape") else k
    k = tf.cast(tf.reshape(k, []), tf.int32) if tf.is_tensor(k) else k
    if call.integer("largest", 1):
        best, places = tf.math.top_k(x, k)
    else:
        best, places = _smallest(x, k)
    return Value(best, order), Value(tf.cast(places, tf.int64), order)


def _smallest(x: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    wide = tf.cast(x, tf.int64) if x.dtype.is_integer else x
    turned = -1 - wide if x.dtype.is_integer else -wide
    best, places = tf.math.top_k(turned, k)
    back = -1 - best if x.dtype.is_integer else -best
    return tf.cast(back, x.dtype), places
