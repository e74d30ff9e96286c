"""Operators that make one number of many."""

from collections.abc import Callable
from typing import Any

import torch

from rewriter.export.torch_graph.call import Call
from rewriter.export.torch_graph.table import Entry, computes

Reduction = Callable[[Any, list[int], bool], Any]


def _reduce(**reductions: Reduction) -> tuple[Entry, ...]:
    return tuple(
        computes(kind)(_reducing(reduction)) for kind, reduction in reductions.items()
    )


def _reducing(reduction: Reduction) -> Callable[[Call], Any]:
    def reduced(call: Call) -> Any:
        x, axes = call.tensor(0), call.listed(1, "axes")
        if not axes and call.option("noop_with_empty_axes", 0):
            return reduction(x.unsqueeze(0), [0], False)  # noqa: FBT003  # of itself alone
        axes = axes or list(range(x.ndim))
        if not axes:
            return reduction(x.unsqueeze(0), [0], False)  # noqa: FBT003  # of itself alone
        return reduction(x, axes, bool(call.option("keepdims", 1)))

    return reduced


def _sum(x: Any, axes: list[int], keep: bool) -> Any:  # noqa: FBT001  # as torch's own
    return torch.sum(x, axes, keepdim=keep, dtype=x.dtype)


def _mean(x: Any, axes: list[int], keep: bool) -> Any:  # noqa: FBT001
    if x.is_floating_point():
        return torch.mean(x, axes, keepdim=keep)
    return torch.mean(x.double(), axes, keepdim=keep).to(x.dtype)


def _product(x: Any, axes: list[int], keep: bool) -> Any:  # noqa: FBT001
    for axis in sorted((one % x.ndim for one in axes), reverse=True):
        x = torch.prod(x, axis, keepdim=keep, dtype=x.dtype)
    return x


def _extreme(function: Any, over_nothing: int) -> Reduction:
    def extreme(x: Any, axes: list[int], keep: bool) -> Any:  # noqa: FBT001
        if x.dtype == torch.bool:
            return extreme(x.to(torch.uint8), axes, keep).bool()
        if any(isinstance(x.shape[axis], int) and not x.shape[axis] for axis in axes):
            empty = _sum(x, axes, keep)
            return torch.full_like(empty, _end(x.dtype, over_nothing))
        return function(x, axes, keepdim=keep)

    return extreme


def _end(dtype: Any, sign: int) -> float:
    """Return the largest number of a dtype, or the smallest."""
    if dtype.is_floating_point:
        return sign * float("inf")
    ends = torch.iinfo(dtype)
    return float(ends.max if sign > 0 else ends.min)


REDUCTIONS = _reduce(
    ReduceSum=_sum,
    ReduceMean=_mean,
    ReduceProd=_product,
    ReduceMax=_extreme(torch.amax, -1),
    ReduceMin=_extreme(torch.amin, 1),
    ReduceL1=lambda x, axes, keep: _sum(x.abs(), axes, keep),
    ReduceL2=lambda x, axes, keep: _sum(x * x, axes, keep).sqrt().to(x.dtype),
    ReduceSumSquare=lambda x, axes, keep: _sum(x * x, axes, keep),
    ReduceLogSum=lambda x, axes, keep: _sum(x, axes, keep).log().to(x.dtype),
    ReduceLogSumExp=torch.logsumexp,
)


@computes("ArgMax")
def largest_place(call: Call) -> Any:
    """Return where along an axis the largest element is."""
    return _place(call, torch.argmax)


@computes("ArgMin")
def smallest_place(call: Call) -> Any:
    """Return where along an axis the smallest element is."""
    return _place(call, torch.argmin)


def _place(call: Call, function: Any) -> Any:
    x, axis = call.tensor(0), call.option("axis", 0)
    keep = bool(call.option("keepdims", 1))
    if not call.option("select_last_index", 0):
        return function(x, axis, keepdim=keep)
    return x.shape[axis] - 1 - function(x.flip(axis), axis, keepdim=keep)


@computes("LpNormalization")
def lp_normalized(call: Call) -> Any:
    """Return a tensor divided by its norm along an axis; zeros stay zeros."""
    x, axis = call.tensor(0), call.option("axis", -1)
    norm = torch.linalg.vector_norm(x, call.option("p", 2), axis, keepdim=True)
    return torch.where(norm == 0, torch.zeros_like(x), x / norm)


@computes("TopK")
def largest(call: Call) -> Any:
    """Return the k largest or smallest elements along an axis, and where they are."""
    x, axis = call.tensor(0), call.option("axis", -1)
    k = call.number(1) if call.has(1) else call.option("k")
    descending = bool(call.option("largest", 1))
    if call.option("sorted", 1):  # torch.topk leaves it open which of equals comes first
        values, places = torch.sort(x, dim=axis, descending=descending, stable=True)
        return values.narrow(axis, 0, k), places.narrow(axis, 0, k)
    return tuple(torch.topk(x, k, axis, descending, sorted=False))
