"""Attributes and constants of a pivot's node, as its operator in TFLite says them."""

from collections.abc import Iterable
from typing import cast

import numpy as np

from analyzer.core.types import Array, AttributeValue, Node, Permutation
from rewriter.export.tflite_file import (
    NOTHING,
    FbOperator,
    Flatbuffer,
    kind,
    option,
    set_option,
    set_value,
    value,
)
from rewriter.export.tflite_grids import dequantized, set_float, set_rounded
from rewriter.export.tflite_owners import (
    Owners,
    adds_bias,
    composed,
    inverse,
    is_beta,
    permutation,
)
from rewriter.export.tflite_padding import WINDOWED, pad
from rewriter.export.tflite_refusal import refusal
from rewriter.export.tflite_values import SLOTS, relaid, same_constant

PADDING = frozenset({"pads", "auto_pad", "ceil_mode", "count_include_pad"})
"""Attributes that together decide how a window is padded."""

IMPLIED = frozenset({"kernel_shape", "group", "storage_order", "noop_with_empty_axes"})
"""Attributes that the flatbuffer tells by a weight's shape, or that it has no need of."""

AXES = frozenset({"axis", "axes", "perm"})
"""Attributes that count axes, from the end where they are negative."""

BIAS = 2
"""Input slot of a bias."""

Number = int | float | bool


def settle(
    flatbuffer: Flatbuffer, owned: Owners, pair: tuple[Node, Node], image: tuple[int, ...]
) -> None:
    """Give an operator the attributes and constants that its node has after the repair.

    Args:
        flatbuffer: The tree, changed in place.
        owned: What stands behind the pivot.
        pair: The node as it was imported, and after the repair.
        image: Sizes of its first input after the repair, in the flatbuffer's axes; empty
            where they are unknown.

    Raises:
        ExportError: TFLite cannot say it, or what it has is not what was imported.
    """
    before, after = pair
    operator = owned.operators.get(before.name)
    if operator is None:
        raise refusal(after, "it stands for no operator of its own in the flatbuffer")
    layout = owned.layout.get(before.inputs[0], ())
    if before.outputs[0] not in owned.layout:
        layout = ()
    was, now = before.attributes, after.attributes
    if not layout and any(was.get(name) != now.get(name) for name in AXES):
        raise refusal(after, "its axes lie there in an order that is not known")
    _set_options(flatbuffer, operator, pair, layout)
    handled = _set_operands(flatbuffer, operator, pair, (layout, owned))
    _set_constants(flatbuffer, operator, pair, handled)
    if after.op in WINDOWED:
        pad(flatbuffer, operator, after, image)


def options(node: Node, layout: Permutation) -> dict[str, Number]:
    """Return a node's attributes as the schema's options, where the two mean the same.

    Args:
        node: A node of the pivot.
        layout: Of its first input.
    """
    found: dict[str, Number] = {}
    for name, fields in SIZES.items():
        numbers = node.attributes.get(name) or ONES.get(name)
        if node.op in {*WINDOWED, "ConvTranspose"} and isinstance(numbers, tuple):
            found |= dict(zip(fields, cast("tuple[int, ...]", numbers), strict=False))
    match node.op, node.attributes:
        case "LeakyRelu", {"alpha": float(alpha)}:
            found["alpha"] = alpha
        case "Concat" | "Gather", {"axis": int(axis)} if layout:
            found["axis"] = layout[axis % len(layout)]
        case str(op), {"keepdims": int(keeps)} if op.startswith("Reduce"):
            found["keepDims"] = bool(keeps)
        case "Resize", {"coordinate_transformation_mode": str(mode)}:
            found["alignCorners"] = mode == "align_corners"
            found["halfPixelCenters"] = mode in {"half_pixel", "pytorch_half_pixel"}
        case _:
            pass
    return found


SIZES = {
    "strides": ("strideH", "strideW"),
    "dilations": ("dilationHFactor", "dilationWFactor"),
    "kernel_shape": ("filterHeight", "filterWidth"),
}
"""The options that hold each of ONNX's attributes of two sizes."""

ONES = {"strides": (1, 1), "dilations": (1, 1)}
"""What ONNX takes where a node does not say."""

