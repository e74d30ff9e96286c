"""ONNX operators that a repair puts into a pivot, as new operators of the flatbuffer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.core.types import Array, Node, Permutation
from rewriter.export.tflite_owners import NCHW, bounds, composed, inverse, permutation
from rewriter.export.tflite_padding import WINDOWED
from rewriter.export.tflite_refusal import refusal
from rewriter.export.tflite_settings import options
from rewriter.export.tflite_values import stretched

UNARY = {
    "Relu": "RELU", "Sigmoid": "LOGISTIC", "Tanh": "TANH", "Abs": "ABS", "Neg": "NEG",
    "Exp": "EXP", "Log": "LOG", "Sqrt": "SQRT", "Floor": "FLOOR", "Ceil": "CEIL",
    "Round": "ROUND", "Sin": "SIN", "Cos": "COS", "Elu": "ELU", "HardSwish": "HARD_SWISH",
}
"""ONNX operators of one input that TFLite computes alike."""

UNARY_OPTIONS = {
    "Abs": "AbsOptions", "Neg": "NegOptions", "Exp": "ExpOptions", "Cos": "CosOptions",
    "HardSwish": "HardSwishOptions",
}
"""The options table of those that have one."""

BINARY = {
    "Add": ("ADD", "AddOptions"), "Sub": ("SUB", "SubOptions"),
    "Mul": ("MUL", "MulOptions"), "Div": ("DIV", "DivOptions"),
    "Min": ("MINIMUM", "MaximumMinimumOptions"),
    "Max": ("MAXIMUM", "MaximumMinimumOptions"), "Pow": ("POW", "PowOptions"),
}
"""ONNX operators of two inputs that TFLite computes alike, with their options tables."""

POOLS = {"MaxPool": "MAX_POOL_2D", "AveragePool": "AVERAGE_POOL_2D"}
"""Windows, on images only."""

CLIPS = {(-1.0, 1.0): "RELU_N1_TO_1", (0.0, 6.0): "RELU6", (0.0, np.inf): "RELU"}
"""The one operator that clips to an interval."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One operator of the flatbuffer.

    Attributes:
        name: Its name in the schema.
        table: The name of its options table, empty for none.
        options: The options set in it.
        inputs: The node's input slot for a computed input, an array for a constant one.
    """

    name: str
    table: str
    options: Mapping[str, object]
    inputs: Sequence[int | Array]


def steps(node: Node, layout: Permutation) -> tuple[Step, ...]:
    """Return the operators that compute a node; each after the first reads the one before.

    Args:
        node: The node, its constants in the pivot's layout.
        layout: How the tensors it reads lie in the pivot, see `Owners`.

    Raises:
        ExportError: TFLite has no operator that computes it.
    """
    if node.op == "Clip":
        return _clip(node)
    return (_step(node, layout),)


def _step(node: Node, layout: Permutation) -> Step:
    """Return the one operator that computes a node."""
    rank = len(layout)
    match node:
        case Node(op="Elu", attributes={"alpha": float(alpha)}) if alpha != 1:
            raise refusal(node, "ELU has no alpha there")
        case Node(op=op) if op in UNARY:
            step = Step(UNARY[op], UNARY_OPTIONS.get(op, ""), {}, (0,))
        case Node(op=op, inputs=(_, _)) if op in BINARY:
            step = Step(*BINARY[op], {}, _operands(node, layout))
        case Node(op="LeakyRelu", attributes={"alpha": float(alpha)}):
            step = Step("LEAKY_RELU", "LeakyReluOptions", {"alpha": alpha}, (0,))
        case Node(op="Softmax", attributes={"axis": int(axis)}) if rank:
            step = _softmax(node, layout[axis % rank], rank)
        case Node(op="Transpose") if rank:
            axes = composed(composed(layout, permutation(node, rank)), inverse(layout))
            step = Step("TRANSPOSE", "TransposeOptions", {}, (0, np.array(axes, np.int32)))
        case Node(op=op, outputs=(_,)) if op in POOLS and layout == NCHW:
            step = Step(POOLS[op], "Pool2DOptions", options(node, layout), (0,))
        case _:
            raise refusal(node, "no operator of TFLite's that is known here computes it")
    return step


def is_windowed(node: Node) -> bool:
    """Return whether a new operator for the node must be padded like a window."""
    return node.op in WINDOWED


def _clip(node: Node) -> tuple[Step, ...]:
    low, high = bounds(node)
    if low is None or high is None:
        raise refusal(node, "its bounds are computed")
    if (low, high) in CLIPS:
        return (Step(CLIPS[low, high], "", {}, (0,)),)
    found = ((low, "MAXIMUM"), (high, "MINIMUM"))
    return tuple(
        Step(name, "MaximumMinimumOptions", {}, (0, np.array(bound, np.float32)))
        for bound, name in found if np.isfinite(bound)
    )


def _softmax(node: Node, axis: int, rank: int) -> Step:
    if axis != rank - 1:
        raise refusal(node, "SOFTMAX takes the last axis there, which is another")
    return Step("SOFTMAX", "SoftmaxOptions", {"beta": 1.0}, (0,))


def _operands(node: Node, layout: Permutation) -> list[int | Array]:
    return [
        stretched(node.constants[slot], layout) if slot in node.constants else slot
        for slot in range(len(node.inputs))
    ]
