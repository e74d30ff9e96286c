"""Layer norms: with a residual sum before them, without a mean, or before their opset."""

from dataclasses import dataclass

from analyzer.core.types import Node
from analyzer.view.fused.known import UNKNOWN, Tensors
from analyzer.view.fused.steps import (
    FLOATS,
    Steps,
    common_type,
    count,
    given,
    inner,
    number,
    over_axes,
    real,
    slot,
    step,
)

LAYER_NORM_SINCE = 17
"""The opset from which LayerNormalization is an operator; ONNX Runtime has one before it.

Source: https://onnx.ai/onnx/operators/onnx__LayerNormalization.html"""

RMS_NORM_SINCE = 23
"""The opset from which RMSNormalization is an operator.

Source: https://onnx.ai/onnx/operators/onnx__RMSNormalization.html"""

NEGATIVE_AXES_SINCE = 11
"""The opset from which a reduction counts axes from the end.

Source: https://onnx.ai/onnx/operators/onnx__ReduceMean.html"""

EPSILON = 1e-5
"""Default of the norms. Source: https://onnx.ai/onnx/operators/"""

PRODUCTS = frozenset({"MatMul", "FusedMatMul", "Gemm", "MatMulInteger"})
"""Operators that a layer's bias follows."""

SKIP_EPSILON = 1e-12
"""Default of the norms after a sum. Source: ONNX Runtime's docs/ContribOperators.md."""


@dataclass(frozen=True, slots=True)
class Norm:
    """A norm to be written: over which axes of what, and where its results go.

    Attributes:
        x: What is normalised.
        scale: Its scale.
        bias: Its offset, empty where there is none.
        outputs: The result; the mean and the inverse deviation where they are asked for.
        axis: The first axis that is normalised.
        epsilon: Added to the variance.
        opset: The opset to write for.
        dtype: Element type, None where it is unknown.
    """

    x: str
    scale: str
    bias: str
    outputs: tuple[str, ...]
    axis: int
    epsilon: float
    opset: int
    dtype: int | None


