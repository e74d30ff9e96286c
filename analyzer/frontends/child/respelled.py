"""Operators of torch spelled with others, for where the exporter translates one wrongly.

Torch's own decompositions come second: some of them are what the exporter uses itself.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch._decomp import decomposition_table

aten = torch.ops.aten

Spelling = Callable[..., Any]


def spellings(operator: Any) -> tuple[Spelling, ...]:
    """Return functions that compute what an operator computes, without it.

    Args:
        operator: An overload, such as ``torch.ops.aten.avg_pool2d.default``.
    """
    own = OWN.get(operator)
    known = decomposition_table.get(operator)
    return tuple(one for one in (own, known) if one is not None)


def _remainder(value: Any, divisor: Any) -> Any:
    """Return the remainder with the divisor's sign, also of infinity."""
    rest = aten.fmod(value, divisor)
    aside = torch.logical_and(rest != 0, torch.logical_xor(rest < 0, divisor < 0))
    return torch.where(aside, rest + divisor, rest)


def _remainder_by(value: Any, divisor: float) -> Any:
    return _remainder(value, torch.full((), divisor, dtype=value.dtype))


def _floored(value: Any, divisor: Any) -> Any:
    """Return the quotient rounded down, of what is left without the remainder."""
    rest = aten.fmod(value, divisor)
    whole = torch.round((value - rest) / divisor)
    aside = torch.logical_and(rest != 0, torch.logical_xor(rest < 0, divisor < 0))
    return torch.where(aside, whole - 1, whole)


def _floor_divide(value: Any, divisor: Any) -> Any:
    by = divisor if isinstance(divisor, torch.Tensor) else torch.full((), divisor)
    kind = torch.promote_types(value.dtype, by.dtype) if by.ndim else value.dtype
    if not kind.is_floating_point:
        return NotImplemented
    return _floored(value.to(kind), by.to(kind))


def _divided(value: Any, divisor: Any, *, rounding_mode: str | None = None) -> Any:
    return _floor_divide(value, divisor) if rounding_mode == "floor" else NotImplemented


