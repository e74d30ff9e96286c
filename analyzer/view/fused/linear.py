"""Convolutions and matrix products that hold an activation, a sum or transposes."""

from collections.abc import Mapping

import numpy as np

from analyzer.core.spelling import known_attributes
from analyzer.core.types import AttributeValue, Node
from analyzer.view.fused.known import UNKNOWN, Tensors
from analyzer.view.fused.steps import (
    CLIP_FROM_TENSORS,
    Steps,
    as_number,
    common_type,
    count,
    inner,
    number,
    real,
    slot,
    step,
)

AFTER_CONV: Mapping[str, tuple[str, ...]] = {
    "Relu": (),
    "Sigmoid": (),
    "Tanh": (),
    "LeakyRelu": ("alpha",),
    "HardSigmoid": ("alpha", "beta"),
    "Clip": ("min", "max"),
}
"""Activations FusedConv computes, and what its list `activation_params` holds for each.

Source: onnxruntime/contrib_ops/cpu/fused_activation.cc."""

AFTER_GEMM = frozenset(
    {
        "Celu",
        "Elu",
        "HardSigmoid",
        "LeakyRelu",
        "Relu",
        "Selu",
        "Sigmoid",
        "Softplus",
        "Softsign",
        "Tanh",
        "ThresholdedRelu",
    }
)
"""Activations FusedGemm computes; it must have one.

Source: onnxruntime/core/providers/cpu/activation/activations.cc."""

HELD = "activation"
"""The attribute of the activation a fused operator ends in; its settings begin so too."""


def fused_conv(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return Conv, the sum with another tensor, and the activation.

    Args:
        node: A FusedConv.
        opset: The opset to write for.
        tensors: What is known of its operands.
    """
    own = {k: v for k, v in node.attributes.items() if not k.startswith(HELD)}
    added, op = slot(node, 3), str(node.attributes.get(HELD, ""))
    names = [inner("conv")] if added or op else []
    names += [inner("sum")] if added and op else []
    names += node.outputs[:1]
    steps: Steps = (step("Conv", node.inputs[:3], names[0], **own),)
    if added:
        steps += (step("Add", (names[0], added), names[1]),)
    if not op:
        return steps
    values = np.ravel(node.attributes.get("activation_params", ())).tolist()
    if len(values) != len(AFTER_CONV.get(op, (None,))):
        return None
    dtype = common_type(node.inputs[:3], tensors)
    settings = dict(zip(AFTER_CONV[op], values, strict=False))
    last = _activation(op, (names[-2], names[-1]), settings, opset, dtype)
    return None if last is None else steps + last


def fused_gemm(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return Gemm and the activation.

    Args:
        node: A FusedGemm.
        opset: The opset to write for.
        tensors: What is known of its operands.
    """
    own = {k: v for k, v in node.attributes.items() if not k.startswith(HELD)}
    op = str(node.attributes.get(HELD, ""))
    if op not in AFTER_GEMM:
        return None
    before = inner("gemm")
    product = step("Gemm", node.inputs, before, **own)
    prefix = f"{HELD}_"
    settings = {
        name.removeprefix(prefix): value
        for name, value in node.attributes.items()
        if name.startswith(prefix)
    }
    dtype = common_type(node.inputs, tensors)
    ends = before, node.outputs[0]
    last = _activation(op, ends, settings, opset, dtype)
    return None if last is None else (product, *last)


def _activation(
    op: str,
    ends: tuple[str, str],
    settings: Mapping[str, AttributeValue],
    opset: int,
    dtype: int | None,
) -> Steps | None:
    """Return the activation a fused operator ends in; None where the opset lacks it."""
    known = known_attributes(op, opset)
    if known is None:
        return None
    if op != "Clip" or opset < CLIP_FROM_TENSORS:
        kept = {name: value for name, value in settings.items() if name in known}
        return (step(op, ends[:1], ends[1], **kept),)
    if dtype is None:
        return None
    bounds = {name: inner(name) for name in settings}
    made = (
        number(bounds[name], as_number(settings[name], 0.0), dtype) for name in settings
    )
    reads = (ends[0], bounds.get("min", ""), bounds.get("max", ""))
    return (*made, step("Clip", reads, ends[1]))


def fused_matmul(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return MatMul with its operands transposed, and what it gives scaled.

    Args:
        node: A FusedMatMul.
        opset: The opset to write for.
        tensors: What is known of its operands; their ranks where they are transposed.
    """
    del opset
    steps: Steps = ()
    reads: list[str] = []
    for name, side in zip(node.inputs[:2], "AB", strict=True):
        turned = bool(count(node, f"trans{side}", 0))
        batched = bool(count(node, f"transBatch{side}", 0))
        rank = tensors.get(name, UNKNOWN).rank
        if (turned or batched) and rank is None:
            return None
        perm = _order(rank or 0, turned=turned, batched=batched)
        if perm == tuple(range(rank or 0)):
            reads.append(name)
            continue
        reads.append(inner(f"transposed{side}"))
        steps += (step("Transpose", (name,), reads[-1], perm=perm),)
    scale = real(node, "alpha", 1.0)
    if scale == 1.0:
        return (*steps, step("MatMul", reads, node.outputs))
    dtype = common_type(node.inputs, tensors)
    if dtype is None:
        return None
    product, factor = inner("product"), inner("alpha")
    return (
        *steps,
        step("MatMul", reads, product),
        number(factor, scale, dtype),
        step("Mul", (product, factor), node.outputs),
    )


def _order(rank: int, *, turned: bool, batched: bool) -> tuple[int, ...]:
    """Return the axes of an operand as MatMul wants them.

    `batched` first moves the first axis behind the other batch axes, next to the last one;
    then `turned` swaps the last two. A vector stays as it is.
    """
    axes = list(range(rank))
    if batched and rank > 2:  # noqa: PLR2004 - a matrix has no batch axes
        axes = [*axes[1:-1], axes[0], axes[-1]]
    if turned and rank > 1:
        axes = [*axes[:-2], axes[-1], axes[-2]]
    return tuple(axes)
