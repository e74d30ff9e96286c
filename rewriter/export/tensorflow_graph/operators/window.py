"""The window of a convolution or a pooling, and the padding TensorFlow has words for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from rewriter.export.tensorflow_graph.table import Call
from rewriter.export.tensorflow_graph.values import Value
from rewriter.export.tensorflow_graph.weights import Tensor

Ends = list[tuple[int, int]]
"""Padding in elements before and behind, one pair per spatial axis."""


@dataclass(frozen=True, slots=True)
class Window:
    """Where a window stands.

    Attributes:
        kernel: Its size in elements per spatial axis, dilation apart.
        strides: Steps per spatial axis.
        dilations: Distance of its elements per spatial axis.
        pads: Before and behind; None where SAME is said of sizes that are not known.
        same: Whether the pads are those of TensorFlow's SAME.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: Ends | None
    same: bool

    @property
    def extents(self) -> list[int]:
        """The elements that it spans per spatial axis."""
        return [
            (size - 1) * step + 1
            for size, step in zip(self.kernel, self.dilations, strict=True)
        ]


def window(call: Call, value: Value, kernel: Sequence[int | None]) -> Window:
    """Return the window that a node's attributes say.

    Args:
        call: A convolution or a pooling.
        value: Its input: batch, channels, then the spatial axes.
        kernel: The kernel's sizes.
    """
    spatial = value.rank - 2
    ones = [1] * spatial
    strides = tuple(call.attribute("strides", ones))
    dilations = tuple(call.attribute("dilations", ones))
    sizes = value.shape[2:]
    window = Window(
        tuple(int(one or 0) for one in kernel), strides, dilations, None, same=True
    )
    wanted = _same(window, sizes)
    auto = call.text("auto_pad", "NOTSET")
    if auto == "SAME_UPPER":
        return Window(window.kernel, strides, dilations, wanted, same=True)
    if auto == "SAME_LOWER":
        if wanted is None:
            raise call.refusal("pads as SAME_LOWER a size that is not known")
        lower = [(behind, before) for before, behind in wanted]
        return Window(window.kernel, strides, dilations, lower, lower == wanted)
    flat = (
        [0] * (2 * spatial)
        if auto == "VALID"
        else call.attribute("pads", [0] * 2 * spatial)
    )
    pads = list(zip(flat[:spatial], flat[spatial:], strict=True))
    pads = _ceiled(call, window, sizes, pads)
    return Window(window.kernel, strides, dilations, pads, _is_same(window, pads, wanted))


def _is_same(window: Window, pads: Ends, wanted: Ends | None) -> bool:
    if not any(map(any, pads)):
        return False
    if wanted is not None:
        return pads == wanted
    spans = [((extent - 1) // 2, extent // 2) for extent in window.extents]
    return max(window.strides) == 1 and pads == spans


def _same(window: Window, sizes: Sequence[int | None]) -> Ends | None:
    """Return the pads with which an output has input over stride elements, rounded up."""
    if None in sizes:
        return None
    ends = []
    for size, extent, stride in zip(sizes, window.extents, window.strides, strict=True):
        outputs = -(-int(size or 0) // stride)
        total = max(0, (outputs - 1) * stride + extent - int(size or 0))
        ends.append((total // 2, total - total // 2))
    return ends


def _ceiled(call: Call, window: Window, sizes: Sequence[int | None], pads: Ends) -> Ends:
    """Return pads that hold a last window which begins inside but ends outside."""
    if not call.integer("ceil_mode", 0):
        return pads
    if None in sizes:
        raise call.refusal("rounds an output size up that is not known")
    ends = []
    for axis, (before, behind) in enumerate(pads):
        size, stride = int(sizes[axis] or 0), window.strides[axis]
        room = size + before + behind - window.extents[axis]
        outputs = math.ceil(room / stride) + 1
        if (outputs - 1) * stride >= size + before:  # it would begin in the padding
            outputs -= 1
        ends.append((before, max(behind, behind + (outputs - 1) * stride - room)))
    return ends


def padded(tensor: Tensor, seen: Window, filling: float) -> tuple[Tensor, str]:
    """Return a tensor padded as far as TensorFlow has no word for it, and the word.

    Args:
        tensor: Channels last.
        seen: The window over it.
        filling: What stands in the padding.
    """
    if seen.same:
        return tensor, "SAME"
    pads = seen.pads or []
    if any(map(any, pads)):
        ends = [(0, 0), *pads, (0, 0)]
        if filling == 0:
            return tf.pad(tensor, ends), "VALID"
        tensor = tf.pad(tensor, ends, constant_values=tf.cast(filling, tensor.dtype))
    return tensor, "VALID"