def _averaged(
    value: Any,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,  # noqa: FBT001, FBT002
    _count_include_pad: bool = True,  # noqa: FBT001, FBT002 - a divisor of one's own wins
    divisor_override: int | None = None,
) -> Any:
    """Return sums of windows over a divisor of the caller's own."""
    rank = len(kernel)
    if divisor_override is None or rank not in POOLS:
        return NotImplemented
    steps, edges = tuple(stride or kernel), tuple(padding) * (rank // len(padding))
    sides: list[int] = []
    for axis in reversed(range(rank)):
        size = value.shape[axis - rank] + 2 * edges[axis]
        left = (size - kernel[axis]) % steps[axis]
        more = (steps[axis] - left) % steps[axis] if ceil_mode else 0
        sides += [edges[axis], edges[axis] + more]
    whole = aten.constant_pad_nd(value, sides, 0.0)
    area = 1
    for size in kernel:
        area *= size
    return POOLS[rank](whole, list(kernel), list(steps)) * (area / divisor_override)


def _scattered(
    value: Any,
    dim: int,
    index: Any,
    source: Any,
    reduce: str,
    *,
    include_self: bool = True,
) -> Any:
    """Return means of what is scattered to one place, as a sum and a count."""
    if reduce != "mean" or not value.dtype.is_floating_point:
        return NotImplemented
    ones = torch.ones_like(index, dtype=value.dtype)
    touched = aten.scatter_add(torch.zeros_like(value), dim, index, ones)
    kept = torch.ones_like(value) if include_self else (touched == 0).to(value.dtype)
    total = aten.scatter_add(value * kept, dim, index, source)
    return total / (touched + kept)


def _summed(value: Any, dim: int) -> Any:
    """Return the logarithms of sums of exponents up to each place, by their largest."""
    moved = value.movedim(dim, -1)
    size = moved.shape[-1]
    before = torch.ones((size, size), dtype=torch.bool).tril()
    rows = moved.unsqueeze(-2).expand(*moved.shape[:-1], size, size)
    largest = torch.where(before, rows, torch.finfo(value.dtype).min).amax(-1)
    shares = torch.where(before, torch.exp(rows - largest.unsqueeze(-1)), 0.0).sum(-1)
    return (torch.log(shares) + largest).movedim(-1, dim)


def _log_sigmoid(value: Any) -> Any:
    return torch.clamp(value, max=0.0) - torch.log1p(torch.exp(-torch.abs(value)))


def _elu(value: Any, alpha: float = 1.0, scale: float = 1.0, narrow: float = 1.0) -> Any:
    below = (torch.exp(value * narrow) - 1) * alpha
    return torch.where(value > 0, value, below) * scale


def _added(left: Any, right: Any) -> Any:
    largest, smallest = torch.maximum(left, right), torch.minimum(left, right)
    return largest + torch.log1p(torch.exp(smallest - largest))


def _resized(reach: float, kernel: Callable[[Any], Any]) -> Spelling:
    """Return an antialiased resize as two products: it is linear along each axis.

    Args:
        reach: How far the kernel reaches to each side, in pixels.
        kernel: The weight of a pixel by its distance.
    """

    def spelled(
        value: Any,
        output_size: Sequence[int],
        align_corners: bool,  # noqa: FBT001
        scales_h: float | None = None,
        scales_w: float | None = None,
    ) -> Any:
        sizes, scales = value.shape[-2:], (scales_h, scales_w)
        left, right = (
            _weights(
                (size, out),
                _step((size, out), scale, align_corners=align_corners),
                reach,
                kernel,
            )
            for size, out, scale in zip(sizes, output_size, scales, strict=True)
        )
        return torch.matmul(torch.matmul(left, value), right.t()).to(value.dtype)

    return spelled


def _step(sizes: tuple[int, int], scale: float | None, *, align_corners: bool) -> float:
    """Return the pixels of the input to one of the output."""
    size, out = sizes
    if align_corners:
        return (size - 1) / (out - 1) if out > 1 else 0.0
    return 1.0 / scale if scale else size / out


def _weights(
    sizes: tuple[int, int], step: float, reach: float, kernel: Callable[[Any], Any]
) -> Any:
    """Return the share of each input pixel in each output pixel, [out, size].

    Source: ``_compute_indices_min_size_weights_aa`` of ATen's UpSampleKernel.cpp.
    """
    size, out = sizes
    support = reach * max(step, 1.0)
    centers = (torch.arange(out).to(torch.float32) + 0.5).unsqueeze(1) * step
    pixels = torch.arange(size).to(torch.float32).unsqueeze(0)
    first = torch.floor(torch.clamp(centers - support + 0.5, min=0.0))
    last = torch.floor(torch.clamp(centers + support + 0.5, max=float(size)))
    inside = torch.logical_and(pixels >= first, pixels < last)
    shares = kernel(torch.abs(pixels - centers + 0.5) / max(step, 1.0))
    kept = torch.where(inside, shares, 0.0)
    return kept / kept.sum(1, keepdim=True)


def _triangle(far: Any) -> Any:
    return torch.clamp(1.0 - far, min=0.0)


def _cubic(far: Any) -> Any:
    near = ((SHARPNESS + 2) * far - (SHARPNESS + 3)) * far * far + 1
    farther = (((far - 5) * far + 8) * far - 4) * SHARPNESS
    return torch.where(far < 1, near, torch.where(far < CUBIC, farther, 0.0))


SHARPNESS = -0.5
"""Keys' parameter of the cubic kernel, as torch has it where it antialiases."""

LINEAR, CUBIC = 1.0, 2.0
"""Pixels to each side that the kernels reach."""

POOLS: dict[int, Any] = {2: aten.avg_pool2d, 3: aten.avg_pool3d}

OWN: dict[Any, Spelling] = {
    aten.remainder.Tensor: _remainder,
    aten.remainder.Scalar: _remainder_by,
    aten.floor_divide.default: _floor_divide,
    aten.div.Tensor_mode: _divided,
    aten.div.Scalar_mode: _divided,
    aten.avg_pool2d.default: _averaged,
    aten.avg_pool3d.default: _averaged,
    aten.scatter_reduce.two: _scattered,
    aten.logcumsumexp.default: _summed,
    aten.logaddexp.default: _added,
    aten.log_sigmoid.default: _log_sigmoid,
    aten.elu.default: _elu,
    aten._upsample_bilinear2d_aa.default: _resized(LINEAR, _triangle),  # noqa: SLF001
    aten._upsample_bicubic2d_aa.default: _resized(CUBIC, _cubic),  # noqa: SLF001
}
"""Spellings that hold where the exporter of torch 2.13 goes wrong; each is proven on the
samples before it is used. `NotImplemented` leaves the operator as it is."""
