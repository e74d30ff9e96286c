"""Strides, dilations and paddings of ONNX's windows, as Keras says them."""

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.core.types import Node

SAME, VALID, CAUSAL = "same", "valid", "causal"

Sizes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """How a node's window moves over the axes that its layer has.

    Attributes:
        kernel: Its size along each axis.
        strides: Its steps.
        dilations: Distances of its elements.
        begins: Zeros put before each axis.
        ends: Zeros put behind.
        auto: ``auto_pad``, where the zeros are said by it.
        transposed: Whether it is a transposed convolution's.
    """

    kernel: Sizes
    strides: Sizes
    dilations: Sizes
    begins: Sizes
    ends: Sizes
    auto: str
    transposed: bool

    @property
    def pads(self) -> tuple[Sizes, Sizes]:
        """Zeros before and behind."""
        return self.begins, self.ends

    @property
    def reach(self) -> Sizes:
        """How much of each axis the window spans."""
        return tuple(
            (size - 1) * step + 1
            for size, step in zip(self.kernel, self.dilations, strict=True)
        )

    def says(self, padding: str, sizes: Sequence[int | None] | None) -> bool:
        """Return whether the zeros are those that Keras's word for them puts.

        Args:
            padding: ``same`` or ``valid``.
            sizes: Of what is read, along the window's axes; None: not known.
        """
        if self.auto in {"SAME_UPPER", "VALID"}:
            return padding == (SAME if self.auto == "SAME_UPPER" else VALID)
        if padding == VALID:
            return not any((*self.begins, *self.ends))
        return self.pads == self.same(sizes)

    def same(self, sizes: Sequence[int | None] | None) -> tuple[Sizes, Sizes] | None:
        """Return the zeros that ``same`` puts before and behind; None: it is not known.

        Args:
            sizes: Of what is read, along the window's axes.

        Source:
            tensorflow.org/api_docs/python/tf/nn, "Notes on padding".
        """
        places = zip(self.reach, self.strides, strict=True)
        if self.transposed:
            totals = [max(reach - step, 0) for reach, step in places]
        elif sizes is None or None in sizes:
            return None
        else:
            steps = [
                -(-int(size or 0) // step)
                for size, step in zip(sizes, self.strides, strict=True)
            ]
            totals = [
                max((count - 1) * step + reach - int(size or 0), 0)
                for count, (reach, step), size in zip(steps, places, sizes, strict=True)
            ]
        begins = tuple(total // 2 for total in totals)
        return begins, tuple(total - one for total, one in zip(totals, begins, strict=True))


def window(node: Node, kernel: Sequence[int]) -> Window:
    """Return a node's window over the last axes, as many as its layer's kernel has.

    Args:
        node: A convolution or a pooling.
        kernel: The kernel's sizes, as its layer has them.
    """
    rank = len(kernel)
    pads = _ints(node, "pads") or (0,) * 2 * rank
    half = len(pads) // 2
    ones = (1,) * rank
    return Window(
        (_ints(node, "kernel_shape") or tuple(kernel))[-rank:],
        (_ints(node, "strides") or ones)[-rank:],
        (_ints(node, "dilations") or ones)[-rank:],
        pads[:half][-rank:],
        pads[half:][-rank:],
        str(node.attributes.get("auto_pad", "NOTSET")),
        node.op == "ConvTranspose",
    )


def _ints(node: Node, attribute: str) -> Sizes:
    value = node.attributes.get(attribute)
    return tuple(int(one) for one in value) if isinstance(value, tuple) else ()
