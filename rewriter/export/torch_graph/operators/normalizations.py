"""Operators that shift and scale by means and variances."""

from typing import Any

import torch
from torch.nn import functional as torch_functions

from rewriter.export.torch_graph.call import Call
from rewriter.export.torch_graph.table import computes


@computes("BatchNormalization")
def batch_normalization(call: Call) -> Any:
    """Return a tensor normalised by stored or, in training, by its own statistics."""
    x, scale, offset, mean, variance = call.tensors
    epsilon, momentum = call.option("epsilon", 1e-5), call.option("momentum", 0.9)
    if not call.option("training_mode", 0):
        return torch_functions.batch_norm(x, mean, variance, scale, offset, eps=epsilon)
    axes = [0, *range(2, x.ndim)]
    own = x.mean(axes), x.var(axes, unbiased=False)
    y = torch_functions.batch_norm(x, *own, scale, offset, eps=epsilon)
    kept = (
        stored * momentum + now * (1 - momentum)
        for stored, now in zip((mean, variance), own, strict=True)
    )
    return (y, *kept)


@computes("InstanceNormalization")
def instance_normalization(call: Call) -> Any:
    """Return a tensor [N, C, ...] normalised over each sample's channel."""
    x, scale, offset = call.tensors
    epsilon = call.option("epsilon", 1e-5)
    return torch_functions.instance_norm(x, weight=scale, bias=offset, eps=epsilon)


@computes("LayerNormalization")
def layer_normalization(call: Call) -> Any:
    """Return a tensor normalised over its last axes, with their mean and deviation."""
    x, scale, offset = call.tensor(0), call.tensor(1), call.maybe(2)
    axis, epsilon = call.option("axis", -1) % x.ndim, call.option("epsilon", 1e-5)
    shape = x.shape[axis:]
    if call.outputs == 1 and list(scale.shape) == list(shape):
        return torch_functions.layer_norm(x, shape, scale, offset, epsilon)
    axes = list(range(axis, x.ndim))
    whole = x.to(torch.float32) if x.element_size() < 4 else x  # noqa: PLR2004  # float32
    mean = whole.mean(axes, keepdim=True)
    inverse = (whole.var(axes, unbiased=False, keepdim=True) + epsilon).rsqrt()
    y = ((whole - mean) * inverse).to(x.dtype) * scale
    return (y if offset is None else y + offset), mean, inverse


@computes("com.microsoft:SkipLayerNormalization")
def skip_layer_normalization(call: Call) -> Any:
    """Return the normalised sum of two tensors (and a bias), and the sum."""
    x, skip, scale = call.tensor(0), call.tensor(1), call.tensor(2)
    total = x + skip + call.tensor(4) if call.has(4) else x + skip
    epsilon = call.option("epsilon", 1e-12)
    y = torch_functions.layer_norm(total, scale.shape, scale, call.maybe(3), epsilon)
    return y, None, None, total


@computes("RMSNormalization", "SimplifiedLayerNormalization")
def rms_normalization(call: Call) -> Any:
    """Return a tensor divided by the root of its mean square over its last axes."""
    x, scale = call.tensors
    axis, epsilon = call.option("axis", -1) % x.ndim, call.option("epsilon", 1e-5)
    axes = list(range(axis, x.ndim))
    whole = x.to(torch.float32) if x.element_size() < 4 else x  # noqa: PLR2004  # float32
    square = (whole * whole).mean(axes, keepdim=True)
    return (whole * (square + epsilon).rsqrt()).to(x.dtype) * scale


@computes("GroupNormalization")
def group_normalization(call: Call) -> Any:
    """Return a tensor [N, C, ...] normalised over groups of channels."""
    x, scale, offset = call.tensors
    groups, epsilon = call.option("num_groups"), call.option("epsilon", 1e-5)
    if scale.shape[0] == x.shape[1]:
        return torch_functions.group_norm(x, groups, scale, offset, epsilon)
    repeats = x.shape[1] // groups  # one number per group, until opset 20
    scale, offset = (one.repeat_interleave(repeats) for one in (scale, offset))
    return torch_functions.group_norm(x, groups, scale, offset, epsilon)


@computes("MeanVarianceNormalization")
def mean_variance_normalization(call: Call) -> Any:
    """Return a tensor less its mean, divided by its deviation."""
    x, axes = call.tensor(0), list(call.option("axes", (0, 2, 3)))
    centred = x - x.mean(axes, keepdim=True)
    return centred / ((centred * centred).mean(axes, keepdim=True).sqrt() + 1e-9)


@computes("LRN")
def local_response(call: Call) -> Any:
    """Return a tensor [N, C, ...] divided by the energy of neighbouring channels."""
    x, size = call.tensor(0), call.option("size")
    alpha, beta = call.option("alpha", 1e-4), call.option("beta", 0.75)
    before = (size - 1) // 2
    squares = (x * x).flatten(2).unsqueeze(1)
    padded = torch_functions.pad(squares, (0, 0, before, size - 1 - before))
    means = torch_functions.avg_pool2d(padded, (size, 1), 1).squeeze(1).reshape(x.shape)
    return x / (call.option("bias", 1.0) + alpha * means) ** beta
