"""ONNX operators as calls of ATen: what a repair puts into an exported program."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from analyzer.core.types import Node
from rewriter.export.child.fx_caller import ATEN, Caller, refusal
from rewriter.export.child.fx_windows import (
    FIRST_SPATIAL,
    convolution,
    layer_normalised,
    maximum,
    mean,
    normalised,
    pad,
    whole,
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


def _permute(caller: Caller, node: Node) -> Any:
    image = caller.tensor(node, 0)
    axes = node.attributes.get("perm") or tuple(reversed(range(caller.rank(node))))
    return caller.call(ATEN.permute.default, image, list(whole(axes)))


def _concat(caller: Caller, node: Node) -> Any:
    parts = [caller.tensor(node, slot) for slot in range(len(node.inputs))]
    return caller.call(ATEN.cat.default, parts, node.attributes["axis"])


def _reshape(caller: Caller, node: Node) -> Any:
    image, sizes = caller.tensor(node, 0), node.constants.get(1)
    if sizes is None or (0 in sizes and node.attributes.get("allowzero")):
        raise refusal(node, "its sizes are computed")
    kept = [
        caller.call(ATEN.sym_size.int, image, axis) if size == 0 else int(size)
        for axis, size in enumerate(sizes)
    ]
    return caller.call(ATEN.reshape.default, image, kept)


def _axes(node: Node) -> list[int] | None:
    """Return the axes that an operator is told, as an input or as an attribute."""
    found = node.constants.get(1, node.attributes.get("axes"))
    return None if found is None else whole(found)


def _reduced(target: Any) -> Make:
    def make(caller: Caller, node: Node) -> Any:
        axes = _axes(node)
        if axes is None:
            axes = list(range(caller.rank(node)))
        keep = bool(node.attributes.get("keepdims", 1))
        return caller.call(target, caller.tensor(node, 0), axes, keep)

    return make


def _global_mean(caller: Caller, node: Node) -> Any:
    axes = list(range(FIRST_SPATIAL, caller.rank(node)))
    return caller.call(ATEN.mean.dim, caller.tensor(node, 0), axes, True)  # noqa: FBT003  # ATen's own order


def _squeeze(caller: Caller, node: Node) -> Any:
    axes = _axes(node)
    if axes is None:
        return caller.call(ATEN.squeeze.default, caller.tensor(node, 0))
    return caller.call(ATEN.squeeze.dims, caller.tensor(node, 0), axes)


def _unsqueeze(caller: Caller, node: Node) -> Any:
    result = caller.tensor(node, 0)
    for axis in sorted(_axes(node) or []):
        result = caller.call(ATEN.unsqueeze.default, result, axis)
    return result


def _flatten(caller: Caller, node: Node) -> Any:
    axis = node.attributes["axis"]
    if axis != 1:
        raise refusal(node, f"it flattens from axis {axis!r} on")
    return caller.call(ATEN.flatten.using_ints, caller.tensor(node, 0), 1)


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


def _gather(caller: Caller, node: Node) -> Any:
    index = node.constants.get(1)
    if index is None:
        raise refusal(node, "its indices are computed")
    axis = node.attributes["axis"]
    if index.ndim == 0:
        return caller.call(ATEN.select.int, caller.tensor(node, 0), axis, int(index))
    if index.ndim > 1:
        raise refusal(node, "its indices have several axes")
    return caller.call(
        ATEN.index_select.default, caller.tensor(node, 0), axis, caller.tensor(node, 1)
    )


FARTHEST = 2**63 - 1


def _slice(caller: Caller, node: Node) -> Any:
    if not all(slot in node.constants for slot in range(1, len(node.inputs))):
        raise refusal(node, "its bounds are computed")
    starts, ends = (whole(node.constants[slot]) for slot in (1, 2))
    axes = whole(node.constants.get(3, np.arange(len(starts))))
    steps = whole(node.constants.get(4, np.ones(len(starts), np.int64)))
    result = caller.tensor(node, 0)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if step < 0:
            if abs(start) <= 1 and end < -FARTHEST // 2:
                result = caller.call(ATEN.flip.default, result, [axis])
                continue
            raise refusal(node, "it goes backwards")
        result = caller.call(ATEN.slice.Tensor, result, axis, start, end, step)
    return result


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
    "Concat": _concat,
    "Conv": convolution,
    "Div": _binary(ATEN.div.Tensor),
    "Dropout": _identity,
    "Elu": _elu,
    "Erf": _plain(ATEN.erf.default),
    "Exp": _plain(ATEN.exp.default),
    "Flatten": _flatten,
    "Gather": _gather,
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
    "Reshape": _reshape,
    "Selu": _plain(ATEN.selu.default),
    "Sigmoid": _plain(ATEN.sigmoid.default),
    "Slice": _slice,
    "Softmax": _along(ATEN.softmax.int),
    "Softplus": _softplus,
    "Sqrt": _plain(ATEN.sqrt.default),
    "Squeeze": _squeeze,
    "Sub": _binary(ATEN.sub.Tensor),
    "Tanh": _plain(ATEN.tanh.default),
    "Transpose": _permute,
    "Unsqueeze": _unsqueeze,
}
"""What computes each ONNX operator in a program."""
