"""Integer grids of a flatbuffer: its tensors hold them, where the pivot has operators."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, cast

import numpy as np

from analyzer.core.grids import READER, SCALE, WRITER, ZERO, along, grid_of
from analyzer.core.types import Array, Node
from rewriter.export.tflite_file import (
    FbOperator,
    Flatbuffer,
    add_constant,
    kind,
    set_value,
    tensor_name,
    value,
)
from rewriter.export.tflite_refusal import refusal

WEIGHT_STEPS = 127
"""Steps of a weight's grid on either side of zero.

Source: https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec
"""


ROUNDED = 0.75
"""Steps up to which a weight is what the stored integers were rounded from: rounding leaves
half of one, and a normalisation folded in another order a little more."""


class FbGrid(Protocol):
    """The quantization of a tensor of the flatbuffer."""

    scale: Array | None
    zeroPoint: Array | None  # noqa: N815  # the schema's name
    quantizedDimension: int  # noqa: N815  # the schema's name


def folded(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Return a pivot's nodes, what takes stored integers off a grid folded into readers.

    Args:
        nodes: The pivot's nodes, in topological order.
    """
    held = {
        node.outputs[0]: _floats(node)
        for node in nodes
        if node.op == READER and 0 in node.constants and grid_of(node) is not None
    }
    return tuple(
        _holding(node, held) for node in nodes if held.keys().isdisjoint(node.outputs)
    )


def _floats(node: Node) -> Array:
    """Return what a DequantizeLinear of constants gives, float32."""
    integers = node.constants[0].astype(np.int64)
    scale, zero = node.constants[SCALE], node.constants.get(ZERO, np.zeros((), np.int64))
    axis = node.attributes.get("axis", 1)
    place = axis if isinstance(axis, int) else 1
    wide = (along(one, place, integers.ndim) for one in (scale, zero.astype(np.int64)))
    return _off_grid(integers, *wide)


def _off_grid(integers: Array, scale: Array, zero: Array) -> Array:
    return np.asarray((integers - zero).astype(np.float32) * scale.astype(np.float32))


def _holding(node: Node, held: dict[str, Array]) -> Node:
    found = {slot: held[name] for slot, name in enumerate(node.inputs) if name in held}
    return replace(node, constants={**node.constants, **found}) if found else node


def regridded(
    flatbuffer: Flatbuffer, before: Sequence[Node], after: Sequence[Node]
) -> tuple[Node, ...]:
    """Return the nodes with the old grids, after giving the flatbuffer the new ones.

    Args:
        flatbuffer: The tree, changed in place.
        before: The pivot's nodes as they were imported.
        after: The same after the repair.

    Raises:
        ExportError: The flatbuffer has no such tensor, or a tensor is read by another grid
            than it is written with, which it cannot say.
    """
    old = {node.name: node for node in before if node.op in {WRITER, READER}}
    changed = [node for node in after if _is_changed(node, old.get(node.name))]
    written = {id(node): node for node in changed if node.op == WRITER}
    grids = [_grid(node) for node in written.values()]
    for node in changed:
        if node.op == READER and not any(_alike(_grid(node), one) for one in grids):
            raise refusal(node, "a tensor has one grid there, for who writes and reads it")
    for node in written.values():
        _set_grid(flatbuffer, node)
    gone = {id(node) for node in changed}
    return tuple(
        replace(node, constants=old[node.name].constants) if id(node) in gone else node
        for node in after
    )


def _is_changed(node: Node, old: Node | None) -> bool:
    return old is not None and not _alike(_grid(node), _grid(old))


def _grid(node: Node) -> tuple[Array, Array]:
    return (
        node.constants.get(SCALE, np.zeros(0)),
        node.constants.get(ZERO, np.zeros((), np.int64)),
    )


def _alike(one: tuple[Array, Array], other: tuple[Array, Array]) -> bool:
    return all(
        np.array_equal(a.ravel(), b.ravel()) for a, b in zip(one, other, strict=True)
    )


def _set_grid(flatbuffer: Flatbuffer, node: Node) -> None:
    """Give the flatbuffer's tensor that a QuantizeLinear writes the node's grid."""
    names = [tensor_name(tensor) for tensor in flatbuffer.graph.tensors]
    if node.outputs[0] not in names:
        raise refusal(node, "no tensor there bears the name of what it gives")
    tensor = flatbuffer.graph.tensors[names.index(node.outputs[0])]
    scale, zero = _grid(node)
    own = cast("FbGrid", tensor.quantization)
    own.scale = np.atleast_1d(scale).astype(np.float32)
    own.zeroPoint = np.atleast_1d(zero).astype(np.int64)


def dequantized(flatbuffer: Flatbuffer, index: int) -> Array | None:
    """Return the floats that a tensor's stored integers stand for; None for any other.

    Args:
        flatbuffer: The tree.
        index: The tensor.
    """
    grid = _own_grid(flatbuffer, index)
    own = value(flatbuffer, index)
    if grid is None or own is None or own.dtype.kind not in "iu":
        return None
    return _off_grid(own.astype(np.int64), *grid)


