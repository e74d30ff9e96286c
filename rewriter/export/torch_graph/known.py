"""Arithmetic on sizes, which are known while the graph is walked: numbers, or symbols.

A reshape whose shape is reckoned from the shape of its input must not become one that
depends on values: torch could not say the shape of anything behind it. So what is reckoned
from sizes stays outside of the program, as arrays of integers and of torch's symbols.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from analyzer.core.types import Array
from rewriter.export.torch_graph.call import Call, Held

Reckon = Callable[[Call, list[Array]], Array | tuple[Array, ...] | None]

SIZED_BY = {"Expand": 1, "Range": 0, "Reshape": 1}
"""From which input on the size of a result depends on values: where these are symbols,
torch has to compute it, and the size stays a symbol."""

LONGEST = 4096
"""Elements up to which an array counts as sizes; longer ones are left to torch."""

WHOLE = frozenset({TensorProto.INT32, TensorProto.INT64})
PLAIN = WHOLE | {
    TensorProto.BOOL, TensorProto.DOUBLE, TensorProto.FLOAT, TensorProto.FLOAT16,
}  # fmt: skip
"""What sizes, and numbers that are compared with sizes, are cast to."""

COMPARED = frozenset({"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"})


def reckoned(call: Call) -> tuple[Array, ...] | None:
    """Return a node's results where they are sizes; None where torch computes them."""
    kind = call.node.op_type
    if kind in {"Shape", "Size"}:
        return (_measured(call),)
    if kind in {"Cast", "CastLike"}:
        cast = _cast(call)
        return None if cast is None else (cast,)
    known = [_sizes_of(value, lone=kind in COMPARED) for value in call.inputs]
    given = [array for array in known if array is not None]
    if kind not in RECKONED or len(given) != len(known) or not given:
        return None
    first = SIZED_BY.get(kind, len(given))
    if any(_is_symbolic(array) for array in given[first:]):
        return None
    found = RECKONED[kind](call, given)
    return found if found is None or isinstance(found, tuple) else (found,)


def casts(node: onnx.NodeProto, read: Sequence[Any]) -> bool:
    """Return whether a node gives a lone number of the graph another dtype.

    Exporters write a limit or a step as a number of one dtype, cast to that of a tensor.

    Args:
        node: Any node.
        read: Its inputs.
    """
    return node.op_type in {"Cast", "CastLike"} and not read[0].array.ndim


def _cast(call: Call) -> Array | None:
    """Return sizes, or one number, in another dtype; None where torch casts."""
    code = call.option("to") if call.node.op_type == "Cast" else call.kind(1)
    known = _sizes_of(call.inputs[0], lone=True)
    if known is None or code not in PLAIN:
        return None
    if known.dtype == object:
        return known if code in WHOLE else None
    return known.astype(helper.tensor_dtype_to_np_dtype(code))


def _sizes_of(value: Any, *, lone: bool) -> Array | None:
    """Return an array of sizes; where lone numbers count as well, any one number."""
    if isinstance(value, Held):
        if value.array.ndim == 0 and lone:
            return value.array
        value = None if value.weight else value.array
    if not isinstance(value, np.ndarray) or value.size > LONGEST:
        return None
    return value if value.dtype.kind in "ibO" or not value.ndim else None


def _measured(call: Call) -> Array:
    value = call.inputs[0]
    shape = value.array.shape if isinstance(value, Held) else value.shape
    if call.node.op_type == "Size":
        return sizes(reduce(lambda one, other: one * other, shape, 1))
    return sizes(list(shape)[call.option("start", 0) : call.option("end")])


def sizes(numbers: Any) -> Array:
    """Return numbers as an array: int64, or of dtype object where one is a symbol.

    Args:
        numbers: A number, or numbers in nested lists.
    """
    array = np.array(numbers, dtype=object)
    return array if _is_symbolic(array) else array.astype(np.int64)


def _is_symbolic(array: Array) -> bool:
    return any(isinstance(one, torch.SymInt) for one in array.flat)


def _joined(call: Call, given: list[Array]) -> Array:
    return np.concatenate(given, axis=call.option("axis", 0))


def _gathered(call: Call, given: list[Array]) -> Array:
    values, places = given
    return np.asarray(values.take(places.astype(np.int64), axis=call.option("axis", 0)))


def _sliced(call: Call, given: list[Array]) -> Array:
    if len(given) == 1:
        starts, ends = call.option("starts"), call.option("ends")
        axes, steps = call.option("axes"), None
    else:
        starts, ends, axes, steps = (call.numbers(s) if call.has(s) else None for s in _4)
    value = given[0]
    index: list[slice] = [slice(None)] * value.ndim
    for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = axes[place] if axes else place
        index[axis] = slice(start, end, steps[place] if steps else 1)
    return np.asarray(value[tuple(index)])


