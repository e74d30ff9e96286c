"""An axis at another size, for what torch's own interpolation does not have.

Source: ONNX's reference implementation of Resize (``op_resize.py``).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from analyzer.core.types import Array
from rewriter.export.torch_graph.call import Call

CUBIC_COEFFICIENT = -0.75
CROP = "tf_crop_and_resize"


@dataclass(frozen=True, slots=True)
class Axis:
    """How one axis changes.

    Attributes:
        place: Which it is.
        size: What it has.
        end: What it gets.
        factor: The scale as it is given, None where the sizes tell it.
        first: Where what is cropped starts, as a share of the axis.
        last: Where it ends.
    """

    place: int
    size: Any
    end: Any
    factor: float | None
    first: float
    last: float


def sampled(call: Call, x: Any, axis: Axis) -> Any:
    """Return a tensor whose axis is sampled anew, as a Resize node says.

    Args:
        call: The node.
        x: Any rank.
        axis: How it changes.
    """
    if isinstance(axis.size, torch.SymInt) or isinstance(axis.end, torch.SymInt):
        raise call.refusal("torch does not resize so where the size is dynamic")
    matrix = _matrix(call, axis)
    outside = torch.from_numpy(np.isnan(matrix).any(1))
    rows = torch.from_numpy(np.nan_to_num(matrix)).to(_dtype(x))
    moved = torch.tensordot(x.to(rows.dtype), rows, dims=([axis.place], [1]))
    if np.isnan(matrix).any():
        moved = moved.masked_fill(outside, call.option("extrapolation_value", 0.0))
    return moved.movedim(-1, axis.place).to(x.dtype)


def _dtype(x: Any) -> Any:
    return x.dtype if x.is_floating_point() else torch.float64


def _matrix(call: Call, axis: Axis) -> Array:
    """Return the share of each old element (column) in each new one (row), NaN outside."""
    rows = np.zeros((axis.end, axis.size))
    factor = axis.end / axis.size if axis.factor is None else axis.factor
    mode = call.option("coordinate_transformation_mode", "half_pixel")
    for new in range(axis.end):
        old = _place(mode, new, factor, axis)
        if mode == CROP and not 0 <= old <= axis.size - 1:
            rows[new] = np.nan
            continue
        for place, share in _shares(call, old, factor, axis.size):
            rows[new, min(max(place, 0), axis.size - 1)] += share
    return rows


def _place(mode: str, new: int, factor: float, axis: Axis) -> float:
    """Return where a new element stands among the old ones."""
    length, last = factor * axis.size, axis.size - 1
    alone = length == 1
    centre = (new + 0.5) / factor
    places = {
        "asymmetric": new / factor,
        "align_corners": 0.0 if alone else new * last / (length - 1),
        "half_pixel": centre - 0.5,
        "half_pixel_symmetric": axis.size / 2 * (1 - axis.end / length) + centre - 0.5,
        "pytorch_half_pixel": -0.5 if alone else centre - 0.5,
        "tf_half_pixel_for_nn": centre,
    }
    if mode == CROP:
        span = (axis.last - axis.first) * last
        middle = (axis.first + axis.last) * last / 2
        return float(middle if alone else axis.first * last + new * span / (length - 1))
    return float(places[mode])


def _shares(call: Call, old: float, factor: float, size: int) -> list[tuple[int, float]]:
    """Return the old elements that make a new one, with their shares."""
    mode = call.option("mode", "nearest")
    if mode == "nearest":
        return [(_nearest(old, call.option("nearest_mode", "round_prefer_floor")), 1.0)]
    stretch = min(factor, 1.0) if call.option("antialias", 0) else 1.0
    reach = (1 if mode == "linear" else 2) / stretch
    first, last = math.ceil(old - reach), math.floor(old + reach)
    coefficient = call.option("cubic_coeff_a", CUBIC_COEFFICIENT)
    found = [
        (place, _weight(mode, abs(place - old) * stretch, coefficient))
        for place in range(first, last + 1)
    ]
    if call.option("exclude_outside", 0) or (mode != "nearest" and stretch < 1):
        outside = call.option("exclude_outside", 0)
        found = [one for one in found if not outside or 0 <= one[0] < size]
    total = sum(share for _, share in found)
    return [(place, share / total) for place, share in found]


def _nearest(old: float, rounding: str) -> int:
    match rounding:
        case "floor":
            return math.floor(old)
        case "ceil":
            return math.ceil(old)
        case "round_prefer_ceil":
            return math.floor(old + 0.5)
    return math.ceil(old - 0.5)


def _weight(mode: str, distance: float, a: float) -> float:
    """Return the share of an element at a distance: a triangle, or Keys' cubic."""
    if mode == "linear":
        return max(1 - distance, 0.0)
    if distance <= 1:
        return (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    if distance < 2:  # noqa: PLR2004  # a cubic reaches two elements far
        return a * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    return 0.0
