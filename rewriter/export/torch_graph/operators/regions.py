"""Regions of images, sampled to one size."""

from typing import Any

import torch

from rewriter.export.torch_graph.call import Call
from rewriter.export.torch_graph.table import computes

HALF_PIXEL_SINCE = 16
"""The opset since which pixels are taken at their centres where nothing is said."""


@computes("RoiAlign")
def aligned(call: Call) -> Any:
    """Return [regions, C, height, width]: means or maxima of samples of each region.

    Source: He et al., Mask R-CNN (2017), as ONNX's reference implementation has it.
    """
    x, regions, batch = call.tensors
    ratio = call.option("sampling_ratio", 0)
    if ratio < 1:
        raise call.refusal("how many samples it takes depends on the regions")
    high, wide = call.option("output_height", 1), call.option("output_width", 1)
    corners = regions * call.option("spatial_scale", 1.0)
    centred = _centred(call)
    corners = corners - 0.5 if centred else corners
    rows = _places(corners[:, 1], corners[:, 3], high, ratio, small=centred)
    columns = _places(corners[:, 0], corners[:, 2], wide, ratio, small=centred)
    shares = _shares(rows, x.shape[2]), _shares(columns, x.shape[3])
    parts = torch.stack(
        [_part(x, batch.long(), row, column) for row in shares[0] for column in shares[1]]
    )
    whole = parts.sum(0) if call.option("mode", "avg") == "avg" else parts.amax(0)
    blocks = whole.unflatten(2, (wide, ratio)).unflatten(1, (high, ratio))
    if call.option("mode", "avg") == "avg":
        return blocks.mean((2, 4)).permute(0, 3, 1, 2)
    return blocks.amax((2, 4)).permute(0, 3, 1, 2)


def _centred(call: Call) -> bool:
    usual = "half_pixel" if call.opset >= HALF_PIXEL_SINCE else "output_half_pixel"
    return bool(call.option("coordinate_transformation_mode", usual) == "half_pixel")


def _places(first: Any, last: Any, count: int, ratio: int, *, small: bool) -> Any:
    """Return where the samples of each region are along one axis: [regions, samples]."""
    span = last - first if small else (last - first).clamp(min=1)
    steps = (torch.arange(count * ratio, dtype=first.dtype) + 0.5) / (count * ratio)
    return first.unsqueeze(1) + span.unsqueeze(1) * steps


Share = tuple[Any, Any]
"""Pixels and how much of each, both [regions, samples]."""


def _shares(places: Any, size: Any) -> tuple[Share, Share]:
    """Return the two pixels beside each place; nothing of them outside of the image."""
    inside = ((places >= -1) & (places <= size)).to(places.dtype)
    within = places.clamp(min=0).clamp(max=size - 1)
    low = within.floor()
    upper = within - low
    high = (low + 1).clamp(max=size - 1)
    return (low.long(), (1 - upper) * inside), (high.long(), upper * inside)


def _part(x: Any, batch: Any, row: Share, column: Share) -> Any:
    """Return the share of one of four pixels: [regions, rows, columns, C]."""
    rows, columns = row[0].unsqueeze(2), column[0].unsqueeze(1)
    pixels = x[batch.reshape(-1, 1, 1), :, rows, columns]
    return pixels * (row[1].unsqueeze(2) * column[1].unsqueeze(1)).unsqueeze(-1)
