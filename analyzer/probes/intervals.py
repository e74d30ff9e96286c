"""What the tensors inside a model can hold, whatever the model is fed.

What an operator gives is bounded by what it is: after a ReLU nothing is negative, and a
value that its tensor can never hold would prove nothing.
"""

from collections.abc import Mapping
from functools import cache
from math import inf

import numpy as np

from analyzer.core.types import Array, Node
from analyzer.differences.operators import bounds
from analyzer.view import View

Interval = tuple[float, float]
"""Smallest and largest value a tensor can hold."""

ANYTHING: Interval = (-inf, inf)
NOT_NEGATIVE: Interval = (0.0, inf)

RANGES: Mapping[str, Interval] = {
    "Sigmoid": (0.0, 1.0),
    "HardSigmoid": (0.0, 1.0),
    "Softmax": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
    "Erf": (-1.0, 1.0),
    "Sin": (-1.0, 1.0),
    "Cos": (-1.0, 1.0),
    "Abs": NOT_NEGATIVE,
    "Exp": NOT_NEGATIVE,
    "Sqrt": NOT_NEGATIVE,
    "Softplus": NOT_NEGATIVE,
    "ReduceSumSquare": NOT_NEGATIVE,
    "ReduceL1": NOT_NEGATIVE,
    "ReduceL2": NOT_NEGATIVE,
    "LogSoftmax": (-inf, 0.0),
}
"""What operators give, whatever they are given."""

PASSING = frozenset(
    {"Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Concat"}
    | {"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Slice", "Split"}
    | {"Gather", "Expand", "Tile", "Dropout", "ReduceMean", "ReduceMax", "ReduceMin"}
    | {"DepthToSpace", "SpaceToDepth"}
)
"""Operators whose results lie between the smallest and the largest value they read."""

COMBINING = frozenset({"Mul", "Div", "Pow", "MatMul", "Max", "Min", "Mean"})
"""Operators that give nothing negative where none of their operands is."""

KEEPING = frozenset(
    {"ReduceSum", "ReduceProd", "CumSum", "Floor", "Ceil", "Round"}
    | {"LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Reciprocal"}
)
"""Operators that give nothing negative where what they read first is not."""

SUMS = frozenset({"Add", "Sum", "Sub", "Neg"})

DEEPEST = 32
"""Nodes in a row that are asked what bounds them: a bound comes from close by."""


def reachable(view: View, name: str) -> Interval:
    """Return the smallest and the largest value that a tensor can hold.

    Args:
        view: The macro graph of its model.
        name: The tensor.

    Returns:
        An interval, open to infinity where nothing bounds it.
    """

    @cache
    def held(tensor: str, depth: int) -> Interval:
        node = view.giver.get(tensor)
        if node is None or node.domain or not depth:
            return ANYTHING
        if own := bounds(node) or RANGES.get(node.op):
            return own
        if _is_square(node):
            return NOT_NEGATIVE
        return _passed(node, [read(node, slot, depth) for slot in _slots(node)])

    def read(node: Node, slot: int, depth: int) -> Interval:
        if slot in node.constants:
            return _range(node.constants[slot])
        return held(node.inputs[slot], depth - 1)

    return held(name, DEEPEST)


def _slots(node: Node) -> range:
    """Return the slots from which an operator's bounds follow, none where they do not."""
    if node.op in COMBINING | SUMS or node.op == "Concat":
        return range(len(node.inputs))
    return range(int(node.op in PASSING | KEEPING))


def _passed(node: Node, read: list[Interval]) -> Interval:
    """Return the interval of what an operator gives over those of what it reads."""
    if not read:
        return ANYTHING
    lows, highs = [low for low, _ in read], [high for _, high in read]
    match node.op:
        case "Add" | "Sum":
            return sum(lows), sum(highs)
        case "Sub":
            return lows[0] - highs[1], highs[0] - lows[1]
        case "Neg":
            return -highs[0], -lows[0]
        case op if op in PASSING:
            return min(lows), max(highs)
        case _:
            return NOT_NEGATIVE if min(lows) >= 0 else ANYTHING


def _is_square(node: Node) -> bool:
    """Return whether a node gives a tensor times itself, or an even power of it."""
    if node.op == "Mul":
        return len(set(node.inputs)) == 1
    powers = node.constants.get(1) if node.op == "Pow" else None
    return powers is not None and not np.any(np.mod(powers, 2))


def _range(constant: Array) -> Interval:
    """Return the smallest and largest of a constant's numbers, if all are finite."""
    numbers = constant.dtype.kind in "fiub" and constant.size
    if not numbers or not np.isfinite(constant).all():
        return ANYTHING
    return float(constant.min()), float(constant.max())
