"""Operators that sample images at places between their pixels."""

from typing import Any

import torch
from torch.nn import functional as torch_functions

from rewriter.export.torch_graph.call import Call
from rewriter.export.torch_graph.operators.sampling import Axis, sampled
from rewriter.export.torch_graph.table import computes

NATIVE = {
    ("nearest", "asymmetric", "floor"): ("nearest", None),
    ("nearest", "half_pixel", "round_prefer_ceil"): ("nearest-exact", None),
    ("linear", "half_pixel"): ("linear", False),
    ("linear", "pytorch_half_pixel"): ("linear", False),
    ("linear", "align_corners"): ("linear", True),
    ("cubic", "half_pixel"): ("cubic", False),
    ("cubic", "align_corners"): ("cubic", True),
}
"""Torch's own mode, and its align_corners, where it has the same."""

LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}
CUBIC_COEFFICIENT = -0.75
"""Torch's; ONNX's default is the same."""

PIXELS = 2
"""The first spatial axis of [N, C, ...]."""


@computes("Resize", "Upsample")
def resize(call: Call) -> Any:
    """Return a tensor at another size."""
    x = call.tensor(0)
    axes = [axis % x.ndim for axis in call.option("axes") or range(x.ndim)]
    slots = {"scales": 2, "sizes": 3, "roi": 1} if len(call.inputs) > PIXELS else OLD
    factors, ends = _sizes(call, x, axes, slots)
    native = _native(call)
    plain = native and all(_same(ends[a], x.shape[a]) for a in axes if a < PIXELS)
    half = call.option("coordinate_transformation_mode", "") == "pytorch_half_pixel"
    plain = plain and not (half and any(_same(end, 1) for end in ends.values()))
    whole = set(range(PIXELS, x.ndim)) <= set(axes) and x.ndim in LINEAR
    stated = all(f is None or _exact(f, x.shape[a], ends[a]) for a, f in factors.items())
    if native and plain and whole and stated and x.is_floating_point():
        mode, align = native
        mode = {"linear": LINEAR[x.ndim], "cubic": "bicubic"}.get(mode, mode)
        if mode != "bicubic" or x.ndim == 4:  # noqa: PLR2004  # torch's cubic is of images
            size = [ends[axis] for axis in range(PIXELS, x.ndim)]
            return torch_functions.interpolate(x, size, mode=mode, align_corners=align)
    roi = call.numbers(slots["roi"]) if call.has(slots["roi"]) else []
    for place, axis in enumerate(axes):
        if _still(call, x, axis, ends[axis], factors[axis]):
            continue
        ends_of = (roi[place], roi[place + len(axes)]) if roi else (0.0, 1.0)
        moved = Axis(axis, x.shape[axis], ends[axis], factors[axis], *ends_of)
        x = sampled(call, x, moved)
    return x


OLD = {"scales": 1, "sizes": 3, "roi": 4}
"""Upsample, and Resize until opset 10, have their scales as the second input."""


def _still(call: Call, x: Any, axis: int, end: Any, factor: Any) -> bool:
    crops = call.option("coordinate_transformation_mode", "") == "tf_crop_and_resize"
    return _same(end, x.shape[axis]) and factor in {None, 1.0} and not crops


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, torch.SymInt) is isinstance(other, torch.SymInt) and one == other


def _exact(factor: float, size: Any, end: Any) -> bool:
    """Return whether a size says as much as the factor that it came from."""
    return isinstance(end, torch.SymInt) or abs(factor * size - end) < 1e-6  # noqa: PLR2004


def _sizes(
    call: Call, x: Any, axes: list[int], slots: dict[str, int]
) -> tuple[dict[int, Any], dict[int, Any]]:
    """Return the factor of each axis (None where sizes are given), and the new sizes."""
    if call.has(slots["sizes"]) and call.numbers(slots["sizes"]):
        wanted = dict(zip(axes, call.numbers(slots["sizes"]), strict=True))
        return _kept(call, x, wanted)
    given = call.option("scales") or call.numbers(slots["scales"])
    factors = dict(zip(axes, given, strict=True))
    ends = {axis: _times(x.shape[axis], factor) for axis, factor in factors.items()}
    return factors, ends


def _times(size: Any, factor: float) -> Any:
    if isinstance(size, torch.SymInt):
        return size * int(factor) if factor == int(factor) else torch.sym_int(size * factor)
    return int(size * factor)


def _kept(
    call: Call, x: Any, wanted: dict[int, Any]
) -> tuple[dict[int, Any], dict[int, Any]]:
    policy = call.option("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return dict.fromkeys(wanted), wanted
    choose = min if policy == "not_larger" else max
    factor = choose(end / x.shape[axis] for axis, end in wanted.items())
    ends = {axis: int(x.shape[axis] * factor + 0.5) for axis in wanted}
    return dict.fromkeys(wanted, factor), ends


def _native(call: Call) -> tuple[str, bool | None] | None:
    if call.option("antialias", 0) or call.option("exclude_outside", 0):
        return None
    if call.option("cubic_coeff_a", CUBIC_COEFFICIENT) != CUBIC_COEFFICIENT:
        return None
    mode = call.option("mode", "nearest")
    if call.node.op_type == "Upsample" or call.opset < 11:  # noqa: PLR2004  # no choice yet
        return NATIVE.get((mode, "asymmetric", "floor"))
    place = call.option("coordinate_transformation_mode", "half_pixel")
    rounding = call.option("nearest_mode", "round_prefer_floor")
    return NATIVE.get((mode, place, rounding) if mode == "nearest" else (mode, place))


@computes("GridSample")
def sampled_by_grid(call: Call) -> Any:
    """Return an image at the places that a grid gives."""
    mode = call.option("mode", "linear")
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(mode, mode)
    filling, align = call.option("padding_mode", "zeros"), call.option("align_corners", 0)
    x, grid = call.tensors
    return torch_functions.grid_sample(
        x, grid, mode=mode, padding_mode=filling, align_corners=bool(align)
    )
