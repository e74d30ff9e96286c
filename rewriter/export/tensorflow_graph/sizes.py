"""Shapes partly known: the sizes that an unknown batch leaves known, through arithmetic."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import tensorflow as tf

from rewriter.export.tensorflow_graph.table import Call, as_array
from rewriter.export.tensorflow_graph.values import Value, valued
from rewriter.export.tensorflow_graph.weights import Tensor

FIRST = frozenset({"Gather", "Slice", "Unsqueeze", "Squeeze", "Reshape", "Identity"})
"""Operators that only move the elements of their first input."""

EVERY = frozenset({"Concat", "Mul", "Add", "Sub"})
"""Operators through which not-a-number stays where it was unknown."""


def partly_known(call: Call, function: Callable[[Call], Tensor], result: Value) -> Value:
    """Return a node's output with what is known of its content.

    The node is computed on its partly known inputs with NaN for what is not known.

    Args:
        call: The node with its inputs.
        function: Its operator's.
        result: Its first output.

    Returns:
        A known value where nothing unknown is left in it.
    """
    if result.sizes is not None or result.array is not None:
        return result
    if not any(one is not None and one.sizes is not None for one in call.inputs):
        return result
    if call.node.op_type == "Cast":
        known = call.value(0).sizes
        return replace(result, sizes=known) if result.dtype.is_integer else result
    inputs = _with_unknown(call)
    if inputs is None or not result.dtype.is_integer:
        return result
    with tf.init_scope():
        known = as_array(valued(function(replace(call, inputs=inputs))).tensor)
    if np.isnan(known).any():
        return replace(result, sizes=known)
    return valued(known.astype(result.dtype.as_numpy_dtype))


def _with_unknown(call: Call) -> tuple[Value | None, ...] | None:
    """Return inputs as floats with NaN for the unknown; None where that is no help."""
    moved = call.node.op_type in FIRST
    if not moved and call.node.op_type not in EVERY:
        return None
    inputs = []
    for place, one in enumerate(call.inputs):
        if one is None or (moved and place > 0):
            inputs.append(one)
            continue
        numbers = one.array if one.sizes is None else one.sizes
        if numbers is None:
            return None
        inputs.append(valued(np.asarray(numbers, np.float64)))
    computed = (one for one in inputs if one is not None and one.array is None)
    return None if any(True for _ in computed) else tuple(inputs)


def whole(value: Value) -> list[int | None] | None:
    """Return a shape tensor's numbers, None for each that is not known.

    Args:
        value: One axis of integers.

    Returns:
        None where nothing at all is known.
    """
    if value.array is not None:
        return [int(number) for number in value.array.reshape(-1)]
    if value.sizes is None:
        return None
    numbers = value.sizes.reshape(-1)
    return [None if np.isnan(number) else int(number) for number in numbers]
