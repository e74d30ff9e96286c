"""Operators that read or write elements at places that are given."""

from typing import Any

import torch

from rewriter.export.torch_graph.call import Call
from rewriter.export.torch_graph.table import computes

REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}
"""ONNX's names for torch's."""


@computes("Gather")
def gather(call: Call) -> Any:
    """Return the slices of a tensor at some places of an axis."""
    x = call.tensor(0)
    axis = call.option("axis", 0) % x.ndim
    known = call.known(1)
    if known is not None and not known.ndim:
        return x.select(axis, known.item())
    return x[(slice(None),) * axis + (call.tensor(1).long(),)]


@computes("GatherElements")
def gather_elements(call: Call) -> Any:
    """Return an element of a tensor for each place along an axis."""
    x, axis = call.tensor(0), call.option("axis", 0)
    return torch.gather(x, axis, _forward(call.tensor(1), x.shape[axis]))


def _forward(places: Any, size: Any) -> Any:
    """Return places that are counted from the start."""
    places = places.long()
    return torch.where(places < 0, places + size, places)


@computes("GatherND")
def gather_nd(call: Call) -> Any:
    """Return the slices of a tensor at places in several axes."""
    x, places = call.tensors
    batch = call.option("batch_dims", 0)
    if not batch:
        return x[tuple(places.long().unbind(-1))]
    lead = x.shape[:batch]
    flat, inner = x.flatten(0, batch - 1), places.long().flatten(0, batch - 1)
    rows = torch.arange(flat.shape[0]).reshape(-1, *[1] * (inner.ndim - 2))
    found = flat[(rows, *inner.unbind(-1))]
    return found.reshape(*lead, *found.shape[1:])


@computes("ScatterElements", "Scatter")
def scatter_elements(call: Call) -> Any:
    """Return a tensor with elements written, or added, at places along an axis."""
    x, places, updates = call.tensors
    axis = call.option("axis", 0)
    places = _forward(places, x.shape[axis])
    return _scattered(x, axis, places, updates, call.option("reduction", "none"))


def _scattered(x: Any, axis: int, places: Any, updates: Any, reduction: str) -> Any:
    if reduction == "none":
        return x.scatter(axis, places, updates)
    return x.scatter_reduce(axis, places, updates, REDUCTIONS[reduction])


@computes("ScatterND")
def scatter_nd(call: Call) -> Any:
    """Return a tensor with slices written, or added, at places in several axes."""
    x, places, updates = call.tensors
    reduction = call.option("reduction", "none")
    index = tuple(places.long().unbind(-1))
    if reduction == "none":
        return x.index_put(index, updates)
    if reduction == "add":
        return x.index_put(index, updates, accumulate=True)
    sizes = x.shape[: len(index)]
    rows = torch.zeros_like(index[0])
    for size, place in zip(sizes, index, strict=True):
        rows = rows * size + _forward(place, size)
    flat = x.reshape(-1, *x.shape[len(index) :])
    news = updates.reshape(-1, *flat.shape[1:])
    rows = rows.reshape(-1, *[1] * (flat.ndim - 1)).expand(news.shape)
    return _scattered(flat, 0, rows, news, reduction).reshape(x.shape)


@computes("TensorScatter")
def cache_written(call: Call) -> Any:
    """Return a cache with an update written from a place of each sample on."""
    cache, update = call.tensor(0), call.tensor(1)
    axis = call.option("axis", -2) % cache.ndim
    starts = (
        call.tensor(2) if call.has(2) else torch.zeros(cache.shape[0], dtype=torch.long)
    )
    places = torch.arange(update.shape[axis]) + starts.reshape(-1, 1)
    if call.option("mode", "linear") == "circular":
        places = places.remainder(cache.shape[axis])
    shape = [1] * cache.ndim
    shape[0], shape[axis] = places.shape
    return cache.scatter(axis, places.reshape(shape).expand(update.shape), update)


@computes("OneHot")
def one_hot(call: Call) -> Any:
    """Return one value at each place of a new axis that is given, else another."""
    places, values = call.tensor(0), call.tensor(2)
    depth = int(call.number(1))
    axis = call.option("axis", -1) % (places.ndim + 1)
    places = _forward(places, depth)
    shape = [1] * (places.ndim + 1)
    shape[axis] = depth
    hot = places.unsqueeze(axis) == torch.arange(depth).reshape(shape)
    return torch.where(hot, values[1], values[0])


@computes("NonZero")
def nonzero(call: Call) -> Any:
    """Return the places of what is not zero, an axis per row."""
    return call.tensor(0).nonzero().t()


@computes("Compress")
def compress(call: Call) -> Any:
    """Return the slices of an axis where a condition is true."""
    x, condition = call.tensors
    axis = call.option("axis")
    if axis is None:
        x, axis = x.flatten(), 0
    return x.index_select(axis, condition.nonzero().flatten())


@computes("Unique")
def unique(call: Call) -> Any:
    """Return what differs, with where it first is, the inverse and the counts."""
    x, axis = call.tensor(0), call.option("axis")
    flat = x.flatten() if axis is None else x
    values, inverse, counts = torch.unique(
        flat, sorted=True, return_inverse=True, return_counts=True, dim=axis or 0
    )
    places = torch.arange(inverse.numel())
    first = torch.full_like(counts, inverse.numel())
    first = first.scatter_reduce(0, inverse.flatten(), places, "amin")
    if call.option("sorted", 1):
        return values, first, inverse, counts
    order = first.argsort()
    rank = torch.empty_like(order).scatter(0, order, torch.arange(order.numel()))
    values = values.index_select(axis or 0, order)
    return values, first[order], rank[inverse], counts[order]
