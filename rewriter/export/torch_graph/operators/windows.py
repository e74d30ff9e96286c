"""Convolutions and pooling."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as torch_functions

from rewriter.export.torch_graph.call import Call
from rewriter.export.torch_graph.operators.products import activated
from rewriter.export.torch_graph.table import computes

CONVOLUTIONS: tuple[Any, ...] = (None, torch.conv1d, torch.conv2d, torch.conv3d)
TRANSPOSED: tuple[Any, ...] = (
    None, torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d,
)  # fmt: skip
MAXIMA: tuple[Any, ...] = (
    None, torch_functions.max_pool1d, torch_functions.max_pool2d,
    torch_functions.max_pool3d,
)  # fmt: skip
MEANS: tuple[Any, ...] = (
    None, torch_functions.avg_pool1d, torch_functions.avg_pool2d,
    torch_functions.avg_pool3d,
)  # fmt: skip
"""Torch's function by the number of spatial axes."""


@dataclass(frozen=True, slots=True)
class Window:
    """How a window moves over the spatial axes.

    Attributes:
        kernel: Its size along each.
        strides: How far it moves.
        dilations: How far its elements are apart.
        before: Padding before each axis, and likewise after.
        after: See before.
        further: Padding after that a last, incomplete window needs (ceil_mode).
    """

    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    before: list[Any]
    after: list[Any]
    further: list[Any]

    @property
    def rank(self) -> int:
        """How many spatial axes there are."""
        return len(self.kernel)

    @property
    def even(self) -> bool:
        """Whether torch can pad itself: alike on both sides, and not beyond."""
        return self.before == self.after and not any(self.further)

    def padded(self, x: Any, value: float = 0.0, *, beyond: bool = True) -> Any:
        """Return a tensor [N, C, ...] with its padding.

        Args:
            x: What the window moves over.
            value: Of the padding.
            beyond: Whether with what an incomplete window needs.
        """
        after = [
            end + (more if beyond else 0)
            for end, more in zip(self.after, self.further, strict=True)
        ]
        return torch_functions.pad(x, flat(self.before, after), value=value)


def flat(before: Sequence[Any], after: Sequence[Any]) -> list[Any]:
    """Return paddings by axis as torch has them: the last axis first."""
    pairs = zip(reversed(before), reversed(after), strict=True)
    return [number for pair in pairs for number in pair]


def window(call: Call, sizes: Sequence[Any], kernel: list[int]) -> Window:
    """Return the window of a node.

    Args:
        call: A convolution or a pool.
        sizes: Of the spatial axes of what it moves over.
        kernel: The window's size along each.
    """
    ones = [1] * len(kernel)
    strides = list(call.option("strides") or ones)
    dilations = list(call.option("dilations") or ones)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    before, after = _padding(call, sizes, strides, reach)
    further = [0] * len(kernel)
    if call.option("ceil_mode", 0):
        ends = zip(sizes, before, after, strict=True)
        whole = [size + first + last for size, first, last in ends]
        further = [
            _further(*each)
            for each in zip(whole, sizes, before, strides, reach, strict=True)
        ]
    return Window(kernel, strides, dilations, before, after, further)


