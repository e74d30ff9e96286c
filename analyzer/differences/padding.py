"""Padding of convolutions and pools: explicit, automatic, or a Pad node before them."""

from collections.abc import Iterator, Sequence

import numpy as np

from analyzer.core.permutations import composed, inverse
from analyzer.core.settings import setting_slot, settings
from analyzer.core.types import Aspect, Difference, Node, Permutation
from analyzer.differences.layout import Layouts, Shapes, first_tensor

PADDED = frozenset({"Conv", "MaxPool", "AveragePool", "LpPool"})
SAME = frozenset({"SAME_UPPER", "SAME_LOWER"})

Pads = tuple[int, ...]


def compare_padding(layouts: Layouts, source: Node, target: Node) -> Iterator[Difference]:
    """Yield a difference where two convolutions or pools pad their input otherwise.

    Args:
        layouts: The pair, with the shapes that automatic padding depends on.
        source: A node of the pair's source.
        target: The target node of the same operator.

    Yields:
        At most one difference, of ``pads``; of ``auto_pad`` where the input's size decides
        and is not known.
    """
    if source.op not in PADDED:
        return
    ours = own_pads(source, layouts.source_shapes)
    theirs = own_pads(target, layouts.target_shapes)
    if ours is None or theirs is None:
        yield from _compare_automatic(source, target, ours, theirs)
        return
    before, present = (
        _padded_before(nodes, node, len(ours))
        for nodes, node in ((layouts.pair.source, source), (layouts.pair.target, target))
    )
    needed = tuple(a + b - c for a, b, c in zip(ours, before, present, strict=False))
    if needed == theirs or len(ours) != len(theirs):
        return
    pad, moved = pad_before(layouts.pair.target, target)
    if pad is not None and any(present):
        whole = [a + b - c for a, b, c in zip(ours, before, theirs, strict=True)]
        yield _pad_difference(source, pad, moved, whole)
    else:
        yield Difference(Aspect.ATTRIBUTE, "pads", needed, theirs, source, target)


def _pad_difference(
    source: Node, pad: Node, moved: Permutation | None, spatial: Sequence[int]
) -> Difference:
    """Return the difference that leaves a whole padding to the Pad before an operator."""
    half = len(spatial) // 2
    placed = [(0, 0, *spatial[:half]), (0, 0, *spatial[half:])]
    back = inverse(moved) or tuple(range(half + 2))
    needed = tuple(group[axis] for group in placed for axis in back)
    slot = setting_slot("Pad", "pads", pad.opset)
    found = settings(pad).get("pads")
    return Difference(
        Aspect.ATTRIBUTE, "pads", needed, found, source, pad, -1 if slot is None else slot
    )


def own_pads(node: Node, shapes: Shapes) -> Pads | None:
    """Return the padding a node makes itself: begins, then ends, per spatial axis.

    Args:
        node: A convolution or pool.
        shapes: Shapes by tensor name, for automatic padding.

    Returns:
        Numbers of elements; None where it depends on an input size that is not known.
    """
    kernel = extents(node)
    mode = str(node.attributes.get("auto_pad", "NOTSET"))
    if mode not in SAME:
        pads = node.attributes.get("pads") if mode == "NOTSET" else None
        return (
            tuple(int(p) for p in pads)
            if isinstance(pads, tuple)
            else (0,) * 2 * len(kernel)
        )
    strides = numbers(node, "strides", 1, len(kernel))
    shape = shapes.get(first_tensor(node))
    if shape is None and any(stride != 1 for stride in strides):
        return None
    sizes = shape[2:] if shape is not None else (0,) * len(kernel)
    totals = [same_total(*axis) for axis in zip(sizes, kernel, strides, strict=False)]
    return split(totals, mode)


