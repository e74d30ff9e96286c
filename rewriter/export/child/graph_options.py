"""Attributes of ONNX operators as attributes of TensorFlow's."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from analyzer.core.errors import ExportError
from analyzer.core.types import Node
from rewriter.export.changes import AttributeChange
from rewriter.export.child.graph_edits import GraphEdit, SetKind, SetOption, SetValue
from rewriter.export.child.graph_view import GraphView, node_of

HINT = "write the repaired model with -o to an .onnx file"

WINDOWED = frozenset({"strides", "dilations", "kernel_shape"})
OWN_NAME = {"strides": "strides", "dilations": "dilations", "kernel_shape": "ksize"}

EXPLICIT = frozenset({"Conv2D", "DepthwiseConv2dNative", "MaxPool"})
"""Operators whose padding can be said in numbers.

Source: https://www.tensorflow.org/api_docs/python/tf/raw_ops/Conv2D"""

NUMBERS = {("LeakyRelu", "alpha"): "alpha", ("FusedBatchNormV3", "epsilon"): "epsilon"}
"""Attributes that are numbers there as well."""

COORDINATES = {
    "half_pixel": (True, False),
    "align_corners": (False, True),
    "asymmetric": (False, False),
}
"""``half_pixel_centers`` and ``align_corners`` for each of ONNX's coordinate modes."""

RESIZES = {"nearest": "ResizeNearestNeighbor", "linear": "ResizeBilinear"}

MEANINGLESS = frozenset({"group", "nearest_mode", "momentum", "training_mode", "auto_pad"})
"""Attributes that follow from others, or change nothing in TensorFlow."""


def refused(node: Node, why: str) -> ExportError:
    """Return the error for a change that the graph cannot be given.

    Args:
        node: Of the pivot.
        why: What is in the way, as the end of a sentence.
    """
    return ExportError(
        f"the repair of {node.name} ({node.op}) cannot go into TensorFlow's graph: {why}",
        hint=HINT,
    )


def options(
    view: GraphView, was: Node, now: Node, differ: Sequence[AttributeChange]
) -> Iterator[GraphEdit]:
    """Yield what gives an operator of the graph the attributes of its node.

    Args:
        view: The graph.
        was: The node as it was imported.
        now: The same after the repair.
        differ: What differs between the two.

    Raises:
        ExportError: The graph has no such operator, or cannot say it.
    """
    name = view.owner(was)
    if not name:
        raise refused(was, "no operator of the graph is known to be it")
    op = view.nodes[name].op
    names = {one.attribute for one in differ} - MEANINGLESS
    padded = {"pads", "auto_pad"} & {one.attribute for one in differ}
    for one in differ:
        if one.attribute in WINDOWED and _has(view, name, OWN_NAME[one.attribute]):
            yield _window(view, name, one)
            names.discard(one.attribute)
        elif (op, one.attribute) in NUMBERS:
            yield _single(view, name, NUMBERS[op, one.attribute], one)
            names.discard(one.attribute)
        elif one.attribute == "kernel_shape" and was.op == "Conv":
            names.discard(one.attribute)  # its weight says it
    if was.op == "BatchNormalization" and "epsilon" in names:
        yield _epsilon(view, was, now)
        names.discard("epsilon")
    if padded or (names_of(differ) & WINDOWED and _is_same_padded(view, name)):
        yield from _padding(view, name, now)
        names.discard("pads")
    if was.op == "Resize":
        yield from _resize(view, name, was, now)
        names -= {"mode", "coordinate_transformation_mode"}
    if names:
        raise refused(was, f"{min(names)} is nothing that {op} has")


def names_of(differ: Sequence[AttributeChange]) -> set[str]:
    """Return the names of the attributes that differ."""
    return {one.attribute for one in differ}


def _single(view: GraphView, name: str, option: str, change: AttributeChange) -> SetOption:
    """Return a new number, where the graph has the old one."""
    known = np.float32(view.nodes[name].attr[option].f)
    if known != np.float32(str(change.old)):
        raise refused(change.node, f"its {option} there is {known:g}, not {change.old!r}")
    return SetOption(name, option, _number(change.new))


def _has(view: GraphView, name: str, option: str) -> bool:
    return option in view.nodes[name].attr


def _window(view: GraphView, name: str, change: AttributeChange) -> SetOption:
    """Return new strides, dilations or a new window, in the order of the graph's axes."""
    node, option = view.nodes[name], OWN_NAME[change.attribute]
    old = list(node.attr[option].list.i)
    first = _first_space(node)
    wanted, known = _ints(change.new, len(old) - 2), _ints(change.old, len(old) - 2)
    if old[first : first + len(known)] != known:
        raise refused(change.node, f"its {change.attribute} there is {old}, not {known}")
    new = [*old[:first], *wanted, *old[first + len(wanted) :]]
    return SetOption(name, option, _list(new))


def _first_space(node: Any) -> int:
    return 2 if node.attr["data_format"].s.startswith(b"NC") else 1


