"""Operators of detection."""

from typing import Any

import torch

from rewriter.export.torch_graph.call import Call
from rewriter.export.torch_graph.table import computes


@computes("NonMaxSuppression")
def suppressed(call: Call) -> Any:
    """Return [selected, 3]: batch, class and box of each box that no better one covers."""
    boxes, scores = call.tensor(0), call.tensor(1)
    most = int(call.number(2, 0))
    limit, floor = call.number(3, 0.0), call.number(4, float("-inf"))
    overlaps = _overlaps(_corners(boxes, centred=bool(call.option("center_point_box", 0))))
    alive = torch.where(scores > floor, scores, torch.full_like(scores, float("-inf")))
    batches, classes, count = scores.shape
    rows, found = torch.arange(batches).reshape(-1, 1), []
    for _ in range(min(most, count)):
        best, place = alive.max(-1)
        found.append(torch.where(best > float("-inf"), place, torch.full_like(place, -1)))
        covered = overlaps[rows, place] > limit
        itself = torch.arange(count) == place.unsqueeze(-1)
        alive = alive.masked_fill(covered | itself, float("-inf"))
    if not found:
        return torch.zeros((0, 3), dtype=torch.int64)
    chosen = torch.stack(found, -1)
    batch = rows.reshape(-1, 1, 1).expand(chosen.shape)
    kind = torch.arange(classes).reshape(1, -1, 1).expand(chosen.shape)
    return torch.stack((batch, kind, chosen), -1)[chosen >= 0]


def _corners(boxes: Any, *, centred: bool) -> tuple[Any, Any]:
    """Return the lower and the upper corners of boxes, each [..., 2]."""
    first, second = boxes[..., :2], boxes[..., 2:]
    if centred:
        return first - second / 2, first + second / 2
    return torch.minimum(first, second), torch.maximum(first, second)


def _overlaps(corners: tuple[Any, Any]) -> Any:
    """Return the intersection over union of each two boxes [N, 4] of a batch: [B, N, N]."""
    low, high = corners
    lowest = torch.maximum(low.unsqueeze(2), low.unsqueeze(1))
    highest = torch.minimum(high.unsqueeze(2), high.unsqueeze(1))
    shared = (highest - lowest).clamp(min=0).prod(-1)
    areas = (high - low).prod(-1)
    union = areas.unsqueeze(2) + areas.unsqueeze(1) - shared
    return torch.where(union > 0, shared / union, torch.zeros_like(union))
