"""Settings, put into the target's layout and its opset's words."""

from collections.abc import Sequence

import numpy as np

from analyzer.core.permutations import moved_axis
from analyzer.core.settings import as_number, settings, worded
from analyzer.core.types import AttributeValue, Node, Permutation

ON_AXES = frozenset(
    {
        "Concat",
        "Softmax",
        "LogSoftmax",
        "Hardmax",
        "Gather",
        "GatherElements",
        "Split",
        "ArgMax",
        "ArgMin",
        "TopK",
        "CumSum",
        "LpNormalization",
        "ScatterElements",
        "Compress",
        "Slice",
        "LayerNormalization",
        "QuantizeLinear",
        "DequantizeLinear",
        "MeanVarianceNormalization",
        "Squeeze",
        "ReduceSum",
        "ReduceMean",
        "ReduceMax",
        "ReduceMin",
        "ReduceProd",
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "ReduceSumSquare",
    }
)
"""Operators whose ``axis`` or ``axes`` counts the axes of their first input."""

PER_AXIS = {"Tile": ("repeats",), "Resize": ("scales", "sizes"), "Upsample": ("scales",)}
"""Settings with one number per axis of the first input."""


def in_target_axes(
    source: Node, target: Node, permutation: Permutation | None, rank: int | None
) -> dict[str, AttributeValue]:
    """Return the source node's settings as they read in the target's layout and opset.

    Args:
        source: The node to read.
        target: Its counterpart; where both name the same axes, its order of them is used.
        permutation: How the source's first input lies in the target's.
        rank: Rank of that input, where known.

    Returns:
        Settings by name, axes not negative where the rank is known.
    """
    values = {
        field: worded(source.op, field, value, target.opset)
        for field, value in settings(source).items()
    }
    if source.op in ON_AXES:
        values |= _moved_axes(values, settings(target), permutation, rank)
    if permutation is None:
        return values
    for field in PER_AXIS.get(source.op, ()):
        values |= _reordered(field, values.get(field), permutation, 1)
    if source.op == "Pad" and "axes" not in values:
        values |= _reordered("pads", values.get("pads"), permutation, 2)
    return values


def same_axes(value: AttributeValue, found: AttributeValue, rank: int | None) -> bool:
    """Return whether two axis settings name the same axes, order and sign aside."""
    return _named(value, rank) == _named(found, rank)


def _named(value: AttributeValue, rank: int | None) -> list[int]:
    axes = value if isinstance(value, tuple) else (value,)
    numbers = [int(axis) for axis in axes if isinstance(axis, int)]
    return sorted(n + rank if rank is not None and n < 0 else n for n in numbers)


def _moved_axes(
    values: dict[str, AttributeValue],
    others: dict[str, AttributeValue],
    permutation: Permutation | None,
    rank: int | None,
) -> dict[str, AttributeValue]:
    moved: dict[str, AttributeValue] = {}
    axis = values.get("axis")
    if isinstance(axis, int):
        moved["axis"] = moved_axis(axis, permutation, rank)
    axes = values.get("axes")
    if not isinstance(axes, tuple):
        return moved
    places = [moved_axis(int(axis), permutation, rank) for axis in axes]
    order = _order(places, others.get("axes"), rank)
    moved["axes"] = tuple(places[index] for index in order)
    for field in ("starts", "ends", "steps", "pads"):
        moved |= _sorted_like(field, values.get(field), order)
    return moved


def _order(
    places: Sequence[int], others: AttributeValue | None, rank: int | None
) -> list[int]:
    """Return the order in which the other node lists the same axes."""
    if not isinstance(others, tuple):
        return list(range(len(places)))
    theirs = [moved_axis(int(axis), None, rank) for axis in others]
    if sorted(theirs) != sorted(places):
        return list(range(len(places)))
    return [places.index(axis) for axis in theirs]


def _sorted_like(
    field: str, value: AttributeValue | None, order: Sequence[int]
) -> dict[str, AttributeValue]:
    if not isinstance(value, tuple) or len(value) % max(len(order), 1):
        return {}
    return _reordered(field, value, tuple(order), len(value) // max(len(order), 1))


def _reordered(
    field: str, value: AttributeValue | None, order: Permutation, groups: int
) -> dict[str, AttributeValue]:
    """Return a setting of one number per axis, two for pads, with its axes reordered."""
    if not isinstance(value, tuple) or len(value) != groups * len(order):
        return {}
    sides = np.asarray(value).reshape(groups, len(order))
    return {field: tuple(as_number(item) for item in sides[:, list(order)].ravel())}