def _ints(value: object, count: int) -> list[int]:
    return [int(one) for one in value] if isinstance(value, tuple) else [1] * count


def _list(values: Sequence[int]) -> Any:
    return tf.compat.v1.AttrValue(list=tf.compat.v1.AttrValue.ListValue(i=values))


def _number(value: object) -> Any:
    return tf.compat.v1.AttrValue(f=float(value))  # type: ignore[arg-type]  # a number


def _text(value: str) -> Any:
    return tf.compat.v1.AttrValue(s=value.encode())


def _is_same_padded(view: GraphView, name: str) -> bool:
    return bool(view.nodes[name].attr["padding"].s == b"SAME")


def _padding(view: GraphView, name: str, now: Node) -> Iterator[GraphEdit]:
    """Yield the padding of a window: SAME or VALID where that is what the numbers say."""
    node = view.nodes[name]
    rank = len(node.attr["strides"].list.i) - 2
    pads = _pads(view, name, now, rank)
    known = pads is None or pads == _same(view, name, now, rank)
    if known or not any(pads or ()):
        if _has(view, name, "explicit_paddings"):
            yield SetOption(name, "explicit_paddings", _list([]))
        yield SetOption(name, "padding", _text("SAME" if known else "VALID"))
        return
    if pads is None or node.op not in EXPLICIT or rank != 2:  # noqa: PLR2004 - images
        raise refused(now, f"{node.op} takes no padding of {pads}")
    first = _first_space(node)
    before, behind = pads[:rank], pads[rank:]
    each = list(zip(before, behind, strict=True))
    whole = [(0, 0)] * first + each + [(0, 0)] * (2 - first)
    yield SetOption(name, "padding", _text("EXPLICIT"))
    yield SetOption(
        name, "explicit_paddings", _list([one for pair in whole for one in pair])
    )


def _pads(view: GraphView, name: str, now: Node, rank: int) -> list[int] | None:
    """Return begins and ends; None: as SAME in TensorFlow."""
    automatic = now.attributes.get("auto_pad", "NOTSET")
    if automatic == "SAME_UPPER":
        return None
    if automatic == "SAME_LOWER":
        raise refused(now, f"{view.nodes[name].op} pads no more before than behind")
    pads = now.attributes.get("pads")
    stated = isinstance(pads, tuple) and automatic == "NOTSET"
    return [int(one) for one in pads] if stated else [0] * (2 * rank)  # type: ignore[union-attr]  # a tuple


def _same(view: GraphView, name: str, now: Node, rank: int) -> list[int] | None:
    """Return the begins and ends that SAME comes to; None where sizes are not known.

    Source: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    """
    node = view.nodes[name]
    shape = view.shapes[node_of(node.input[0])].shape
    sizes = shape.as_list() if shape.rank is not None else [None] * (rank + 2)
    first = _first_space(node)
    kernel = _ints(now.attributes.get("kernel_shape"), rank)
    strides = _ints(now.attributes.get("strides"), rank)
    spread = _ints(now.attributes.get("dilations"), rank)
    begins, ends = [], []
    for axis in range(rank):
        size, stride = sizes[first + axis], strides[axis]
        reach = (kernel[axis] - 1) * spread[axis] + 1
        if size is None and stride != 1:
            return None
        left = 0 if size is None else (-(-size // stride) - 1) * stride - size
        total = max(reach - 1 if size is None else left + reach, 0)
        begins.append(total // 2)
        ends.append(total - total // 2)
    return [*begins, *ends]


def _epsilon(view: GraphView, was: Node, now: Node) -> SetValue:
    """Return the new epsilon of a normalisation that is spelled out, found by the old."""
    name = view.origin(was.name)
    old, new = (np.float32(str(one.attributes["epsilon"])) for one in (was, now))
    scope = name.rpartition("/")[0]
    found = [
        one
        for one, value in view.constants.items()
        if one.startswith(f"{scope}/") and value.ndim == 0 and value == old
    ]
    if len(found) != 1:
        raise refused(was, f"its epsilon {old} is in {len(found)} constants of {scope}")
    return SetValue(found[0], np.asarray(new, view.constants[found[0]].dtype))


def _resize(view: GraphView, name: str, was: Node, now: Node) -> Iterator[GraphEdit]:
    """Yield the operator and coordinates of a resizing."""
    modes = [str(one.attributes.get("mode", "nearest")) for one in (was, now)]
    if view.nodes[name].op not in RESIZES.values() or modes[1] not in RESIZES:
        raise refused(was, f"{view.nodes[name].op} cannot be {modes[1]}")
    if modes[0] != modes[1]:
        yield SetKind(name, RESIZES[modes[1]])
    where = str(now.attributes.get("coordinate_transformation_mode", "half_pixel"))
    if where not in COORDINATES:
        raise refused(was, f"TensorFlow has no coordinates {where}")
    for option, value in zip(
        ("half_pixel_centers", "align_corners"), COORDINATES[where], strict=True
    ):
        yield SetOption(name, option, tf.compat.v1.AttrValue(b=value))
