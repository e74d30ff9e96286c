"""Causes that are an integer grid: how they are detected, said and undone."""

from collections.abc import Callable, Collection

import numpy as np
import onnx
from onnx import helper, numpy_helper

from analyzer.core.grids import (
    READER,
    SCALE,
    WRITER,
    ZERO,
    Grid,
    GridChange,
    GridFault,
    grid_of,
)
from analyzer.core.types import Array, Edit, Fault, Fix, Node, SetConstant
from rules.changes import Change, change, undoing
from rules.models import Layer, chain
from rules.sabotage import Victim

CERTAIN = 0.97
"""Confidence of a rule whose cause test is passed by a grid that nothing else explains."""

LAST = 127
"""Steps of a signed eight-bit grid on either side of zero."""


FIXED = {
    "Sigmoid": (1 / 256, 0),
    "Softmax": (1 / 256, 0),
    "LogSoftmax": (16 / 256, 255),
    "Tanh": (1 / 128, 128),
}
"""Scale, and steps below zero, of the one eight-bit grid that an operator's range asks for.

Source: https://ai.google.dev/edge/litert/models/quantization_spec, where a kernel refuses
any other."""

EIGHT_BITS = 255
"""Steps between the ends of a grid of eight bits."""


def on_fixed_grid(op: str, result: str, nodes: Collection[Node]) -> tuple[Edit, ...]:
    """Return the edits that put what an operator gives on the grid its range asks for.

    Args:
        op: The operator.
        result: The tensor it gives.
        nodes: The nodes behind it.

    Returns:
        Edits of the nodes that write and read the grid; none where any grid will do, where
        there is none, or where it is that one.
    """
    writer = next((n for n in nodes if n.op == WRITER and n.inputs[0] == result), None)
    grid = None if writer is None else grid_of(writer)
    if writer is None or grid is None or op not in FIXED:
        return ()
    scale, below = FIXED[op]
    zero = grid.low + below
    right = Grid(np.asarray(scale), np.asarray(zero), grid.low, grid.high, grid.axis)
    if grid.high - grid.low != EIGHT_BITS or right.ends == grid.ends:
        return ()
    readers = (n for n in nodes if n.op == READER and n.inputs[0] == writer.outputs[0])
    return tuple(
        SetConstant(node.name, slot, np.asarray(value, node.constants[slot].dtype))
        for node in (writer, *readers)
        for slot, value in ((SCALE, scale), (ZERO, zero))
        if slot in node.constants
    )


def regridded(fault: Fault, kinds: Collection[GridFault]) -> Change | None:
    """Return the first curing difference in a grid, of some kinds, as a cause.

    Args:
        fault: The fault.
        kinds: What may be wrong with it.
    """
    return change(fault, lambda one: one.grid is not None and one.grid.fault in kinds)


def grid_change(cause: Change) -> GridChange:
    """Return what is wrong with the grid of a cause.

    Raises:
        ValueError: The cause is about something else.
    """
    if cause.difference.grid is None:
        raise ValueError(f"{cause.node.name} has no grid that differs")
    return cause.difference.grid


def regrid(cause: Change) -> tuple[Fix, ...]:
    """Return the fix that sets the right grid in every node that uses it."""
    return undoing(f"Set the grid of {grid_change(cause).tensor}", cause)


def scales(grid: Grid) -> str:
    """Return a grid's scales as a sentence shows them: one, or their number and ends."""
    if grid.is_per_tensor:
        return f"scale {float(grid.scale.ravel()[0]):.4g}"
    low, high = float(grid.scale.min()), float(grid.scale.max())
    return f"{grid.scale.size} scales from {low:.4g} to {high:.4g}"


def points(grid: Grid) -> str:
    """Return a grid's zero points as a sentence shows them."""
    found = np.unique(grid.zero)
    if found.size == 1:
        return f"zero point {int(found[0])}"
    return f"zero points from {int(found[0])} to {int(found[-1])}"


def said(grid: Grid) -> str:
    """Return a grid as a sentence shows it."""
    return f"{scales(grid)} and {points(grid)}"


def quantized(kernel: Array) -> tuple[Array, Array]:
    """Return a kernel's int8 numbers and the scale of each of its first axis' channels.

    Args:
        kernel: Float32 weights.

    Returns:
        Int8 of the kernel's shape, and float32 of its first axis.
    """
    rows = np.abs(kernel).reshape(len(kernel), -1).max(axis=1)
    scale = (np.maximum(rows, 1e-12) / LAST).astype(np.float32)
    steps = kernel / scale.reshape(-1, *[1] * (kernel.ndim - 1))
    return np.round(steps).astype(np.int8), scale


def store_quantized(
    victim: Victim, spoil: Callable[[Array, Array], tuple[Array, Array]]
) -> bool:
    """Store a victim's kernel as integers behind a DequantizeLinear, and spoil them.

    Args:
        victim: A node with a float32 kernel in slot 1.
        spoil: Takes the integers and the scale of each channel, gives others of them.

    Returns:
        Whether there was a kernel, and it was spoilt.
    """
    kernel = victim.constant(1)
    if kernel is None or kernel.dtype != np.float32 or kernel.ndim < 2:  # noqa: PLR2004
        return False
    integers, scale = spoil(*quantized(kernel))
    graph, given = victim.model.graph, victim.node.output[0]
    names = [f"{given}_{part}" for part in ("quantized", "scale", "dequantized")]
    graph.initializer.append(numpy_helper.from_array(integers, names[0]))
    graph.initializer.append(numpy_helper.from_array(np.squeeze(scale), names[1]))
    made = helper.make_node(
        "DequantizeLinear", names[:2], names[2:], name=f"{names[2]}_node", axis=0
    )
    victim.node.input[1] = names[2]
    graph.node.insert(0, made)
    return True


def put_on_grid(victim: Victim, low: float, high: float) -> bool:
    """Put what a victim gives on an unsigned eight-bit grid between two ends.

    Args:
        victim: Any node of one output.
        low: The smallest number the grid holds.
        high: The largest.

    Returns:
        Whether the model has a tensor there that is no output of it.
    """
    graph, node = victim.model.graph, victim.node
    given = node.output[0]
    if given in {value.name for value in graph.output}:
        return False
    step = (high - low) / 255
    constants = (np.float32(step), np.asarray(np.round(-low / step), np.uint8))
    names = [f"{given}_{part}" for part in ("scale", "zero", "quantized", "dequantized")]
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name)
        for value, name in zip(constants, names, strict=False)
    )
    for reader in graph.node:
        for slot, name in enumerate(reader.input):
            reader.input[slot] = names[3] if name == given else name
    pair = (
        helper.make_node("QuantizeLinear", [given, *names[:2]], [names[2]], name=names[2]),
        helper.make_node(
            "DequantizeLinear", [names[2], *names[:2]], [names[3]], name=names[3]
        ),
    )
    place = next(i for i, one in enumerate(graph.node) if one.output[:1] == node.output[:1])
    for offset, one in enumerate(pair, start=1):
        graph.node.insert(place + offset, one)
    return True


def spoilt(
    layers: Collection[Layer], place: int, spoil: Callable[[Victim], bool]
) -> onnx.ModelProto:
    """Return a chain of layers, one of which is spoilt: what an example's target is.

    Args:
        layers: The layers, first to last.
        place: Which node is the victim.
        spoil: Spoils it.
    """
    model = chain(*layers)
    spoil(Victim(model, model.graph.node[place], np.random.default_rng(0)))
    return model
