"""Expand: a value broadcast against a shape, known or not."""

from collections.abc import Sequence

import tensorflow as tf

from rewriter.export.tensorflow_graph.operators.shaping import size_of
from rewriter.export.tensorflow_graph.sizes import whole
from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value
from rewriter.export.tensorflow_graph.weights import Tensor


@operator("Expand")
def expand(call: Call) -> Value | Tensor:
    """Return a value broadcast against a shape."""
    value, wanted = call.value(0), whole(call.value(1))
    if wanted is None:
        return _spread(call, value)
    ones: list[int | None] = [1] * abs(len(wanted) - value.rank)
    longer = len(wanted) > value.rank
    own = [*(ones if longer else []), *value.shape]
    asked = [*([] if longer else ones), *wanted]
    if own == asked == list(value.shape) and None not in own:
        return value
    sizes = [_larger(*pair) for pair in zip(own, asked, strict=True)]
    if None not in sizes:
        return tf.broadcast_to(value.tensor, sizes)
    spread = _spread(call, value) if _is_open(own, asked) else _filled(call, value, asked)
    spread.set_shape(sizes)
    return spread


def _is_open(own: Sequence[int | None], asked: Sequence[int | None]) -> bool:
    """Return whether two sizes meet that are known only at run time."""
    return any(pair == (None, None) for pair in zip(own, asked, strict=True))


def _filled(call: Call, value: Value, asked: Sequence[int | None]) -> Tensor:
    """Return a value broadcast where each size is known on one side at least."""
    missing = len(asked) - value.rank
    beyond = len(asked) - int(call.value(1).shape[0] or 0)
    sizes = []
    for axis, size in enumerate(asked):
        own = 1 if axis < missing else value.shape[axis - missing]
        if own == 1:
            wanted = call.tensor(1)[axis - beyond] if size is None else size
        else:
            wanted = size_of(value, axis - missing) if size in {1, None} else size
        sizes.append(tf.cast(wanted, tf.int32))
    return tf.broadcast_to(value.tensor, tf.stack(sizes))


def _spread(call: Call, value: Value) -> Tensor:
    """Return a value broadcast against a shape known only at run time."""
    everywhere = tf.fill(call.tensor(1), value=True)
    return tf.where(everywhere, value.tensor, value.tensor)


def _larger(own: int | None, asked: int | None) -> int | None:
    """Return the size that two broadcast to, None where that is not known."""
    if own == 1 or (own is None and asked not in {1, None}):
        return asked
    return own