_4 = (1, 2, 3, 4)


def _divided(_: Call, given: list[Array]) -> Array:
    one, other = given
    if one.dtype.kind == "f":
        return np.asarray(one / other)
    if _is_symbolic(one) or _is_symbolic(other):
        return np.asarray(one // other)  # sizes are not negative: truncation is floor
    return np.asarray(np.sign(one) * np.sign(other) * (abs(one) // abs(other)))


def _reduced(combine: Callable[[Any, Any], Any], start: int) -> Reckon:
    def reduction(call: Call, given: list[Array]) -> Array | None:
        if given[0].ndim != 1 or call.option("noop_with_empty_axes", 0):
            return None
        total = reduce(combine, given[0].flat, start)
        shape = (1,) if call.option("keepdims", 1) else ()
        return _settled(np.array([total], dtype=object).reshape(shape), given[0].dtype)

    return reduction


def _filled(_: Call, given: list[Array]) -> Array:
    shape = tuple(int(size) for size in given[1])
    return np.broadcast_to(given[0], np.broadcast_shapes(given[0].shape, shape))


def _ranged(_: Call, given: list[Array]) -> Array:
    return np.arange(*(one.item() for one in given), dtype=given[0].dtype)


def _reshaped(_: Call, given: list[Array]) -> Array | None:
    if not all(given[1].flat):  # a size to copy, or an empty result
        return None
    return given[0].reshape([int(size) for size in given[1]])


def _axes(call: Call) -> tuple[int, ...] | None:
    axes = call.listed(1, "axes")
    return None if axes is None else tuple(axes)


def _split(call: Call, given: list[Array]) -> tuple[Array, ...]:
    axis = call.option("axis", 0)
    parts = call.listed(1, "split")
    if parts is None:
        return tuple(np.array_split(given[0], call.outputs, axis))
    return tuple(np.split(given[0], np.cumsum(parts)[:-1].astype(int), axis))


def _extreme(choose: Callable[[Any, Any], Any]) -> Reckon:
    chosen = np.frompyfunc(choose, 2, 1)
    return lambda _, given: _settled(reduce(chosen, given), given[0].dtype)


def _settled(array: Any, dtype: Any) -> Array:
    """Return an array of objects in the dtype it had, if no symbol is among them."""
    whole = np.asarray(array, dtype=object)
    return whole if _is_symbolic(whole) or dtype.kind == "O" else whole.astype(dtype)


def _multiplied(_: Call, given: list[Array]) -> Array:
    return np.asarray(given[0] * given[1])


def _compared(compare: Callable[[Any, Any], Any], given: list[Array]) -> Array:
    """Return a comparison as booleans; that of a symbol holds from then on."""
    found = compare(*given)
    return np.array(found, dtype=object).astype(bool)


RECKONED: Mapping[str, Reckon] = {
    "And": lambda _, given: np.logical_and(*given),
    "Equal": lambda _, given: _compared(operator.eq, given),
    "Greater": lambda _, given: _compared(operator.gt, given),
    "GreaterOrEqual": lambda _, given: _compared(operator.ge, given),
    "Less": lambda _, given: _compared(operator.lt, given),
    "LessOrEqual": lambda _, given: _compared(operator.le, given),
    "Not": lambda _, given: np.logical_not(given[0]),
    "Or": lambda _, given: np.logical_or(*given),
    "Where": lambda _, given: _settled(np.where(*given), given[1].dtype),
    "Add": lambda _, given: np.asarray(given[0] + given[1]),
    "Concat": _joined,
    "Div": _divided,
    "Expand": _filled,
    "Gather": _gathered,
    "Identity": lambda _, given: given[0],
    "Max": _extreme(torch.sym_max),
    "Min": _extreme(torch.sym_min),
    "Mul": _multiplied,
    "Neg": lambda _, given: np.asarray(-given[0]),
    "Range": _ranged,
    "ReduceProd": _reduced(lambda one, other: one * other, 1),
    "ReduceSum": _reduced(lambda one, other: one + other, 0),
    "Reshape": _reshaped,
    "Slice": _sliced,
    "Split": _split,
    "Squeeze": lambda call, given: np.squeeze(given[0], _axes(call)),
    "Sub": lambda _, given: np.asarray(given[0] - given[1]),
    "Unsqueeze": lambda call, given: np.expand_dims(given[0], _axes(call) or ()),
}
