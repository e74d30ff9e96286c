"""If, Loop and Scan: decided and written out where they are known, else in the graph."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import tensorflow as tf

from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value, valued
from rewriter.export.tensorflow_graph.weights import Tensor

MOST_STEPS = 256
"""Steps up to which a loop of known length is written out."""

TRUE = np.array(1, bool)

Body = Callable[[Value, list[Value]], tuple[Value, list[Value], list[Value]]]
"""From a step's number and states to: whether to go on, new states, values to keep."""


@operator("If")
def if_else(call: Call) -> tuple[Value | Tensor, ...]:
    """Return one branch's outputs: the branch itself where the condition is known."""
    condition = call.value(0)
    graphs = call.attribute("then_branch", None), call.attribute("else_branch", None)
    if condition.array is not None:
        chosen = graphs[0] if condition.array.any() else graphs[1]
        return tuple(call.scope.branch(chosen, {}))

    def taken(graph: onnx.GraphProto) -> Callable[[], list[Tensor]]:
        return lambda: [one.tensor for one in call.scope.branch(graph, {})]

    return tuple(tf.cond(tf.reshape(condition.tensor, []), *map(taken, graphs)))


@operator("Loop")
def loop(call: Call) -> tuple[Value | Tensor, ...]:
    """Return the last states of a loop, and what each step gave."""
    graph = call.attribute("body", None)
    names = [one.name for one in graph.input]
    states = [call.value(place) for place in range(2, len(call.inputs))]
    count = len(states)

    def body(step: Value, held: list[Value]) -> tuple[Value, list[Value], list[Value]]:
        given = [step, valued(TRUE), *held]
        results = call.scope.branch(graph, dict(zip(names, given, strict=True)))
        return results[0], results[1 : count + 1], results[count + 1 :]

    most = call.value(0) if call.has(0) else None
    goes = call.value(1) if call.has(1) else valued(TRUE)
    return _repeated(_Plan(call, body, most, goes), states)


@operator("Scan")
def scan(call: Call) -> tuple[Value | Tensor, ...]:
    """Return the last states of a scan over sequences, and the sequences it gives."""
    graph = call.attribute("body", None)
    names = [one.name for one in graph.input]
    width = call.integer("num_scan_inputs", 1)
    count = len(call.inputs) - width
    states = [call.value(place) for place in range(count)]
    read = [call.value(count + place) for place in range(width)]
    axes = call.attribute("scan_input_axes", [0] * width)
    backward = call.attribute("scan_input_directions", [0] * width)
    fed = [_first(*one) for one in zip(read, axes, backward, strict=True)]

    def body(step: Value, held: list[Value]) -> tuple[Value, list[Value], list[Value]]:
        given = [*held, *(_at(one, step) for one in fed)]
        results = call.scope.branch(graph, dict(zip(names, given, strict=True)))
        return valued(TRUE), results[:count], results[count:]

    known = fed[0].shape[0]
    steps = tf.shape(fed[0].tensor, out_type=tf.int64)[0] if known is None else known
    most = valued(np.array(steps, np.int64) if known is not None else steps)
    plan = _Plan(call, body, most, valued(TRUE))
    results = list(_repeated(plan, states))
    number = len(results) - count
    turned = call.attribute("scan_output_directions", [0] * number)
    to = call.attribute("scan_output_axes", [0] * number)
    for place in range(number):
        results[count + place] = _placed(
            valued(results[count + place]), to[place], turned[place]
        )
    return tuple(results)


def _first(value: Value, axis: int, backward: int) -> Value:
    """Return a sequence with its steps along the first axis, in the order they come."""
    axes = [axis % value.rank, *(a for a in range(value.rank) if a != axis % value.rank)]
    moved = value.moved(axes)
    return valued(tf.reverse(moved.tensor, [0])) if backward else moved


def _placed(value: Value, axis: int, backward: int) -> Value:
    moved = valued(tf.reverse(value.tensor, [0])) if backward else value
    axes = list(range(1, value.rank))
    axes.insert(axis % value.rank, 0)
    return moved.moved(axes)


def _at(value: Value, step: Value) -> Value:
    if step.array is not None and value.array is not None:
        return valued(np.asarray(value.array[int(step.array)]))
    return valued(value.tensor[step.tensor if step.array is None else int(step.array)])


@dataclass(frozen=True, slots=True)
class _Plan:
    """A loop: its body, how often at most, and whether it begins."""

    call: Call
    body: Body
    most: Value | None
    goes: Value


