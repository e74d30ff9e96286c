"""Padding, in all modes."""

from typing import Any

import torch
from torch.nn import functional as torch_functions

from rewriter.export.torch_graph.call import Call
from rewriter.export.torch_graph.table import computes

NATIVE = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}
SPATIAL = (3, 4, 5)
"""Ranks [N, C, ...] at which torch has these modes itself."""


@computes("Pad")
def pad(call: Call) -> Any:
    """Return a tensor with more, or with less, at the ends of its axes."""
    x, pads = call.tensor(0), call.listed(1, "pads") or []
    axes = call.numbers(3) if call.has(3) else list(range(x.ndim))
    half = len(pads) // 2
    ends = {
        axis % x.ndim: (before, after)
        for axis, before, after in zip(axes, pads[:half], pads[half:], strict=True)
    }
    mode = call.option("mode", "constant")
    if mode == "constant":
        value = call.number(2, call.option("value", 0.0))
        return torch_functions.pad(x, _flat(ends, x.ndim, x.ndim), value=value)
    spatial = x.ndim - 2
    idle = all(ends.get(axis, (0, 0)) == (0, 0) for axis in (0, 1))
    if x.ndim in SPATIAL and idle and _fits(x, ends, mode) and x.is_floating_point():
        return torch_functions.pad(x, _flat(ends, x.ndim, spatial), mode=NATIVE[mode])
    for axis, (before, after) in ends.items():
        x = _filled(x, axis, before, after, mode)
    return x


def _flat(ends: dict[int, tuple[Any, Any]], rank: int, count: int) -> list[Any]:
    """Return the ends of the last axes as torch has them: the last axis first."""
    last = (ends.get(rank - 1 - place, (0, 0)) for place in range(count))
    return [number for pair in last for number in pair]


def _fits(x: Any, ends: dict[int, tuple[Any, Any]], mode: str) -> bool:
    """Return whether torch itself pads so: never by more than there is, and not less."""
    most = {"reflect": -1, "edge": None, "wrap": 0}[mode]
    for axis, pair in ends.items():
        if min(pair) < 0 or (most is not None and max(pair) > x.shape[axis] + most):
            return False
    return True


def _filled(x: Any, axis: int, before: Any, after: Any, mode: str) -> Any:
    if not isinstance(before, torch.SymInt) and before == 0 == after:
        return x
    size = x.shape[axis]
    places = torch.arange(-before, size + after)
    if mode == "edge":
        places = places.clamp(0, size - 1)
    elif mode == "wrap":
        places = places.remainder(size)
    else:
        period = max(2 * size - 2, 1)
        places = places.remainder(period)
        places = torch.where(places < size, places, period - places)
    return x.index_select(axis, places)
