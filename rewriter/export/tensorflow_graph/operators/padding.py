"""Padding in all modes, and crops."""

import numpy as np
import tensorflow as tf

from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value
from rewriter.export.tensorflow_graph.weights import Tensor

Ends = list[tuple[int, int]]


@operator("Pad")
def pad(call: Call) -> Value:
    """Return x with more at its ends, or less where a number is negative."""
    value = call.value(0)
    if call.has(1) and call.value(1).array is None:
        return _computed(call, value)
    flat = call.integers(1, "pads") or []
    axes = list(range(value.rank))
    if call.has(3):
        axes = [int(axis) % value.rank for axis in call.array(3)]
    ends = [(0, 0)] * value.rank
    for place, axis in enumerate(axes):
        ends[value.place(axis)] = (flat[place], flat[place + len(axes)])
    x = _cropped(value.as_stored(), ends)
    more = [(max(before, 0), max(behind, 0)) for before, behind in ends]
    if not any(map(any, more)):
        return Value(x, value.order)
    return Value(_padded(call, x, more), value.order)


def _cropped(x: Tensor, ends: Ends) -> Tensor:
    if all(before >= 0 and behind >= 0 for before, behind in ends):
        return x
    cuts = [slice(max(-b, 0), min(e, 0) or None) for b, e in ends]
    return x[tuple(cuts)]


def _padded(call: Call, x: Tensor, ends: Ends) -> Tensor:
    mode = call.text("mode", "constant")
    if mode == "constant":
        filling = _filling(call)
        return tf.pad(x, ends, constant_values=0 if _is_nought(filling) else filling)
    if mode == "reflect" and _fits(x, ends):
        return tf.pad(x, ends, "REFLECT")
    for axis, (before, behind) in enumerate(ends):
        if before or behind:
            x = _gathered(call, x, axis, (before, behind), mode)
    return x


def _fits(x: Tensor, ends: Ends) -> bool:
    """Return whether no reflection is longer than what it reflects."""
    sizes = [0 if size is None else size for size in x.shape]
    return all(
        max(pair) < size or not any(pair) for size, pair in zip(sizes, ends, strict=True)
    )


def _gathered(call: Call, x: Tensor, axis: int, ends: tuple[int, int], mode: str) -> Tensor:
    """Return x padded along an axis by copies of its own elements."""
    size = x.shape[axis]
    if size is None:
        raise call.refusal(f"pads an axis of unknown size with mode {mode}")
    names = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}
    places = np.pad(np.arange(size), ends, names[mode])  # type: ignore[call-overload]  # a mode
    return tf.gather(x, places, axis=axis)


def _is_nought(filling: Tensor) -> bool:
    return not tf.is_tensor(filling) and filling == 0


def _filling(call: Call) -> Tensor:
    if call.has(2):
        known = call.value(2).array
        held = call.tensor(2) if known is None else known
        return tf.reshape(held, []) if known is None else known.reshape(-1)[0]
    return call.number("value", 0.0)


def _computed(call: Call, value: Value) -> Value:
    """Return x padded by numbers known only at run time."""
    if call.text("mode", "constant") != "constant" or call.has(3):
        raise call.refusal("pads by numbers that are known only when the model runs")
    both = tf.transpose(tf.reshape(call.tensor(1), [2, -1]))
    padded = tf.pad(value.tensor, both, constant_values=_filling(call))
    return Value(padded, tuple(range(value.rank)))


@operator("CenterCropPad")
def center_crop_pad(call: Call) -> Value:
    """Return x cropped or padded to sizes, the same on both sides."""
    value = call.value(0)
    wanted = [int(size) for size in call.array(1)]
    axes = [axis % value.rank for axis in call.attribute("axes", range(value.rank))]
    ends = [(0, 0)] * value.rank
    for axis, size in zip(axes, wanted, strict=True):
        own = value.shape[axis]
        if own is None:
            raise call.refusal("crops an axis of unknown size")
        ends[value.place(axis)] = _centred(own, size)
    x = _cropped(value.as_stored(), ends)
    return Value(tf.pad(x, [(max(b, 0), max(e, 0)) for b, e in ends]), value.order)


def _centred(own: int, size: int) -> tuple[int, int]:
    if own > size:
        before = (own - size) // 2
        return -before, -(own - size - before)
    before = (size - own) // 2
    return before, size - own - before