def _repeated(plan: "_Plan", states: list[Value]) -> tuple[Value | Tensor, ...]:
    written = _written_out(plan, states)
    return _in_graph(plan, states) if written is None else written


def _written_out(plan: _Plan, states: list[Value]) -> tuple[Value | Tensor, ...] | None:
    """Return a loop's results step by step; None where its length is not known."""
    most = MOST_STEPS + 1 if plan.most is None else plan.most.array
    if most is None or plan.goes.array is None:
        return None
    count, goes, kept = int(np.asarray(most).reshape(())), plan.goes.array, []
    step = 0
    while step < count and goes.any():
        if step == MOST_STEPS:
            return None
        goes_on, states, scans = plan.body(valued(np.array(step, np.int64)), states)
        if goes_on.array is None:
            return None
        goes, step = goes_on.array, step + 1
        kept.append(scans)
    if not kept and len(plan.call.node.output) > len(states):
        return None
    rows = (tf.stack([one.tensor for one in column]) for column in zip(*kept, strict=True))
    return (*states, *rows)


def _in_graph(plan: _Plan, states: list[Value]) -> tuple[Tensor, ...]:
    """Return a loop's results as the program computes them."""
    first = [state.tensor for state in states]
    shapes, scans = _shapes(plan, states)
    count = len(first)
    goes = tf.reshape(plan.goes.tensor, [])
    most = None if plan.most is None else tf.reshape(plan.most.tensor, [])

    def condition(step: Tensor, on: Tensor, *_: Tensor) -> Tensor:
        return on if most is None else tf.logical_and(on, step < most)

    def body(step: Tensor, _: Tensor, *held: Tensor) -> list[Tensor]:
        given = [valued(one) for one in held[:count]]
        on, new, rows = plan.body(valued(step), given)
        longer = [
            _longer(old, row.tensor, step)
            for old, row in zip(held[count:], rows, strict=True)
        ]
        return [step + 1, tf.reshape(on.tensor, []), *(one.tensor for one in new), *longer]

    begun = [_begun(row, lite=plan.call.scope.lite) for row in scans]
    start = [tf.constant(0, tf.int64), goes, *first, *(one[0] for one in begun)]
    fixed = [tf.TensorShape([]), tf.TensorShape([]), *shapes, *(one[1] for one in begun)]
    results = tf.while_loop(condition, body, start, shape_invariants=fixed)
    return (*results[2 : count + 2], *map(_ended, results[count + 2 :]))


def _begun(row: Tensor, *, lite: bool) -> tuple[Tensor, Tensor]:
    """Return what holds the rows of each step, and its kind; TFLite has no list of them."""
    if lite:
        none = tf.zeros([0, *(size or 0 for size in row.shape)], row.dtype)
        return none, tf.TensorShape([None, *row.shape])
    held = tf.TensorArray(row.dtype, 0, dynamic_size=True, element_shape=row.shape)
    return held, tf.TensorShape(None)


def _longer(held: Tensor, row: Tensor, step: Tensor) -> Tensor:
    if isinstance(held, tf.TensorArray):
        return held.write(tf.cast(step, tf.int32), row)
    return tf.concat([held, tf.expand_dims(row, 0)], 0)


def _ended(held: Tensor) -> Tensor:
    return held.stack() if isinstance(held, tf.TensorArray) else held


def _shapes(plan: _Plan, states: list[Value]) -> tuple[list[Tensor], list[Tensor]]:
    """Return what stays of the states' shapes after a step, and one step's rows.

    The step is traced once more for this; nothing of it is kept.
    """
    with tf.__internal__.FuncGraph("once").as_default():
        held = [_unknown(state) for state in states]
        step = valued(tf.compat.v1.placeholder(tf.int64, []))
        _, new, rows = plan.body(step, held)
        pairs = zip(states, new, strict=True)
        shapes = [_common(old.shape, after.shape) for old, after in pairs]
        return shapes, [row.tensor for row in rows]


def _unknown(state: Value) -> Value:
    return valued(tf.compat.v1.placeholder(state.dtype, state.shape))


def _common(one: Sequence[int | None], other: Sequence[int | None]) -> Tensor:
    if len(one) != len(other):
        return tf.TensorShape(None)
    return tf.TensorShape([a if a == b else None for a, b in zip(one, other, strict=True)])