SPOKEN = {
    "LeakyRelu": {"alpha"},
    "Concat": {"axis"},
    "Gather": {"axis"},
    "Transpose": {"perm"},
    "Resize": {"coordinate_transformation_mode"},
}
"""Attributes that `options` and `_operands` render, by operator."""


def _set_options(
    flatbuffer: Flatbuffer,
    operator: FbOperator,
    nodes: tuple[Node, Node],
    layout: Permutation,
) -> None:
    before, after = nodes
    was, now = options(before, layout), options(after, layout)
    for name in sorted(now):
        if was.get(name) == now[name] or not hasattr(operator.builtinOptions, name):
            continue
        own = _number(option(operator, name), name, len(layout))
        if name in was and own != np.float32(was[name]):
            raise refusal(after, f"its {name} there is {own}, imported as {was[name]}")
        set_option(operator, name, now[name])
    names = before.attributes.keys() | after.attributes.keys()
    spoken = SPOKEN.get(after.op, set()) | IMPLIED
    spoken |= {"axes", "keepdims"} if after.op.startswith("Reduce") else set()
    spoken |= PADDING | SIZES.keys() if after.op in WINDOWED else set()
    spoken |= {"strides"} if after.op == "ConvTranspose" else set()
    for name in sorted(names - spoken):
        if not _agree(before.attributes.get(name), after.attributes.get(name)):
            raise refusal(after, f"{kind(flatbuffer, operator)} has no {name}")


def _agree(first: AttributeValue | None, second: AttributeValue | None) -> bool:
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        return np.array_equal(cast("Array", first), cast("Array", second))
    return first == second


def _number(own: object, name: str, rank: int) -> np.float32:
    """Return an option as a number that compares; axes count from the front."""
    number = float(cast("Number", own))
    return np.float32(number % rank if name in AXES and rank else number)


def _set_operands(
    flatbuffer: Flatbuffer,
    operator: FbOperator,
    nodes: tuple[Node, Node],
    context: tuple[Permutation, Owners],
) -> set[int]:
    """Write the integer operands that mean axes, sizes and paddings; return their slots."""
    (before, after), (layout, owned) = nodes, context
    target = owned.layout.get(before.outputs[0], ())
    was, now = _operands(before, layout, target), _operands(after, layout, target)
    for slot, array in now.items():
        if slot in was and np.array_equal(was[slot], array):
            continue
        own = value(flatbuffer, int(operator.inputs[slot]))
        if own is None or slot not in was or not _is_rendered(own, was[slot]):
            raise refusal(after, "what it has there is not what was imported")
        written = array.reshape(own.shape) if array.size == own.size else array
        set_value(flatbuffer, operator, slot, written.astype(own.dtype))
        if after.op == "Reshape" and operator.builtinOptions is not None:
            set_option(operator, "newShape", written.astype(np.int32))
    return {1} if now else set()


def _operands(node: Node, layout: Permutation, target: Permutation) -> dict[int, Array]:
    """Return the operands whose numbers depend on a layout, by TFLite's slot."""
    rank = len(layout)
    if not rank:
        return {}
    match node.op, node.constants:
        case "Pad", {1: pads} if pads.size == 2 * rank:
            rows = pads.reshape(2, rank).T
            return {1: rows[list(inverse(layout))]}
        case "Transpose", _:
            axes = composed(composed(layout, permutation(node, rank)), inverse(target))
            return {1: np.array(axes)}
        case "Reshape", {1: shape} if layout == tuple(range(rank)):
            return {1: shape}
        case str(op), {1: axes} if op.startswith("Reduce"):
            return {1: np.array(sorted(layout[int(axis) % rank] for axis in axes))}
        case _:
            return {}


def _is_rendered(own: Array, was: Array) -> bool:
    """Return whether TFLite has what the import shows, order and free sizes apart."""
    if own.ndim <= 1 and set(own.ravel().tolist()) == set(was.ravel().tolist()):
        return True
    if own.size != was.size:
        return False
    pairs = zip(own.ravel(), was.ravel(), strict=True)
    return all(a == b or NOTHING in {int(a), int(b)} for a, b in pairs)


