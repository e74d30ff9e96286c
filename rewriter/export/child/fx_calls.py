"""ONNX operators as calls of ATen: what a repair puts into an exported program."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from analyzer.core.types import Node
from rewriter.export.child.fx_caller import ATEN, Caller, refusal
from rewriter.export.child.fx_shapes import (
    axes_of,
    concatenated,
    flattened,
    gathered,
    permuted,
    reshaped,
    sliced,
    squeezed,
    unsqueezed,
)
from rewriter.export.child.fx_windows import (
    FIRST_SPATIAL,
    convolution,
    layer_normalised,
    maximum,
    mean,
    normalised,
    pad,
)


def called(caller: Caller, node: Node) -> tuple[Any, ...]:
    """Return the calls that give an operator's outputs, after putting them in.

    Args:
        caller: Puts them in.
        node: The operator.

    Raises:
        ExportError: No call is known that computes it.
    """
    make = MAKERS.get(node.op)
    if make is None or node.domain:
        raise refusal(node, f"no call is known for {node.op}")
    found = make(caller, node)
    return found if isinstance(found, tuple) else (found,)


Make = Callable[[Caller, Node], Any]

COMMUTING = frozenset({"Add", "Mul"})


def _plain(target: Any) -> Make:
    return lambda caller, node: caller.call(target, caller.tensor(node, 0))


def _binary(target: Any) -> Make:
    """Return what calls an operator of two operands, the first of them a tensor."""

    def make(caller: Caller, node: Node) -> Any:
        if 0 in node.constants and node.op in COMMUTING:
            return caller.call(target, caller.tensor(node, 1), caller.operand(node, 0))
        if 0 in node.constants:
            return caller.call(target, caller.tensor(node, 0), caller.tensor(node, 1))
        return caller.call(target, caller.tensor(node, 0), caller.operand(node, 1))

    return make


def _clip(caller: Caller, node: Node) -> Any:
    bounds = [
        caller.operand(node, slot) if slot in node.constants else None for slot in (1, 2)
    ]
    if all(isinstance(one, float) for one in bounds):
        return caller.call(ATEN.hardtanh.default, caller.tensor(node, 0), *bounds)
    return caller.call(ATEN.clamp.default, caller.tensor(node, 0), *bounds)


def _leaky(caller: Caller, node: Node) -> Any:
    return caller.call(
        ATEN.leaky_relu.default, caller.tensor(node, 0), node.attributes["alpha"]
    )


def _elu(caller: Caller, node: Node) -> Any:
    return caller.call(ATEN.elu.default, caller.tensor(node, 0), node.attributes["alpha"])


def _gelu(caller: Caller, node: Node) -> Any:
    kind = node.attributes.get("approximate", "none")
    return caller.call(ATEN.gelu.default, caller.tensor(node, 0), approximate=kind)


def _along(target: Any) -> Make:
    return lambda caller, node: caller.call(
        target, caller.tensor(node, 0), node.attributes["axis"]
    )


def _reduced(target: Any) -> Make:
    def make(caller: Caller, node: Node) -> Any:
        axes = axes_of(node)
        if axes is None:
            axes = list(range(caller.rank(node)))
        keep = bool(node.attributes.get("keepdims", 1))
        return caller.call(target, caller.tensor(node, 0), axes, keep)

    return make


def _global_mean(caller: Caller, node: Node) -> Any:
    axes = list(range(FIRST_SPATIAL, caller.rank(node)))
    return caller.call(ATEN.mean.dim, caller.tensor(node, 0), axes, True)  # noqa: FBT003  # ATen's own order


def _matmul(caller: Caller, node: Node) -> Any:
    return caller.call(ATEN.matmul.default, caller.tensor(node, 0), caller.tensor(node, 1))


def _gemm(caller: Caller, node: Node) -> Any:
    said = node.attributes
    if said["alpha"] != 1 or said["beta"] != 1:
        raise refusal(node, "it scales its operands")
    left, right = caller.tensor(node, 0), caller.tensor(node, 1)
    left = caller.call(ATEN.t.default, left) if said["transA"] else left
    bias = caller.tensor(node, 2)
    if said["transB"]:
        return caller.call(ATEN.linear.default, left, right, bias)
    product = caller.call(ATEN.matmul.default, left, right)
    return product if bias is None else caller.call(ATEN.add.Tensor, product, bias)


def _identity(caller: Caller, node: Node) -> Any:
    return caller.tensor(node, 0)


KINDS = {
    1: torch.float32,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    16: torch.bfloat16,
}
"""Torch's dtypes by ONNX's numbers for them."""


def _cast(caller: Caller, node: Node) -> Any:
    kind = KINDS.get(int(node.attributes["to"]))  # type: ignore[arg-type]  # an INT attribute
    if kind is None:
        raise refusal(node, "torch has no such dtype")
    return caller.call(ATEN.to.dtype, caller.tensor(node, 0), kind)


def _softplus(caller: Caller, node: Node) -> Any:
    return caller.call(ATEN.softplus.default, caller.tensor(node, 0))


HARD = (1 / 6, 1 / 2)
"""Slope and offset of torch's hard sigmoid."""


def _hard_sigmoid(caller: Caller, node: Node) -> Any:
    said = node.attributes
    if not np.allclose(np.array([said["alpha"], said["beta"]], np.float64), HARD):
        raise refusal(node, "torch has its own slope and offset")
    return caller.call(ATEN.hardsigmoid.default, caller.tensor(node, 0))


MAKERS: Mapping[str, Make] = {
    "Abs": _plain(ATEN.abs.default),
    "Add": _binary(ATEN.add.Tensor),
    "AveragePool": mean,
    "BatchNormalization": normalised,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": concatenated,
    "Conv": convolution,
    "Div": _binary(ATEN.div.Tensor),
    "Dropout": _identity,
    "Elu": _elu,
    "Erf": _plain(ATEN.erf.default),
    "Exp": _plain(ATEN.exp.default),
    "Flatten": flattened,
    "Gather": gathered,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_mean,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _plain(ATEN.hardswish.default),
    "Identity": _identity,
    "LayerNormalization": layer_normalised,
    "LeakyRelu": _leaky,
    "Log": _plain(ATEN.log.default),
    "LogSoftmax": _along(ATEN.log_softmax.int),
    "MatMul": _matmul,
    "MaxPool": maximum,
    "Mul": _binary(ATEN.mul.Tensor),
    "Neg": _plain(ATEN.neg.default),
    "Pad": pad,
    "Reciprocal": _plain(ATEN.reciprocal.default),
    "ReduceMax": _reduced(ATEN.amax.default),
    "ReduceMean": _reduced(ATEN.mean.dim),
    "ReduceMin": _reduced(ATEN.amin.default),
    "ReduceSum": _reduced(ATEN.sum.dim_IntList),
    "Relu": _plain(ATEN.relu.default),
    "Reshape": reshaped,
    "Selu": _plain(ATEN.selu.default),
    "Sigmoid": _plain(ATEN.sigmoid.default),
    "Slice": sliced,
    "Softmax": _along(ATEN.softmax.int),
    "Softplus": _softplus,
    "Sqrt": _plain(ATEN.sqrt.default),
    "Squeeze": squeezed,
    "Sub": _binary(ATEN.sub.Tensor),
    "Tanh": _plain(ATEN.tanh.default),
    "Transpose": permuted,
    "Unsqueeze": unsqueezed,
}
"""What computes each ONNX operator in a program."""
