"""Operators that compute on integers, as a float operator between grids.

Source: ONNX Runtime's docs/ContribOperators.md, and
https://onnx.ai/onnx/operators/onnx__QLinearConv.html.
"""

from collections.abc import Mapping, Sequence

import onnx

from analyzer.core.types import Node
from analyzer.view.fused.known import UNKNOWN, Tensors
from analyzer.view.fused.steps import Steps, count, given, inner, real, slot, step

PER_AXIS = 13
"""The opset from which DequantizeLinear takes a scale for each channel.

Source: https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html"""

TWO = {"QLinearAdd": "Add", "QLinearMul": "Mul"}
"""Operators on two tensors, each with its scale and zero point, then the result's."""

ONE: Mapping[str, str] = {
    "QLinearSigmoid": "Sigmoid",
    "QLinearLeakyRelu": "LeakyRelu",
    "QLinearGlobalAveragePool": "GlobalAveragePool",
    "QLinearAveragePool": "AveragePool",
    "QLinearReduceMean": "ReduceMean",
    "QLinearSoftmax": "Softmax",
}
"""Operators on one tensor, likewise."""

FOREIGN = frozenset({"channels_last", "opset"})
"""Settings that only the operators on integers have."""


def qlinear_conv(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return a Conv between grids.

    Args:
        node: A QLinearConv.
        opset: The opset to write for.
        tensors: What is known of its operands.
    """
    names = tuple(slot(node, place) for place in range(9))
    wide = tensors.get(names[4], UNKNOWN).shape not in {(), (1,)}
    if wide and opset < PER_AXIS:
        return None
    axis = 0 if opset >= PER_AXIS else None
    steps: Steps = (
        step("DequantizeLinear", names[:3], inner("x")),
        step("DequantizeLinear", names[3:6], inner("w"), axis=axis),
    )
    if names[8]:
        steps += (
            step("Mul", (names[1], names[4]), inner("scale")),
            step("DequantizeLinear", (names[8], inner("scale")), inner("b"), axis=axis),
        )
    reads = (inner("x"), inner("w"), inner("b") if names[8] else "")
    conv = step("Conv", reads, inner("y"), **node.attributes)
    return (*steps, conv, _written(node, names[6:8]))


def qlinear_matmul(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return a MatMul between grids; None where it has a scale for each row or column.

    Args:
        node: A QLinearMatMul.
        opset: The opset to write for.
        tensors: What is known of its operands.
    """
    names = tuple(slot(node, place) for place in range(8))
    rows, columns = (tensors.get(names[k], UNKNOWN).shape for k in (1, 4))
    wide = columns not in {(), (1,)}
    if rows not in {(), (1,)} or (wide and opset < PER_AXIS):
        return None
    rank = tensors.get(names[3], UNKNOWN).rank
    if wide and rank is None:
        return None
    return (
        step("DequantizeLinear", names[:3], inner("a")),
        step(
            "DequantizeLinear",
            names[3:6],
            inner("b"),
            axis=(rank or 0) - 1 if wide else None,
        ),
        step("MatMul", (inner("a"), inner("b")), inner("y")),
        _written(node, names[6:8]),
    )


def qgemm(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return a Gemm between grids; what it gives stays float where it has no result scale.

    Args:
        node: A QGemm.
        opset: The opset to write for.
        tensors: What is known of its operands.
    """
    names = tuple(slot(node, place) for place in range(9))
    if tensors.get(names[4], UNKNOWN).shape not in {(), (1,)} and opset < PER_AXIS:
        return None
    turned = count(node, "transB", 0)
    axis = None if opset < PER_AXIS else 1 - turned
    steps: Steps = (
        step("DequantizeLinear", names[:3], inner("a")),
        step("DequantizeLinear", names[3:6], inner("b"), axis=axis),
    )
    if names[6]:
        steps += (
            step("Mul", (names[1], names[4]), inner("scale")),
            step(
                "DequantizeLinear",
                (names[6], inner("scale")),
                inner("c"),
                axis=None if axis is None else 0,
            ),
        )
    reads = (inner("a"), inner("b"), inner("c") if names[6] else "")
    result = inner("y") if names[7] else given(node, 0)
    settings = {
        "transA": count(node, "transA", 0),
        "transB": turned,
        "alpha": real(node, "alpha", 1.0),
    }
    steps += (step("Gemm", reads, result, **settings),)
    return (*steps, _written(node, names[7:9])) if names[7] else steps


def qlinear_two(node: Node, opset: int, tensors: Tensors) -> Steps:
    """Return an operator on two tensors between grids.

    Args:
        node: One of `TWO`.
        opset: Of no effect.
        tensors: Of no effect.
    """
    del opset, tensors
    names = tuple(slot(node, place) for place in range(8))
    return (
        step("DequantizeLinear", names[:3], inner("a")),
        step("DequantizeLinear", names[3:6], inner("b")),
        step(TWO[node.op], (inner("a"), inner("b")), inner("y")),
        _written(node, names[6:8]),
    )


def qlinear_one(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return an operator on one tensor between grids; None where channels come last.

    Args:
        node: One of `ONE`.
        opset: Of no effect.
        tensors: Of no effect.
    """
    del opset, tensors
    if count(node, "channels_last", 0):
        return None
    names = tuple(slot(node, place) for place in range(5))
    settings = {k: v for k, v in node.attributes.items() if k not in FOREIGN}
    return (
        step("DequantizeLinear", names[:3], inner("x")),
        step(ONE[node.op], (inner("x"),), inner("y"), **settings),
        _written(node, names[3:5]),
    )


def qlinear_concat(node: Node, opset: int, tensors: Tensors) -> Steps:
    """Return a Concat between grids.

    Args:
        node: A QLinearConcat.
        opset: Of no effect.
        tensors: Of no effect.
    """
    del opset, tensors
    operands = node.inputs[2:]
    groups = [operands[k : k + 3] for k in range(0, len(operands), 3)]
    read = [inner(f"x{k}") for k in range(len(groups))]
    pairs = zip(groups, read, strict=True)
    steps = tuple(step("DequantizeLinear", one, name) for one, name in pairs)
    joined = step("Concat", read, inner("y"), **node.attributes)
    return (*steps, joined, _written(node, node.inputs[:2]))


def _written(node: Node, grid: Sequence[str]) -> onnx.NodeProto:
    return step("QuantizeLinear", (inner("y"), *grid), given(node, 0))