def _own_grid(flatbuffer: Flatbuffer, index: int) -> tuple[Array, Array] | None:
    """Return a tensor's scale and zero point as they broadcast over it."""
    tensor = flatbuffer.graph.tensors[index]
    own = cast("FbGrid | None", tensor.quantization)
    if own is None or own.scale is None or tensor.shape is None:
        return None
    scale = np.asarray(own.scale, np.float32)
    if not scale.size:
        return None
    zero = np.zeros(scale.size, np.int64)
    if own.zeroPoint is not None and np.size(own.zeroPoint):
        zero = np.asarray(own.zeroPoint).astype(np.int64)
    rank, axis = len(tensor.shape), own.quantizedDimension
    return along(scale, axis, rank), along(zero, axis, rank)


def set_rounded(
    flatbuffer: Flatbuffer, operator: FbOperator, slot: int, new: Array
) -> bool:
    """Store a weight in place of one on a grid; return whether it can be.

    What the integers that are there were rounded from is to be had without rounding: then
    the operator reads floats. Anything else is rounded to a grid of its own.

    Args:
        flatbuffer: The tree, changed in place.
        operator: The reader.
        slot: Which of its inputs.
        new: The weight, float32, in the flatbuffer's layout.
    """
    index = int(operator.inputs[slot])
    grid, own = _own_grid(flatbuffer, index), value(flatbuffer, index)
    if grid is None or own is None:
        return False
    if own.dtype == np.int32:
        return _set_bias(flatbuffer, operator, slot, new)
    limits = np.iinfo(own.dtype)
    steps = np.clip(new / grid[0] + grid[1], limits.min, limits.max)
    scale, made = grid[0], np.round(steps)
    close = bool((np.abs(steps - own) <= ROUNDED).all())
    if close and _set_floats(flatbuffer, operator, slot, new):
        return True
    if np.array_equal(made, own):
        return False
    if own.dtype == np.int8:
        others = tuple(k for k in range(new.ndim) if scale.size == 1 or scale.shape[k] == 1)
        reach = np.abs(new).max(axis=others, keepdims=True).reshape(scale.shape)
        scale = np.where(reach > 0, reach / WEIGHT_STEPS, scale).astype(np.float32)
        made = np.round(new / scale)
    set_value(flatbuffer, operator, slot, made.astype(own.dtype))
    tensor = flatbuffer.graph.tensors[int(operator.inputs[slot])]
    old = cast("FbGrid", flatbuffer.graph.tensors[index].quantization)
    tensor.quantization = _quantization(flatbuffer, scale, old)
    return True


def _set_bias(flatbuffer: Flatbuffer, operator: FbOperator, slot: int, new: Array) -> bool:
    """Store a bias in steps of its input's scale times its weight's, as kernels take it."""
    index = int(operator.inputs[slot])
    pair = [_own_grid(flatbuffer, int(operator.inputs[place])) for place in (0, 1)]
    if pair[0] is None or pair[1] is None:
        return False
    scale = (pair[0][0].ravel() * pair[1][0].ravel()).astype(np.float32)
    set_value(flatbuffer, operator, slot, np.round(new / scale).astype(np.int32))
    biased(flatbuffer, int(operator.inputs[slot]), index, scale)
    return True


def biased(flatbuffer: Flatbuffer, place: int, old: int, scale: Array) -> None:
    """Let a bias state its steps.

    Args:
        flatbuffer: The tree, changed in place.
        place: The tensor.
        old: The tensor that was read in its place.
        scale: Its steps.
    """
    tensors = flatbuffer.graph.tensors
    was = cast("FbGrid", tensors[old].quantization)
    tensors[place].quantization = _quantization(flatbuffer, scale, was)


def _quantization(flatbuffer: Flatbuffer, scale: Array, old: FbGrid) -> object:
    return flatbuffer.schema.QuantizationParametersT(
        scale=scale.ravel(),
        zeroPoint=np.zeros(scale.size, np.int64),
        quantizedDimension=old.quantizedDimension,
    )


def _set_floats(
    flatbuffer: Flatbuffer, operator: FbOperator, slot: int, new: Array
) -> bool:
    """Let an operator on floats read a float weight; return whether it is one."""
    schema = flatbuffer.schema
    first = flatbuffer.graph.tensors[int(operator.inputs[0])]
    if first.type != schema.TensorType.FLOAT32:
        return False
    set_float(flatbuffer, operator, slot, new)
    return True


def set_float(flatbuffer: Flatbuffer, operator: FbOperator, slot: int, new: Array) -> None:
    """Let an operator read a float32 constant of its own.

    Args:
        flatbuffer: The tree, changed in place.
        operator: The reader.
        slot: Which of its inputs.
        new: The constant, in the flatbuffer's layout.
    """
    name = tensor_name(flatbuffer.graph.tensors[int(operator.inputs[slot])])
    inputs = [int(index) for index in operator.inputs]
    inputs[slot] = add_constant(flatbuffer, name, new.astype(np.float32))
    operator.inputs = np.array(inputs, np.int32)


def drop_unread(flatbuffer: Flatbuffer) -> None:
    """Drop the operators that take constants off half precision for nobody.

    Args:
        flatbuffer: The tree, changed in place.
    """
    graph = flatbuffer.graph
    read = {int(i) for one in graph.operators for i in one.inputs}
    read |= {int(i) for i in graph.outputs}
    graph.operators = [
        one
        for one in graph.operators
        if kind(flatbuffer, one) != "DEQUANTIZE"
        or not read.isdisjoint(int(i) for i in one.outputs)
    ]