def layer_norm(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return a LayerNormalization that stands below its opset, written out.

    Args:
        node: A LayerNormalization.
        opset: The opset to write for.
        tensors: What is known of its operands.
    """
    if opset >= LAYER_NORM_SINCE and not node.domain:
        return None
    norm = _norm(node, slot(node, 2), opset, tensors)
    return normalised(norm)


def simplified_layer_norm(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return a norm without mean.

    Args:
        node: A SimplifiedLayerNormalization.
        opset: The opset to write for.
        tensors: What is known of its operands.
    """
    return root_mean_square(_norm(node, "", opset, tensors))


def _norm(node: Node, bias: str, opset: int, tensors: Tensors) -> Norm:
    return Norm(
        node.inputs[0],
        node.inputs[1],
        bias,
        node.outputs,
        count(node, "axis", -1),
        real(node, "epsilon", EPSILON),
        opset,
        common_type(node.inputs, tensors),
    )


def skip_layer_norm(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return the sum of two tensors and a bias, and its layer norm.

    Args:
        node: A SkipLayerNormalization.
        opset: The opset to write for.
        tensors: What is known of its operands.
    """
    total, steps = _summed(node, slot(node, 4), tensors)
    norm = _after_sum(node, total, slot(node, 3), opset, tensors)
    rest = None if any(node.outputs[1:3]) else normalised(norm)
    return None if rest is None else steps + rest


def skip_simplified_layer_norm(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return the sum of two tensors and a bias, and its norm without mean.

    Args:
        node: A SkipSimplifiedLayerNormalization.
        opset: The opset to write for.
        tensors: What is known of its operands.
    """
    total, steps = _summed(node, slot(node, 3), tensors)
    norm = _after_sum(node, total, "", opset, tensors)
    rest = None if any(node.outputs[1:3]) else root_mean_square(norm)
    return None if rest is None else steps + rest


def _summed(node: Node, bias: str, tensors: Tensors) -> tuple[str, Steps]:
    """Return the sum before a norm; a product of weights takes the bias, as in a layer."""
    first, skip = node.inputs[:2]
    total, biased = given(node, 3) or inner("sum"), inner("biased")
    if not bias:
        return total, (step("Add", (first, skip), total),)
    made = [tensors.get(name, UNKNOWN).maker in PRODUCTS for name in (first, skip)]
    if made == [False, True]:
        sums = step("Add", (skip, bias), biased), step("Add", (first, biased), total)
    else:
        sums = step("Add", (first, bias), biased), step("Add", (biased, skip), total)
    return total, sums


def _after_sum(node: Node, total: str, bias: str, opset: int, tensors: Tensors) -> Norm:
    dtype = common_type([name for name in node.inputs if name], tensors)
    epsilon = real(node, "epsilon", SKIP_EPSILON)
    return Norm(total, node.inputs[2], bias, node.outputs[:1], -1, epsilon, opset, dtype)


def normalised(norm: Norm) -> Steps | None:
    """Return a layer norm as the opset says it; None where it cannot.

    Args:
        norm: The norm.
    """
    ends = norm.x, norm.scale, norm.bias
    if norm.opset >= LAYER_NORM_SINCE:
        attributes = {"axis": norm.axis, "epsilon": norm.epsilon}
        return (step("LayerNormalization", ends, norm.outputs, **attributes),)
    return written_out(norm)


def spelled_layer_norm(node: Node, opset: int, tensors: Tensors) -> Steps | None:
    """Return a LayerNormalization written out, though its opset has it.

    Args:
        node: A LayerNormalization.
        opset: The opset to write for.
        tensors: What is known of its operands.
    """
    return written_out(_norm(node, slot(node, 2), opset, tensors))


def written_out(norm: Norm) -> Steps | None:
    """Return a layer norm as sums, squares and quotients; None where they cannot say it.

    Args:
        norm: The norm.
    """
    if not _can_be_written_out(norm):
        return None
    names = ("mean", "centred", "scaled")
    mean, centred, scaled = (inner(name) for name in names)
    mean = norm.outputs[1] if len(norm.outputs) > 1 and norm.outputs[1] else mean
    steps = (
        *_mean_of(norm, norm.x, mean),
        step("Sub", (norm.x, mean), centred),
        *_over_deviation(norm, centred, norm.outputs[2:3]),
    )
    if not norm.bias:
        return (*steps, step("Mul", (inner("normal"), norm.scale), norm.outputs[0]))
    return (
        *steps,
        step("Mul", (inner("normal"), norm.scale), scaled),
        step("Add", (scaled, norm.bias), norm.outputs[0]),
    )


def root_mean_square(norm: Norm) -> Steps | None:
    """Return a norm without mean as the opset says it; None where it cannot.

    Args:
        norm: The norm.
    """
    inverse = norm.outputs[1:2]
    if norm.opset >= RMS_NORM_SINCE and not any(inverse):
        attributes = {"axis": norm.axis, "epsilon": norm.epsilon}
        ends = norm.x, norm.scale
        return (step("RMSNormalization", ends, norm.outputs[:1], **attributes),)
    if not _can_be_written_out(norm):
        return None
    normal = inner("normal")
    return (
        *_over_deviation(norm, norm.x, inverse),
        step("Mul", (normal, norm.scale), norm.outputs[0]),
    )


def _can_be_written_out(norm: Norm) -> bool:
    """Return whether the parts compute what the norm does: half precision would not."""
    known = norm.dtype in FLOATS and norm.opset >= NEGATIVE_AXES_SINCE
    return known and norm.axis < 0


def _mean_of(norm: Norm, x: str, result: str) -> Steps:
    axes = range(norm.axis, 0)
    return over_axes("ReduceMean", norm.opset, (x, result), axes)


def _over_deviation(norm: Norm, centred: str, inverse: tuple[str, ...]) -> Steps:
    """Return what divides a tensor by its deviation, as `normal`."""
    names = ("two", "squared", "variance", "epsilon", "kept", "deviation", "normal")
    two, squared, variance, epsilon, kept, deviation, normal = (
        inner(name) for name in names
    )
    dtype = int(norm.dtype or 0)
    return (
        number(two, 2.0, dtype),
        step("Pow", (centred, two), squared),
        *_mean_of(norm, squared, variance),
        number(epsilon, norm.epsilon, dtype),
        step("Add", (variance, epsilon), kept),
        step("Sqrt", (kept,), deviation),
        *(step("Reciprocal", (deviation,), name) for name in inverse if name),
        step("Div", (centred, deviation), normal),
    )