def _further(whole: Any, size: Any, before: Any, stride: int, reach: int) -> Any:
    """Return how much a last window lacks that starts inside of the input."""
    steps = -(-(whole - reach) // stride)
    if steps * stride >= size + before:
        steps -= 1
    return max(steps * stride + reach - whole, 0)


def _padding(
    call: Call, sizes: Sequence[Any], strides: list[int], reach: list[int]
) -> tuple[list[Any], list[Any]]:
    mode = call.option("auto_pad", "NOTSET")
    if mode in {"SAME_UPPER", "SAME_LOWER"}:
        total = [
            torch.sym_max((-(-size // stride) - 1) * stride + span - size, 0)
            for size, stride, span in zip(sizes, strides, reach, strict=True)
        ]
        less, more = [one // 2 for one in total], [one - one // 2 for one in total]
        return (less, more) if mode == "SAME_UPPER" else (more, less)
    pads = list(call.option("pads") or [0] * (2 * len(sizes)))
    if mode == "VALID":
        pads = [0] * len(pads)
    return pads[: len(sizes)], pads[len(sizes) :]


def convolved(call: Call, x: Any, weight: Any, bias: Any) -> Any:
    """Return the convolution that a node says, of tensors that it may have prepared.

    Args:
        call: The node.
        x: [N, C, ...].
        weight: [M, C/group, ...].
        bias: [M], or None.
    """
    moved = window(call, x.shape[2:], list(weight.shape[2:]))
    if moved.rank >= len(CONVOLUTIONS):
        raise call.refusal(f"it has {moved.rank} spatial axes")
    pads = moved.before if moved.even else 0
    x = x if moved.even else moved.padded(x)
    function, group = CONVOLUTIONS[moved.rank], call.option("group", 1)
    return function(x, weight, bias, moved.strides, pads, moved.dilations, group)


@computes("Conv")
def convolution(call: Call) -> Any:
    """Return a convolution [N, M, ...]."""
    return convolved(call, call.tensor(0), call.tensor(1), call.maybe(2))


@computes("com.microsoft:FusedConv")
def fused_convolution(call: Call) -> Any:
    """Return a convolution, plus a tensor where one is given, with its activation."""
    x = convolution(call)
    return activated(call, x + call.tensor(3) if call.has(3) else x)


@computes("ConvTranspose")
def transposed_convolution(call: Call) -> Any:
    """Return a transposed convolution [N, M, ...]."""
    x, weight, bias = call.tensor(0), call.tensor(1), call.maybe(2)
    kernel, rank = list(weight.shape[2:]), x.ndim - 2
    if rank >= len(TRANSPOSED):
        raise call.refusal(f"it has {rank} spatial axes")
    ones, group = [1] * rank, call.option("group", 1)
    strides = list(call.option("strides") or ones)
    dilations = list(call.option("dilations") or ones)
    extra = list(call.option("output_padding") or [0] * rank)
    function = TRANSPOSED[rank]
    before, after = _cropped(call, x, (strides, dilations, extra, kernel))
    if before == after and all(
        p < max(s, d) for p, s, d in zip(extra, strides, dilations, strict=True)
    ):
        return function(x, weight, bias, strides, before, extra, group, dilations)
    whole = function(x, weight, None, strides, 0, 0, group, dilations)
    ends = [more - cut for more, cut in zip(extra, after, strict=True)]
    cut = torch_functions.pad(whole, flat([-one for one in before], ends))
    return cut if bias is None else cut + bias.reshape(-1, *ones)


def _cropped(
    call: Call, x: Any, sizes: tuple[list[int], ...]
) -> tuple[list[Any], list[Any]]:
    """Return how much is cut off at both ends of each axis."""
    wanted, mode = call.option("output_shape"), call.option("auto_pad", "NOTSET")
    rank = x.ndim - 2
    pads = list(call.option("pads") or [0] * (2 * rank))
    if wanted is None and mode in {"NOTSET", "VALID"}:
        return (pads[:rank], pads[rank:]) if mode == "NOTSET" else ([0] * rank, [0] * rank)
    strides, dilations, extra, kernel = sizes
    have = x.shape[2:]
    ends = wanted[-rank:] if wanted else [n * s for n, s in zip(have, strides, strict=True)]
    total = [
        (n - 1) * s + more + (k - 1) * d + 1 - end
        for n, s, d, more, k, end in zip(
            have, strides, dilations, extra, kernel, ends, strict=True
        )
    ]
    half, rest = [one // 2 for one in total], [one - one // 2 for one in total]
    return (half, rest) if mode == "SAME_UPPER" else (rest, half)
