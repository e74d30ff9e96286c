"""Gelu and its kin, written out the way exporters write them."""

import math
from collections.abc import Callable

from analyzer.core.types import Node
from analyzer.view.fused.known import Tensors
from analyzer.view.fused.steps import (
    CLIP_FROM_TENSORS,
    Steps,
    common_type,
    inner,
    number,
    real,
    slot,
    step,
)

GELU_SINCE = 20
"""The opset from which Gelu is an operator.

Source: https://onnx.ai/onnx/operators/onnx__Gelu.html"""

CUBIC = 0.044715
"""Weight of the cube in the approximation by tanh. Source: arXiv 1606.08415."""

Opener = Callable[[Node, int, Tensors], Steps | None]
"""Gives the parts of a node for an opset; None where it cannot."""

SIGMOID_SCALE = 1.702
"""Default of QuickGelu's `alpha`. Source: ONNX Runtime's docs/ContribOperators.md."""


def gelu(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return Gelu, of the sum with a bias where there is one.

    Args:
        node: A Gelu or BiasGelu.
        opset: The opset to write for.
        tensors: What is known of its operands.
    """
    return _after_bias(node, opset, tensors, approximate=False)


def fast_gelu(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return Gelu as tanh approximates it, of the sum with a bias where there is one.

    Args:
        node: A FastGelu.
        opset: The opset to write for.
        tensors: What is known of its operands.
    """
    return _after_bias(node, opset, tensors, approximate=True)


def spelled_gelu(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return ONNX's own Gelu written out, though its opset has it.

    Args:
        node: A Gelu.
        opset: The opset to write for.
        tensors: What is known of its operand.
    """
    del opset
    x, dtype = node.inputs[0], common_type(node.inputs[:1], tensors)
    if dtype is None:
        return None
    wanted = node.attributes.get("approximate", "none")
    return _with_tanh(node, x, dtype) if wanted == "tanh" else _with_erf(node, x, dtype)


def hard_swish(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return ``x * Clip(x + 3, 0, 6) / 6``.

    Args:
        node: A HardSwish.
        opset: The opset to write for.
        tensors: What is known of its operand.
    """
    x, dtype = node.inputs[0], common_type(node.inputs[:1], tensors)
    if dtype is None or opset < CLIP_FROM_TENSORS:
        return None
    names = ("three", "low", "six", "shifted", "gate", "product")
    three, low, six, shifted, gate, product = (inner(k) for k in names)
    return (
        number(three, 3.0, dtype),
        step("Add", (x, three), shifted),
        number(low, 0.0, dtype),
        number(six, 6.0, dtype),
        step("Clip", (shifted, low, six), gate),
        step("Mul", (x, gate), product),
        step("Div", (product, six), node.outputs),
    )


def mish(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return ``x * Tanh(Softplus(x))``.

    Args:
        node: A Mish.
        opset: The opset to write for.
        tensors: What is known of its operand.
    """
    del opset, tensors
    x, soft, gate = node.inputs[0], inner("softplus"), inner("gate")
    return (
        step("Softplus", (x,), soft),
        step("Tanh", (soft,), gate),
        step("Mul", (x, gate), node.outputs),
    )


def quick_gelu(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return ``x * Sigmoid(alpha * x)``.

    Args:
        node: A QuickGelu.
        opset: The opset to write for.
        tensors: What is known of its operand.
    """
    del opset
    return _sigmoid_gated(node, real(node, "alpha", SIGMOID_SCALE), tensors)


def swish(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return ``x * Sigmoid(alpha * x)``, alpha 1 where the node does not say.

    Args:
        node: A Swish.
        opset: The opset to write for.
        tensors: What is known of its operand.
    """
    del opset
    return _sigmoid_gated(node, real(node, "alpha", 1.0), tensors)


def _sigmoid_gated(node: Node, alpha: float, tensors: Tensors) -> Steps | None:
    x = node.inputs[0]
    gate = inner("gate")
    last = step("Mul", (x, gate), node.outputs)
    if alpha == 1.0:
        return step("Sigmoid", (x,), gate), last
    dtype = common_type((x,), tensors)
    if dtype is None:
        return None
    scale, scaled = inner("alpha"), inner("scaled")
    return (
        number(scale, alpha, dtype),
        step("Mul", (x, scale), scaled),
        step("Sigmoid", (scaled,), gate),
        last,
    )


def _after_bias(
    node: Node, opset: int, tensors: Tensors, *, approximate: bool
) -> Steps | None:
    bias = slot(node, 1)
    x = inner("biased") if bias else node.inputs[0]
    dtype = common_type([name for name in node.inputs if name], tensors)
    rest = _gelu_of(node, x, opset, dtype, approximate=approximate)
    if not bias or rest is None:
        return rest
    return (step("Add", (node.inputs[0], bias), x), *rest)


def _gelu_of(
    node: Node, x: str, opset: int, dtype: int | None, *, approximate: bool
) -> Steps | None:
    if opset >= GELU_SINCE:
        kind = "tanh" if approximate else None
        return (step("Gelu", (x,), node.outputs, approximate=kind),)
    if dtype is None:
        return None
    return _with_tanh(node, x, dtype) if approximate else _with_erf(node, x, dtype)


def _with_erf(node: Node, x: str, dtype: int) -> Steps:
    """Return ``0.5 * x * (1 + erf(x / sqrt(2)))``."""
    names = ("root", "scaled", "erf", "one", "shifted", "product", "half")
    root, scaled, erf, one, shifted, product, half = (inner(k) for k in names)
    return (
        number(root, math.sqrt(2.0), dtype),
        step("Div", (x, root), scaled),
        step("Erf", (scaled,), erf),
        number(one, 1.0, dtype),
        step("Add", (erf, one), shifted),
        step("Mul", (x, shifted), product),
        number(half, 0.5, dtype),
        step("Mul", (product, half), node.outputs),
    )


def _with_tanh(node: Node, x: str, dtype: int) -> Steps:
    """Return ``0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ** 3)))``."""
    names = ("three", "cube", "cubic", "weighted", "sum", "root", "scaled", "tanh")
    three, cube, cubic, weighted, total, root, scaled, tanh = (inner(k) for k in names)
    last = ("one", "shifted", "product", "half")
    one, shifted, product, half = (inner(k) for k in last)
    return (
        number(three, 3.0, dtype),
        step("Pow", (x, three), cube),
        number(cubic, CUBIC, dtype),
        step("Mul", (cube, cubic), weighted),
        step("Add", (x, weighted), total),
        number(root, math.sqrt(2.0 / math.pi), dtype),
        step("Mul", (total, root), scaled),
        step("Tanh", (scaled,), tanh),
        number(one, 1.0, dtype),
        step("Add", (tanh, one), shifted),
        step("Mul", (x, shifted), product),
        number(half, 0.5, dtype),
        step("Mul", (product, half), node.outputs),
    )
