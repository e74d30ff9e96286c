"""ONNX operators that a repair puts into a pivot, as new operators of the flatbuffer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from analyzer.core.types import Array, Node, Permutation
from rewriter.export.tflite_owners import NCHW, bounds, composed, inverse, permutation
from rewriter.export.tflite_padding import WINDOWED
from rewriter.export.tflite_refusal import refusal
from rewriter.export.tflite_settings import options
from rewriter.export.tflite_values import stretched

UNARY = {
    "Relu": "RELU",
    "Sigmoid": "LOGISTIC",
    "Tanh": "TANH",
    "Abs": "ABS",
    "Neg": "NEG",
    "Exp": "EXP",
    "Log": "LOG",
    "Sqrt": "SQRT",
    "Floor": "FLOOR",
    "Ceil": "CEIL",
    "Round": "ROUND",
    "Sin": "SIN",
    "Cos": "COS",
    "Elu": "ELU",
    "HardSwish": "HARD_SWISH",
}
"""ONNX operators of one input that TFLite computes alike."""

UNARY_OPTIONS = {
    "Abs": "AbsOptions",
    "Neg": "NegOptions",
    "Exp": "ExpOptions",
    "Cos": "CosOptions",
    "HardSwish": "HardSwishOptions",
}
"""The options table of those that have one."""

BINARY = {
    "Add": ("ADD", "AddOptions"),
    "Sub": ("SUB", "SubOptions"),
    "Mul": ("MUL", "MulOptions"),
    "Div": ("DIV", "DivOptions"),
    "Min": ("MINIMUM", "MaximumMinimumOptions"),
    "Max": ("MAXIMUM", "MaximumMinimumOptions"),
    "Pow": ("POW", "PowOptions"),
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
    if node.op == "BatchNormalization" and len(node.constants) == len(STATISTICS):
        return _batch_norm(node, layout)
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
            step = _pooling(node)
        case Node(op="Conv", constants={1: weight}) if layout == NCHW:
            step = _convolution(node, weight)
        case Node(op="Gemm", attributes={"transA": 0}, constants={1: weight}):
            kept = weight if node.attributes.get("transB") else weight.T
            step = Step(
                "FULLY_CONNECTED",
                "FullyConnectedOptions",
                {},
                (0, np.ascontiguousarray(kept), _bias(node, kept.shape[0])),
            )
        case _:
            raise refusal(node, "no operator of TFLite's that is known here computes it")
    return step


def _pooling(node: Node) -> Step:
    if node.attributes.get("dilations", (1, 1)) != (1, 1):
        raise refusal(node, "pooling has no dilations there")
    chosen = {
        name: number
        for name, number in options(node, NCHW).items()
        if not name.startswith("dilation")
    }
    return Step(POOLS[node.op], "Pool2DOptions", chosen, (0,))


def _convolution(node: Node, weight: Array) -> Step:
    """Return a convolution of images with a constant weight, [O, I / group, H, W]."""
    group, count = node.attributes.get("group", 1), weight.shape[0]
    chosen = {
        name: number
        for name, number in options(node, NCHW).items()
        if not name.startswith("filter")
    }
    bias = _bias(node, count)
    if group == 1:
        laid = np.ascontiguousarray(weight.transpose(0, 2, 3, 1))
        return Step("CONV_2D", "Conv2DOptions", chosen, (0, laid, bias))
    if weight.shape[1] != 1:
        raise refusal(node, "a grouped convolution has no operator there")
    laid = np.ascontiguousarray(weight.transpose(1, 2, 3, 0))
    chosen["depthMultiplier"] = count // cast("int", group)
    return Step("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", chosen, (0, laid, bias))


def _bias(node: Node, count: int) -> Array:
    """Return a product's bias, zeros where it has none."""
    own = node.constants.get(2, np.zeros(1))
    return np.broadcast_to(own, (count,)).astype(np.float32)


STATISTICS = ("scale", "bias", "mean", "variance")
"""The constant inputs of a BatchNormalization, in order."""


def _batch_norm(node: Node, layout: Permutation) -> tuple[Step, ...]:
    """Return a batch normalisation as a product and a sum, one number per channel."""
    scale, bias, mean, variance = (node.constants[slot] for slot in range(1, 5))
    epsilon = cast("float", node.attributes["epsilon"])
    factor = (scale / np.sqrt(variance + epsilon)).astype(np.float32)
    offset = (bias - mean * factor).astype(np.float32)
    shape = (1, -1, *(1 for _ in layout[2:]))
    return (
        Step("MUL", "MulOptions", {}, (0, stretched(factor.reshape(shape), layout))),
        Step("ADD", "AddOptions", {}, (0, stretched(offset.reshape(shape), layout))),
    )


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
        for bound, name in found
        if np.isfinite(bound)
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
