"""Padding of transposed convolutions: what is cut off, however the node says it."""

from collections.abc import Iterator

from analyzer.core.types import Aspect, Difference, Node
from analyzer.differences.layout import Layouts, Shapes, first_tensor
from analyzer.differences.padding import Pads, extents, numbers, split

TRANSPOSED = "ConvTranspose"

SPOKEN_OF = frozenset({"pads", "auto_pad", "output_shape", "output_padding"})
"""The attributes that together say what is cut off."""


def compare_cuts(layouts: Layouts, source: Node, target: Node) -> Iterator[Difference]:
    """Yield a difference where two transposed convolutions cut off something else.

    Args:
        layouts: The pair, with the shapes that a stated output depends on.
        source: A node of the pair's source.
        target: The target node of the same operator.

    Yields:
        At most one difference, of ``pads``; less than nothing is cut off at the end where
        the result is padded.
    """
    if source.op != TRANSPOSED:
        return
    ours = cut_off(source, layouts.source_shapes)
    theirs = cut_off(target, layouts.target_shapes)
    if ours is None or theirs is None or len(ours) != len(theirs) or ours == theirs:
        return
    yield Difference(Aspect.ATTRIBUTE, "pads", ours, theirs, source, target)


def is_known(layouts: Layouts, source: Node, target: Node) -> bool:
    """Return whether both sides' cuts are known, so that their attributes need no look."""
    shapes = layouts.source_shapes, layouts.target_shapes
    both = zip((source, target), shapes, strict=True)
    return source.op == TRANSPOSED and all(cut_off(*one) is not None for one in both)


def cut_off(node: Node, shapes: Shapes) -> Pads | None:
    """Return what a transposed convolution cuts off: begins, then ends, per spatial axis.

    Args:
        node: A ConvTranspose.
        shapes: Shapes by tensor name: a stated output says it only for a known input.

    Returns:
        Numbers of elements, an end less than zero where the result is padded; None where an
        input size is not known.

    Source: https://onnx.ai/onnx/operators/onnx__ConvTranspose.html
    """
    mode = str(node.attributes.get("auto_pad", "NOTSET"))
    reach = extents(node)
    added = numbers(node, "output_padding", 0, len(reach))
    if mode in {"NOTSET", "VALID"} and not node.attributes.get("output_shape"):
        pads = node.attributes.get("pads") if mode == "NOTSET" else None
        given = pads if isinstance(pads, tuple) else (0,) * 2 * len(reach)
        return _without(tuple(int(one) for one in given), added)
    shape = shapes.get(first_tensor(node))
    if shape is None or len(shape) != len(reach) + 2:
        return None
    upper = "SAME_UPPER" if mode == "SAME_UPPER" else "SAME_LOWER"
    return _without(split(_totals(node, shape[2:], added), upper), added)


def _totals(node: Node, sizes: tuple[int, ...], added: tuple[int, ...]) -> list[int]:
    """Return what is cut off each spatial axis so that the result has the stated size."""
    reach = extents(node)
    strides = numbers(node, "strides", 1, len(reach))
    stated = node.attributes.get("output_shape")
    wanted = tuple(size * step for size, step in zip(sizes, strides, strict=True))
    if isinstance(stated, tuple) and stated:
        wanted = tuple(int(one) for one in stated)[-len(reach) :]
    axes = zip(strides, sizes, added, reach, wanted, strict=True)
    return [
        step * (size - 1) + more + extent - out for step, size, more, extent, out in axes
    ]


def _without(pads: Pads, added: tuple[int, ...]) -> Pads:
    """Return what is cut off once what is added at the end is taken from it."""
    half = len(pads) // 2
    ends = tuple(end - more for end, more in zip(pads[half:], added, strict=True))
    return (*pads[:half], *ends)
