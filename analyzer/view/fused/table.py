"""Which fused operators are opened, and by what."""

from collections.abc import Collection, Mapping

from analyzer.core.types import Node
from analyzer.view.fused.activations import (
    Opener,
    fast_gelu,
    gelu,
    hard_swish,
    mish,
    quick_gelu,
    spelled_gelu,
    swish,
)
from analyzer.view.fused.known import Tensors
from analyzer.view.fused.linear import fused_conv, fused_gemm, fused_matmul
from analyzer.view.fused.norms import (
    layer_norm,
    simplified_layer_norm,
    skip_layer_norm,
    skip_simplified_layer_norm,
    spelled_layer_norm,
)
from analyzer.view.fused.quantized import (
    ONE,
    TWO,
    qgemm,
    qlinear_concat,
    qlinear_conv,
    qlinear_matmul,
    qlinear_one,
    qlinear_two,
)
from analyzer.view.fused.steps import Steps
from analyzer.view.fused.transformers import attention, embed_layer_norm

RUNTIME = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""

OPERANDS = {
    "FusedConv": 2,
    "FusedGemm": 2,
    "FusedMatMul": 2,
    "BiasGelu": 2,
    "SkipLayerNormalization": 3,
    "SkipSimplifiedLayerNormalization": 3,
    "EmbedLayerNormalization": 7,
    "Attention": 2,
    "LayerNormalization": 2,
    "SimplifiedLayerNormalization": 2,
    "QLinearConv": 8,
    "QLinearMatMul": 8,
    "QGemm": 6,
    "QLinearConcat": 5,
    **dict.fromkeys(TWO, 7),
    **dict.fromkeys(ONE, 4),
}
"""The least number of operands of a node, by its type; 1 of any other. A broken node with
fewer stays as it is."""

FUSED: Mapping[tuple[str, str], Opener] = {
    (RUNTIME, "FusedConv"): fused_conv,
    (RUNTIME, "FusedGemm"): fused_gemm,
    (RUNTIME, "FusedMatMul"): fused_matmul,
    (RUNTIME, "Gelu"): gelu,
    (RUNTIME, "BiasGelu"): gelu,
    (RUNTIME, "FastGelu"): fast_gelu,
    (RUNTIME, "QuickGelu"): quick_gelu,
    (RUNTIME, "SkipLayerNormalization"): skip_layer_norm,
    (RUNTIME, "SkipSimplifiedLayerNormalization"): skip_simplified_layer_norm,
    (RUNTIME, "EmbedLayerNormalization"): embed_layer_norm,
    (RUNTIME, "Attention"): attention,
    ("", "LayerNormalization"): layer_norm,
    ("", "SimplifiedLayerNormalization"): simplified_layer_norm,
    ("", "QLinearConv"): qlinear_conv,
    ("", "QLinearMatMul"): qlinear_matmul,
    (RUNTIME, "QGemm"): qgemm,
    (RUNTIME, "QLinearConcat"): qlinear_concat,
    **{(RUNTIME, op): qlinear_two for op in TWO},
    **{(RUNTIME, op): qlinear_one for op in ONE},
}
"""What gives the plain operators of a fused one, by its domain and type.

ONNX Runtime's optimizer writes the layer norms in ONNX's own domain, the first of them also
below the opset that has it. Source: ONNX Runtime's docs/ContribOperators.md and
onnxruntime/core/optimizer."""


SPELLED: Mapping[str, Opener] = {
    "Gelu": spelled_gelu,
    "HardSwish": hard_swish,
    "LayerNormalization": spelled_layer_norm,
    "Mish": mish,
    "Swish": swish,
}
"""What writes out operators of ONNX's own that other exporters spell with several: they are
opened where the other model has none of them."""


def parts(
    node: Node, opset: int, tensors: Tensors, also: Collection[str] = ()
) -> Steps | None:
    """Return the plain operators that a fused node stands for, in the order they compute.

    Args:
        node: Any node.
        opset: The default-domain opset of its model.
        tensors: What is known of the tensors it reads.
        also: Types of `SPELLED` that are opened too.

    Returns:
        Operators that read what the node reads and give what it gives, under the same
        names, their inner tensors under names that begin with the node's; None where the
        node is not fused, or the opset has no way to say it.
    """
    spelled = SPELLED.get(node.op) if node.op in also and not node.domain else None
    opener = spelled or FUSED.get((node.domain, node.op))
    if opener is None or not any(node.outputs[:1]):
        return None
    if len(node.inputs) < OPERANDS.get(node.op, 1):
        return None
    return opener(node, opset, tensors)
