"""Which nodes fold into the operator they serve, so that two spellings look the same."""

from collections.abc import Mapping

from analyzer.core.types import Node

LAYOUT_OPS = frozenset(
    {
        "Transpose",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Identity",
        "Cast",
        "CastLike",
        "Dropout",
        "QuantizeLinear",
        "DequantizeLinear",
    }
)
"""Same values, other order, rank or type."""

SAME_VALUES_OPS = frozenset(
    {
        "Transpose",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Identity",
        "Dropout",
    }
)
"""What they give holds exactly the elements they read."""

CHANNELS_FIRST_OPS = frozenset(
    {
        "Conv",
        "ConvTranspose",
        "ConvInteger",
        "QLinearConv",
        "FusedConv",
        "MaxPool",
        "AveragePool",
        "LpPool",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "GlobalLpPool",
        "MaxUnpool",
        "BatchNormalization",
        "InstanceNormalization",
        "GroupNormalization",
        "LRN",
        "DepthToSpace",
        "SpaceToDepth",
        "GridSample",
    }
)
"""ONNX defines these with the channels on axis 1 and space behind it, in every model."""

ELEMENTWISE_OPS = frozenset(
    {
        "Relu",
        "Clip",
        "Sigmoid",
        "Tanh",
        "LeakyRelu",
        "Elu",
        "Selu",
        "HardSwish",
        "HardSigmoid",
        "PRelu",
        "Softplus",
        "Softsign",
        "Mish",
        "Swish",
        "Gelu",
        "Erf",
        "Neg",
        "Abs",
        "Exp",
        "Log",
        "Sqrt",
        "Floor",
        "Ceil",
        "Round",
        "Identity",
        "Dropout",
        "Cast",
        "CastLike",
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Pow",
        "Max",
        "Min",
        "Pad",
        "QuantizeLinear",
        "DequantizeLinear",
        "Resize",
    }
)
"""What they give has its axes where its operands have them."""

AFFINE_OPS = frozenset({"Add", "Sub", "Mul", "Div", "BatchNormalization"})
"""One scale and offset a channel, where every operand but one is constant."""

PAD_OPS = frozenset({"Pad"})
"""One side pads in a node of its own, the other in its convolution."""

ABSORBED_OPS = LAYOUT_OPS | PAD_OPS | AFFINE_OPS
"""What may fold into the operator before it."""

SAME_OP = {
    "Gemm": "MatMul",
    "FusedMatMul": "MatMul",
    "FusedGemm": "MatMul",
    "MatMulInteger": "MatMul",
    "QLinearMatMul": "MatMul",
    "FusedConv": "Conv",
    "QLinearConv": "Conv",
    "ConvInteger": "Conv",
    "GlobalAveragePool": "ReduceMean",
    "GlobalMaxPool": "ReduceMax",
    "Sum": "Add",
}
"""Operators that compute the same under two names."""


def label(node: Node) -> str:
    """Return the name under which an operator is looked for on the other side."""
    if node.op == "Clip" and node.constants.get(1) is not None:
        return "Relu" if float(node.constants[1].ravel()[0]) == 0.0 else "Clip"
    if node.op == "Clip" and node.attributes.get("min") == 0.0:
        return "Relu"
    return SAME_OP.get(node.op, node.op)


def is_absorbed(node: Node, dynamic: frozenset[str], readers: Mapping[str, int]) -> bool:
    """Return whether a node folds into the one that gives its input.

    Args:
        node: A node that computes with the model's inputs.
        dynamic: Tensors that depend on the model's inputs.
        readers: How often each tensor is read.
    """
    if node.op not in ABSORBED_OPS:
        return False
    moving = [name for name in node.inputs if name in dynamic]
    if len(moving) != 1:
        return False
    if node.op in LAYOUT_OPS or node.op in PAD_OPS:
        return node.inputs[0] == moving[0]
    if readers[moving[0]] != 1:
        return False
    others = len(node.inputs) - node.inputs.count("") - 1
    return len(node.constants) == others
