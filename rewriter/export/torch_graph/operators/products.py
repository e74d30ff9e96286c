"""Products of matrices."""

from typing import Any

import torch

from rewriter.export.torch_graph.call import Call
from rewriter.export.torch_graph.table import computes


@computes("MatMul")
def product(call: Call) -> Any:
    """Return a product of matrices, or stacks of them."""
    one, other = call.tensors
    if one.is_floating_point():
        return torch.matmul(one, other)
    return torch.matmul(one.long(), other.long()).to(one.dtype)


@computes("Gemm")
def gemm(call: Call) -> Any:
    """Return alpha A B + beta C, A and B transposed where the node says so."""
    one, other, added = call.tensor(0), call.tensor(1), call.maybe(2)
    alpha, beta = call.option("alpha", 1.0), call.option("beta", 1.0)
    one = one.t() if call.option("transA", 0) else one
    if call.option("transB", 0) and alpha == beta == 1 and _is_bias(added, other):
        return torch.nn.functional.linear(one, other, added)
    other = other.t() if call.option("transB", 0) else other
    total = _scaled(torch.matmul(one, other), alpha)
    return total if added is None else total + _scaled(added, beta)


def _is_bias(added: Any, weight: Any) -> bool:
    return added is None or (added.ndim == 1 and added.shape[0] == weight.shape[0])


def _scaled(x: Any, factor: float) -> Any:
    return x if factor == 1 else (x * factor).to(x.dtype)


@computes("Einsum")
def einsum(call: Call) -> Any:
    """Return a sum of products in Einstein's notation."""
    return torch.einsum(call.option("equation").replace(" ", ""), *call.tensors)


@computes("com.microsoft:FusedMatMul")
def fused_product(call: Call) -> Any:
    """Return alpha A B, A and B transposed where the node says so."""
    one, other = call.tensors
    one = one.mT if call.option("transA", 0) else one
    other = other.mT if call.option("transB", 0) else other
    return _scaled(torch.matmul(one, other), call.option("alpha", 1.0))


ACTIVATIONS = {
    "Relu": torch.relu, "Sigmoid": torch.sigmoid, "Tanh": torch.tanh,
    "LeakyRelu": lambda x, alpha=0.01: torch.nn.functional.leaky_relu(x, alpha),
    "Clip": torch.clamp,
    "HardSigmoid": lambda x, alpha=0.2, beta=0.5: (alpha * x + beta).clamp(0, 1),
}  # fmt: skip
"""What ONNX Runtime fuses into a product or a convolution."""


def activated(call: Call, x: Any) -> Any:
    """Return a tensor after the activation that is fused into a node."""
    name = call.option("activation")
    if not name:
        return x
    if name not in ACTIVATIONS:
        raise call.refusal(f"its fused activation {name} is not in the table")
    return ACTIVATIONS[name](x, *call.option("activation_params", ()))


@computes("com.microsoft:FusedGemm")
def fused_gemm(call: Call) -> Any:
    """Return a gemm with its activation."""
    return activated(call, gemm(call))
