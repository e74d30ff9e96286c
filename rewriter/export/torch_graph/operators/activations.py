"""Activation functions."""

from typing import Any

import torch
from torch.nn import functional as torch_functions

from rewriter.export.torch_graph.call import Call
from rewriter.export.torch_graph.table import computes, each

SELU = (1.67326319217681884765625, 1.05070102214813232421875)
"""Alpha and gamma that Selu has where none is given. Source: ONNX's Selu."""

PLAIN = each(
    Relu=torch.relu,
    Sigmoid=torch.sigmoid,
    Tanh=torch.tanh,
    Softplus=torch_functions.softplus,
    Softsign=torch_functions.softsign,
    Mish=torch_functions.mish,
    HardSwish=torch_functions.hardswish,
)


@computes("LeakyRelu")
def leaky_relu(call: Call) -> Any:
    """Return a tensor, scaled where it is negative."""
    return torch_functions.leaky_relu(call.tensor(0), call.option("alpha", 0.01))


@computes("PRelu")
def prelu(call: Call) -> Any:
    """Return a tensor, scaled by another where it is negative."""
    x, slope = call.tensors
    return torch.where(x < 0, x * slope, x)


@computes("Elu")
def elu(call: Call) -> Any:
    """Return a tensor that nears -alpha where it is negative."""
    return torch_functions.elu(call.tensor(0), call.option("alpha", 1.0))


@computes("Celu")
def celu(call: Call) -> Any:
    """Return a tensor that nears -alpha where it is negative, with a smooth derivative."""
    return torch_functions.celu(call.tensor(0), call.option("alpha", 1.0))


@computes("Selu")
def selu(call: Call) -> Any:
    """Return a scaled elu."""
    alpha, gamma = call.option("alpha", SELU[0]), call.option("gamma", SELU[1])
    return gamma * torch_functions.elu(call.tensor(0), alpha)


@computes("Gelu", "com.microsoft:Gelu")
def gelu(call: Call) -> Any:
    """Return x times the normal distribution at x, exactly or by tanh."""
    approximate = call.option("approximate", "none")
    return torch_functions.gelu(call.tensor(0), approximate=approximate)


@computes("com.microsoft:FastGelu")
def fast_gelu(call: Call) -> Any:
    """Return gelu by tanh, of the sum with a bias where there is one."""
    x = sum(call.tensors[1:], call.tensor(0))
    return torch_functions.gelu(x, approximate="tanh")


@computes("com.microsoft:BiasGelu")
def bias_gelu(call: Call) -> Any:
    """Return gelu of a sum."""
    return torch_functions.gelu(call.tensor(0) + call.tensor(1))


@computes("com.microsoft:QuickGelu")
def quick_gelu(call: Call) -> Any:
    """Return x times the sigmoid of alpha x."""
    x = call.tensor(0)
    return x * torch.sigmoid(call.option("alpha", 1.702) * x)


@computes("Swish")
def swish(call: Call) -> Any:
    """Return x times the sigmoid of alpha x."""
    x = call.tensor(0)
    return x * torch.sigmoid(call.option("alpha", 1.0) * x)


@computes("HardSigmoid")
def hard_sigmoid(call: Call) -> Any:
    """Return a line, cut at 0 and 1."""
    line = call.option("alpha", 0.2) * call.tensor(0) + call.option("beta", 0.5)
    return line.clamp(0, 1)


@computes("ThresholdedRelu")
def thresholded_relu(call: Call) -> Any:
    """Return a tensor with zeros where it does not exceed alpha."""
    return torch_functions.threshold(call.tensor(0), call.option("alpha", 1.0), 0.0)


@computes("Shrink")
def shrink(call: Call) -> Any:
    """Return a tensor drawn to zero by a bias, and zero within lambd of it."""
    x, limit, bias = call.tensor(0), call.option("lambd", 0.5), call.option("bias", 0.0)
    zeros = torch.zeros_like(x)
    moved = torch.where(x < -limit, (x + bias).to(x.dtype), zeros)
    return torch.where(x > limit, (x - bias).to(x.dtype), moved)


@computes("Softmax")
def softmax(call: Call) -> Any:
    """Return exponentials that sum to one."""
    return _along(call, torch.softmax)


@computes("LogSoftmax")
def log_softmax(call: Call) -> Any:
    """Return the logarithms of a softmax."""
    return _along(call, torch.log_softmax)


@computes("Hardmax")
def hardmax(call: Call) -> Any:
    """Return 1 at the first largest element, else 0."""
    return _along(call, _first_largest)


def _first_largest(x: Any, axis: int) -> Any:
    zeros = torch.zeros_like(x)
    return zeros.scatter(axis, x.argmax(axis, keepdim=True), 1)


def _along(call: Call, function: Any) -> Any:
    """Return a function along an axis; before opset 13, over all axes from it on."""
    x = call.tensor(0)
    if call.opset >= 13:  # noqa: PLR2004  # the opset since which it is one axis
        return function(x, call.option("axis", -1))
    axis = call.option("axis", 1) % x.ndim
    if axis == x.ndim - 1:
        return function(x, axis)
    return function(x.flatten(axis), axis).reshape(x.shape)
