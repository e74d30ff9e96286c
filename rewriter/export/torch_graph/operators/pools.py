"""Pooling."""

from typing import Any

import torch
from torch.nn import functional as torch_functions

from rewriter.export.torch_graph.call import Call
from rewriter.export.torch_graph.operators.windows import (
    CONVOLUTIONS,
    MAXIMA,
    MEANS,
    Window,
    window,
)
from rewriter.export.torch_graph.table import computes


@computes("GlobalAveragePool")
def global_mean(call: Call) -> Any:
    """Return the mean over all spatial axes of [N, C, ...]."""
    x = call.tensor(0)
    return x.mean(list(range(2, x.ndim)), keepdim=True)


@computes("GlobalMaxPool")
def global_maximum(call: Call) -> Any:
    """Return the largest over all spatial axes of [N, C, ...]."""
    x = call.tensor(0)
    return x.amax(list(range(2, x.ndim)), keepdim=True)


@computes("GlobalLpPool")
def global_norm(call: Call) -> Any:
    """Return the norm over all spatial axes of [N, C, ...]."""
    x = call.tensor(0)
    axes = list(range(2, x.ndim))
    return torch.linalg.vector_norm(x, call.option("p", 2), axes, keepdim=True)


def _moved(call: Call) -> tuple[Any, Window]:
    x = call.tensor(0)
    found = window(call, x.shape[2:], list(call.option("kernel_shape")))
    if found.rank >= len(MAXIMA):
        raise call.refusal(f"it has {found.rank} spatial axes")
    return x, found


def _half(moved: Window) -> bool:
    """Return whether torch pads itself: never by more than half a window."""
    ends = zip(moved.before, moved.kernel, strict=True)
    return moved.even and all(2 * pad <= size for pad, size in ends)


@computes("MaxPool")
def maximum(call: Call) -> Any:
    """Return the largest of each window, and where in the tensor it is."""
    x, moved = _moved(call)
    function = MAXIMA[moved.rank]
    settings = moved.kernel, moved.strides
    if not x.is_floating_point():
        found = _largest(x.double(), moved, indices=call.wants(1))
        return (found[0].to(x.dtype), *found[1:])
    if call.wants(1) or not _half(moved):
        y, *places = _largest(x, moved, indices=call.wants(1))
        return (y, _places(call, x, moved, places[0])) if places else y
    return function(x, *settings, moved.before, moved.dilations)


def _largest(x: Any, moved: Window, *, indices: bool) -> tuple[Any, ...]:
    padded = moved.padded(x, float("-inf"))
    found = MAXIMA[moved.rank](
        padded, moved.kernel, moved.strides, 0, moved.dilations, return_indices=indices
    )
    return tuple(found) if indices else (found,)


def _places(call: Call, x: Any, moved: Window, places: Any) -> Any:
    """Return places in the padded plane of a channel as places in the whole tensor."""
    padded = moved.padded(x[:1, :1]).shape[2:]
    along: list[Any] = []
    for axis in reversed(range(moved.rank)):
        along.insert(0, places % padded[axis] - moved.before[axis])
        places = places // padded[axis]
    sizes = list(x.shape[2:])
    if call.option("storage_order", 0):
        along, sizes = along[::-1], sizes[::-1]
    flat = torch.zeros_like(places)
    for place, size in zip(along, sizes, strict=True):
        flat = flat * size + place
    planes = torch.arange(x.shape[0] * x.shape[1])
    first = planes.reshape(*x.shape[:2], *[1] * moved.rank)
    return first * torch.Size(sizes).numel() + flat


@computes("AveragePool")
def mean(call: Call) -> Any:
    """Return the mean of each window, with or without its padding."""
    x, moved = _moved(call)
    counted = bool(call.option("count_include_pad", 0))
    plain = all(one == 1 for one in moved.dilations)
    if plain and _half(moved):
        function = MEANS[moved.rank]
        return function(
            x, moved.kernel, moved.strides, moved.before, count_include_pad=counted
        )
    ones = torch.ones_like(x[:1, :1])
    ones = moved.padded(ones, float(counted), beyond=False)
    beyond = Window(
        moved.kernel, moved.strides, moved.dilations,
        [0] * moved.rank, moved.further, [0] * moved.rank,
    )  # fmt: skip
    return _summed(moved.padded(x), moved) / _summed(beyond.padded(ones), moved)


@computes("LpPool")
def norm(call: Call) -> Any:
    """Return the norm of each window."""
    x, moved = _moved(call)
    p = call.option("p", 2)
    return _summed(moved.padded(x).abs() ** p, moved) ** (1 / p)


def _summed(x: Any, moved: Window) -> Any:
    """Return the sum of each window of a tensor that has its padding."""
    kernel = torch.ones((1, 1, *moved.kernel), dtype=x.dtype)
    planes = x.reshape(-1, 1, *x.shape[2:])
    found = CONVOLUTIONS[moved.rank](
        planes, kernel, None, moved.strides, 0, moved.dilations
    )
    return found.reshape(*x.shape[:2], *found.shape[2:])


@computes("MaxUnpool")
def unpooled(call: Call) -> Any:
    """Return a tensor with its values where pooling found them, else zeros."""
    x, places = call.tensor(0), call.tensor(1)
    kernel = list(call.option("kernel_shape"))
    strides = list(call.option("strides") or [1] * len(kernel))
    pads = list(call.option("pads") or [0] * (2 * len(kernel)))
    rank = len(kernel)
    own = [
        (size - 1) * stride + width - before - after
        for size, stride, width, before, after in zip(
            x.shape[2:], strides, kernel, pads[:rank], pads[rank:], strict=True
        )
    ]
    lead = list(x.shape[:2])
    flat = torch.zeros([torch.Size([*lead, *own]).numel()], dtype=x.dtype)
    written = flat.scatter(0, places.flatten(), x.flatten()).reshape(*lead, *own)
    if not call.has(2):
        return written
    more = [end - size for end, size in zip(call.numbers(2)[2:], own, strict=True)]
    ends = [number for one in reversed(more) for number in (0, one)]
    return torch_functions.pad(written, ends)


@computes("Col2Im")
def folded(call: Call) -> Any:
    """Return an image that sums the blocks laid over it."""
    x, image, block = call.tensor(0), call.numbers(1), call.numbers(2)
    rank = len(block)
    ones, pads = [1] * rank, list(call.option("pads") or [0] * (2 * rank))
    strides = list(call.option("strides") or ones)
    dilations = list(call.option("dilations") or ones)
    if rank != 2 or pads[:rank] != pads[rank:]:  # noqa: PLR2004  # torch folds images
        raise call.refusal("torch folds images alone, padded alike on both sides")
    return torch_functions.fold(x, image, block, dilations, pads[:rank], strides)
