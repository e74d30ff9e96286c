"""Steps that belong together in a flatbuffer: kernels take them as given, and ask nothing.

A bias has steps of its input's times its weight's, and an operator that only picks or moves
numbers gives them on the grid that it reads them on.
"""

from typing import cast

import numpy as np

from analyzer.core.types import Array
from rewriter.export.tflite_file import (
    NOTHING,
    FbOperator,
    Flatbuffer,
    kind,
    set_value,
    value,
)
from rewriter.export.tflite_grids import FbGrid, biased, dequantized

SLOTS = {
    "CONV_2D": (0, 1, 2),
    "DEPTHWISE_CONV_2D": (0, 1, 2),
    "FULLY_CONNECTED": (0, 1, 2),
    "TRANSPOSE_CONV": (2, 1, 3),
}
"""Where an operator reads its input, its weight and its bias."""

PICKING = frozenset(
    {"MAX_POOL_2D", "RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "GATHER",
     "STRIDED_SLICE", "SLICE", "PAD", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE"}
)  # fmt: skip
"""Operators that must give numbers on the grid that they read them on.

Source: https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec
"""

ALIKE = 1e-5
"""Relative difference up to which two steps are one: they are stored as float32."""

Steps = dict[int, Array]
"""The steps that each operator's bias must have, by the operator's ``id``."""


def steps(flatbuffer: Flatbuffer) -> Steps:
    """Return the steps that biases must have as a flatbuffer is now.

    Args:
        flatbuffer: The tree.
    """
    operators = flatbuffer.graph.operators
    found = {id(one): _due(flatbuffer, one) for one in operators}
    return {key: due for key, due in found.items() if due is not None}


def rebias(flatbuffer: Flatbuffer, before: Steps) -> None:
    """Store each bias anew whose input or weight lies on another grid than before.

    Args:
        flatbuffer: The tree, changed in place.
        before: What `steps` gave before it was changed.
    """
    for operator in flatbuffer.graph.operators:
        due, was = _due(flatbuffer, operator), before.get(id(operator))
        if due is None or was is None or _alike(due, was):
            continue
        slot = SLOTS[kind(flatbuffer, operator)][2]
        index = int(operator.inputs[slot])
        floats, own = dequantized(flatbuffer, index), value(flatbuffer, index)
        if floats is None or own is None or _alike(_scale(flatbuffer, index), due):
            continue
        set_value(flatbuffer, operator, slot, np.round(floats / due).astype(own.dtype))
        biased(flatbuffer, int(operator.inputs[slot]), index, due)


def same_steps(flatbuffer: Flatbuffer, before: dict[int, bytes]) -> None:
    """Let what picks numbers, and what gives them to it, have the grid that it gives now.

    Rounding keeps the order of numbers, so that it may as well come first.

    Args:
        flatbuffer: The tree, changed in place.
        before: What `grids` gave before it was changed.
    """
    graph = flatbuffer.graph
    for operator in reversed(graph.operators):
        if kind(flatbuffer, operator) not in PICKING:
            continue
        read, given = int(operator.inputs[0]), int(operator.outputs[0])
        now = grids(flatbuffer)
        if now.get(given) == before.get(given) or now.get(given) == now.get(read):
            continue
        if sum(int(i) == read for one in graph.operators for i in one.inputs) == 1:
            _copy(flatbuffer, given, read)


def grids(flatbuffer: Flatbuffer) -> dict[int, bytes]:
    """Return the grid of each tensor that has one, so that it can be compared.

    Args:
        flatbuffer: The tree.
    """
    tensors = enumerate(flatbuffer.graph.tensors)
    found = {index: cast("FbGrid | None", one.quantization) for index, one in tensors}
    return {
        index: np.asarray(grid.scale, np.float64).tobytes()
        + np.asarray(grid.zeroPoint, np.float64).tobytes()
        for index, grid in found.items()
        if grid is not None and grid.scale is not None
    }


def _copy(flatbuffer: Flatbuffer, source: int, place: int) -> None:
    tensors = flatbuffer.graph.tensors
    new = cast("FbGrid", tensors[source].quantization)
    own = cast("FbGrid", tensors[place].quantization)
    own.scale, own.zeroPoint = new.scale, new.zeroPoint


def _due(flatbuffer: Flatbuffer, operator: FbOperator) -> Array | None:
    """Return the steps that an operator's bias must have; None: it has none on a grid."""
    slots = SLOTS.get(kind(flatbuffer, operator))
    if slots is None or slots[2] >= len(operator.inputs):
        return None
    places = [int(operator.inputs[slot]) for slot in slots]
    scales = [_scale(flatbuffer, place) for place in places]
    if NOTHING in places or not all(one.size for one in scales):
        return None
    return np.asarray(scales[0] * scales[1], np.float32)


def _scale(flatbuffer: Flatbuffer, index: int) -> Array:
    grid = cast("FbGrid | None", flatbuffer.graph.tensors[index].quantization)
    return np.asarray([] if grid is None or grid.scale is None else grid.scale, np.float32)


def _alike(one: Array, other: Array) -> bool:
    return bool(np.allclose(one, other, rtol=ALIKE, atol=0))