def same_total(size: int, kernel: int, stride: int) -> int:
    """Return how many elements SAME padding adds on an axis.

    Args:
        size: Size of the input.
        kernel: Extent of the dilated kernel.
        stride: Step of the kernel.

    Source: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    """
    steps = -(-size // stride) if size else 1
    left = (steps - 1) * stride + kernel - size if size else kernel - 1
    return max(left, 0)


def split(totals: Sequence[int], mode: str) -> Pads:
    """Return totals as begins and ends; SAME_UPPER puts the odd element at the end."""
    halves = [total // 2 for total in totals]
    rests = [total - half for total, half in zip(totals, halves, strict=True)]
    return (*halves, *rests) if mode == "SAME_UPPER" else (*rests, *halves)


def extents(node: Node) -> tuple[int, ...]:
    """Return the extent of a node's dilated kernel on each spatial axis."""
    weight = node.constants.get(1)
    stated = node.attributes.get("kernel_shape")
    shape = (
        stated
        if isinstance(stated, tuple)
        else weight.shape[2:]
        if weight is not None
        else ()
    )
    dilations = numbers(node, "dilations", 1, len(shape))
    return tuple((int(k) - 1) * d + 1 for k, d in zip(shape, dilations, strict=False))


def numbers(node: Node, field: str, default: int, count: int) -> tuple[int, ...]:
    """Return an attribute of one number per spatial axis, or its default on each."""
    stated = node.attributes.get(field)
    return (
        tuple(int(n) for n in stated) if isinstance(stated, tuple) else (default,) * count
    )


def _compare_automatic(
    source: Node, target: Node, ours: Pads | None, theirs: Pads | None
) -> Iterator[Difference]:
    """Yield a difference where explicit pads cannot be what automatic padding makes."""
    wanted, found = (str(n.attributes.get("auto_pad", "NOTSET")) for n in (source, target))
    if wanted == found:
        return
    automatic, pads = (source, theirs) if ours is None else (target, ours)
    if pads is not None and _may_be_same(automatic, pads):
        return
    if ours is not None:
        yield Difference(Aspect.ATTRIBUTE, "pads", ours, theirs, source, target)
        return
    yield Difference(Aspect.ATTRIBUTE, "auto_pad", wanted, found, source, target)


def _may_be_same(node: Node, pads: Pads) -> bool:
    """Return whether some input size makes automatic padding give these pads."""
    kernel = extents(node)
    strides = numbers(node, "strides", 1, len(kernel))
    upper = str(node.attributes["auto_pad"]) == "SAME_UPPER"
    half = len(pads) // 2
    for axis, (extent, stride) in enumerate(zip(kernel, strides, strict=False)):
        begin, end = pads[axis], pads[axis + half]
        low, high = (begin, end) if upper else (end, begin)
        totals = {
            same_total(size, extent, stride) for size in range(extent, extent + stride)
        }
        if low + high not in totals or high - low not in {0, 1}:
            return False
    return True


def _padded_before(nodes: Sequence[Node], node: Node, count: int) -> Pads:
    """Return what constant Pad nodes of zeros put around a convolution's input.

    Args:
        nodes: The node's side of the pair.
        node: A convolution or pool.
        count: Twice the number of spatial axes.
    """
    none = (0,) * count
    pad, moved = pad_before(nodes, node)
    if pad is None or node.op != "Conv":
        return none
    pads = settings(pad).get("pads")
    rank = count // 2 + 2
    if not isinstance(pads, tuple) or len(pads) != 2 * rank:
        return none
    order = moved or tuple(range(rank))
    placed = [int(pads[group * rank + axis]) for group in (0, 1) for axis in order]
    if any(placed[i] for i in (0, 1, rank, rank + 1)):
        return none
    return (*placed[2:rank], *placed[rank + 2 :])


def pad_before(nodes: Sequence[Node], node: Node) -> tuple[Node | None, Permutation | None]:
    """Return the Pad of zeros that feeds a node, and how its output is transposed."""
    given_by = {name: other for other in nodes for name in other.outputs}
    moved: Permutation | None = None
    feeder = given_by.get(first_tensor(node))
    while feeder is not None and feeder.op == "Transpose":
        perm = feeder.attributes.get("perm")
        if not isinstance(perm, tuple):
            return None, None
        moved = composed(tuple(int(axis) for axis in perm), moved)
        feeder = given_by.get(first_tensor(feeder))
    return (feeder, moved) if feeder is not None and pads_zeros(feeder) else (None, None)


def pads_zeros(node: Node) -> bool:
    """Return whether a node pads with zeros."""
    if node.op != "Pad":
        return False
    values = settings(node)
    return values.get("mode", "constant") == "constant" and not np.any(
        values.get("value", 0)
    )