def _set_constants(
    flatbuffer: Flatbuffer,
    operator: FbOperator,
    nodes: tuple[Node, Node],
    handled: set[int],
) -> None:
    """Write the weights that changed, each where its exact old value stands."""
    before, after = nodes
    slots = (before.constants.keys() | after.constants.keys()) - handled
    for slot in sorted(slots):
        if same_constant(before, after, slot):
            continue
        if slot not in after.constants:
            raise refusal(after, f"its input {slot} is no longer constant")
        if slot not in before.constants:
            _add_operand(flatbuffer, operator, after, slot)
            continue
        old, new = before.constants[slot], after.constants[slot]
        if is_beta(flatbuffer, operator, before) and new.size == 1:
            set_option(operator, "beta", float(new.item()))
            continue
        place, both = slot, (old, new)
        if adds_bias(flatbuffer, operator, before):
            place, both = BIAS, (old.reshape(-1), new.reshape(-1))
        if not relay(flatbuffer, operator, both, place):
            raise refusal(after, f"no constant there is what input {slot} was imported as")


def relay(
    flatbuffer: Flatbuffer, operator: FbOperator, values: tuple[Array, Array], slot: int
) -> bool:
    """Write a constant's new value where the old one is found; return whether it was.

    Args:
        flatbuffer: The tree, changed in place.
        operator: The reader.
        values: The pivot's value before the repair and after it.
        slot: Which input of its node they are.
    """
    name = kind(flatbuffer, operator)
    usual = SLOTS.get((name, slot))
    slots = range(len(operator.inputs)) if usual is None else (usual,)
    for place in slots:
        reader, place_there, own = _source(flatbuffer, operator, place)
        index = NOTHING if own is None else int(reader.inputs[place_there])
        if own is None or dequantized(flatbuffer, index) is not None:
            continue  # integers of a grid are none of the pivot's floats, not even zeros
        floats = relaid(own.astype(values[0].dtype), *values, name)
        if floats is None:
            continue
        if own.dtype == np.float16 and np.array_equal(floats.astype(own.dtype), own):
            set_float(flatbuffer, operator, place, floats)  # its full precision is wanted
        else:
            set_value(flatbuffer, reader, place_there, floats.astype(own.dtype))
        return True
    return _relay_rounded(flatbuffer, operator, values, slots)


def _relay_rounded(
    flatbuffer: Flatbuffer,
    operator: FbOperator,
    values: tuple[Array, Array],
    slots: Iterable[int],
) -> bool:
    """Write a constant's new value where the old one is stored as integers on a grid."""
    name = kind(flatbuffer, operator)
    for place in slots:
        there = place < len(operator.inputs) and int(operator.inputs[place]) != NOTHING
        own = dequantized(flatbuffer, int(operator.inputs[place])) if there else None
        new = None if own is None else relaid(own, *values, name)
        if new is not None:
            return set_rounded(flatbuffer, operator, place, new)
    return False


def _source(
    flatbuffer: Flatbuffer, operator: FbOperator, slot: int
) -> tuple[FbOperator, int, Array | None]:
    """Return who reads the constant behind an input, where, and its value.

    Half-precision weights are read by a DEQUANTIZE first.
    """
    if slot >= len(operator.inputs):
        return operator, slot, None
    index = int(operator.inputs[slot])
    own = value(flatbuffer, index)
    giver = next(
        (
            one
            for one in flatbuffer.graph.operators
            if index in {int(i) for i in one.outputs}
        ),
        None,
    )
    if own is not None or giver is None or kind(flatbuffer, giver) != "DEQUANTIZE":
        return operator, slot, own
    half = value(flatbuffer, int(giver.inputs[0]))
    is_half = half is not None and half.dtype == np.float16
    return giver, 0, half if is_half else None


def _add_operand(
    flatbuffer: Flatbuffer, operator: FbOperator, node: Node, slot: int
) -> None:
    """Give an operator a bias it did not have, or had as zeros that the import left out."""
    place = SLOTS.get((kind(flatbuffer, operator), slot))
    if place is None:
        raise refusal(node, f"{kind(flatbuffer, operator)} has no room for input {slot}")
    index = int(operator.inputs[place]) if place < len(operator.inputs) else NOTHING
    own = value(flatbuffer, index)
    if own is not None and own.any():
        raise refusal(node, f"input {slot} is taken there by another constant")
    set_value(flatbuffer, operator, place, node.constants[slot].astype(np.float32))
