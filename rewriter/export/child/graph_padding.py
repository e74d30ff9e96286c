"""The padding of ONNX's windows as TensorFlow says it: in a word, or in numbers."""

from collections.abc import Iterator

from analyzer.core.types import Node
from rewriter.export.child.graph_edits import GraphEdit, SetOption
from rewriter.export.child.graph_place import (
    Place,
    integers,
    per_axis,
    refused,
    text,
)
from rewriter.export.child.graph_view import node_of

IMAGE = 2
"""Axes of the windows whose padding can be said in numbers."""

EXPLICIT = frozenset({"Conv2D", "DepthwiseConv2dNative", "MaxPool"})
"""Operators whose padding can be said in numbers.

Source: https://www.tensorflow.org/api_docs/python/tf/raw_ops/Conv2D"""


def padding(place: Place) -> Iterator[GraphEdit]:
    """Yield the padding of a window: SAME or VALID where that is what the numbers say.

    Args:
        place: The operator.

    Raises:
        ExportError: It pads otherwise than was imported, or cannot pad so.
    """
    _check(place)
    pads = _pads(place, place.now)
    same = pads is None or pads == _same(place, place.now)
    if same or not any(pads or ()):
        if "explicit_paddings" in place.own.attr:
            yield SetOption(place.name, "explicit_paddings", integers([]))
        yield SetOption(place.name, "padding", text("SAME" if same else "VALID"))
        return
    if pads is None or place.own.op not in EXPLICIT or place.rank != IMAGE:
        raise refused(place.now, f"{place.own.op} takes no padding of {pads}")
    first, zero = place.first, (0, 0)
    sides = zip(pads[: place.rank], pads[place.rank :], strict=True)
    whole = [*[zero] * first, *sides, *[zero] * (2 - first)]
    yield SetOption(place.name, "padding", text("EXPLICIT"))
    numbers = [one for pair in whole for one in pair]
    yield SetOption(place.name, "explicit_paddings", integers(numbers))


def _check(place: Place) -> None:
    """Refuse an operator that does not pad as its node was imported.

    The importer may have folded a node that pads into it, which then would pad twice.
    """
    word, old = place.stated("padding").s.decode(), _pads(place, place.was)
    if word == "EXPLICIT":
        first, each = place.first, place.stated("explicit_paddings").list.i
        spaces = each[2 * first : 2 * (first + place.rank)]
        known: list[int] | None = [*spaces[::2], *spaces[1::2]]
    elif word == "SAME":
        known = _same(place, place.was)
    else:
        known = [0] * (2 * place.rank)
    if None not in (known, old) and known != old:
        raise refused(place.was, f"its padding there is {known}, not {old}")


def _pads(place: Place, node: Node) -> list[int] | None:
    """Return a node's begins and ends; None: as SAME in TensorFlow."""
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if automatic == "SAME_UPPER":
        return None
    if automatic == "SAME_LOWER":
        raise refused(node, f"{place.own.op} pads no more before than behind")
    pads = node.attributes.get("pads")
    if automatic == "NOTSET" and isinstance(pads, tuple):
        return [int(one) for one in pads]
    return [0] * (2 * place.rank)


def _same(place: Place, node: Node) -> list[int] | None:
    """Return the begins and ends that SAME comes to; None where sizes are not known.

    Source: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    """
    rank, first = place.rank, place.first
    shape = place.view.shapes[node_of(place.own.input[0])].shape
    sizes = shape.as_list() if shape.rank is not None else [None] * (rank + 2)
    kernel, strides, spread = (
        per_axis(node.attributes.get(name), rank)
        for name in ("kernel_shape", "strides", "dilations")
    )
    begins, ends = [], []
    for axis in range(rank):
        size, stride = sizes[first + axis], strides[axis]
        reach = (kernel[axis] - 1) * spread[axis] + 1
        if size is None and stride != 1:
            return None
        left = -1 if size is None else (-(-size // stride) - 1) * stride - size
        total = max(left + reach, 0)
        begins.append(total // 2)
        ends.append(total - total // 2)
    return [*begins, *ends]
