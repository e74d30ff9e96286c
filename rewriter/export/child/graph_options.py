"""Attributes of ONNX operators as attributes of TensorFlow's."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from analyzer.core.types import Node
from rewriter.export.changes import AttributeChange
from rewriter.export.child.graph_edits import GraphEdit, SetKind, SetOption, SetValue
from rewriter.export.child.graph_padding import padding
from rewriter.export.child.graph_place import Place, integers, per_axis, refused
from rewriter.export.child.graph_view import GraphView

WINDOWED = frozenset({"strides", "dilations", "kernel_shape"})
OWN_NAME = {"strides": "strides", "dilations": "dilations", "kernel_shape": "ksize"}

NUMBERS = {("LeakyRelu", "alpha"): "alpha", ("FusedBatchNormV3", "epsilon"): "epsilon"}
"""Attributes that are numbers there as well."""

COORDINATES = {
    "half_pixel": (True, False),
    "align_corners": (False, True),
    "asymmetric": (False, False),
}
"""``half_pixel_centers`` and ``align_corners`` for each of ONNX's coordinate modes."""

RESIZES = {"nearest": "ResizeNearestNeighbor", "linear": "ResizeBilinear"}

PADDED = frozenset({"pads", "auto_pad"})
PLACED = frozenset({"mode", "coordinate_transformation_mode"})

MEANINGLESS = frozenset({"group", "nearest_mode", "momentum", "training_mode"})
"""Attributes that follow from others, or change nothing in TensorFlow."""


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
    place = Place(view, name, was, now)
    left = {one.attribute for one in differ} - MEANINGLESS
    if left & WINDOWED and place.stated("padding").s == b"SAME":
        left |= PADDED  # what SAME comes to goes by the window
    for names, said in SAID:
        if left & names:
            yield from said(place, left & names)
            left -= names
    if left:
        raise refused(was, f"{min(left)} is nothing that {view.nodes[name].op} has")


def _numbers(place: Place, names: Collection[str]) -> Iterator[GraphEdit]:
    """Yield new numbers, where the graph has the old ones."""
    for name in sorted(names):
        option = NUMBERS.get((place.own.op, name))
        if option is not None:
            yield _single(place, option, name)
        elif name == "epsilon" and place.was.op == "BatchNormalization":
            yield _epsilon(place)
        else:
            raise refused(place.was, f"{name} is nothing that {place.own.op} has")


def _single(place: Place, option: str, name: str) -> SetOption:
    known = np.float32(place.stated(option).f)
    old, new = (one.attributes.get(name) for one in (place.was, place.now))
    if known != np.float32(str(old)):
        raise refused(place.was, f"its {option} there is {known:g}, not {old!r}")
    return SetOption(place.name, option, _number(new))


def _windows(place: Place, names: Collection[str]) -> Iterator[GraphEdit]:
    """Yield new strides, dilations or a new window, in the order of the graph's axes."""
    for name in sorted(names):
        if name == "kernel_shape" and place.was.op == "Conv":
            continue  # its weight says it
        yield _window(place, name)


def _window(place: Place, name: str) -> SetOption:
    old = list(place.stated(OWN_NAME[name]).list.i) or [1] * (place.rank + 2)
    first = place.first
    known, wanted = (per_axis(one.attributes.get(name), place.rank) for one in place.both)
    if old[first : first + len(known)] != known:
        raise refused(place.was, f"its {name} there is {old}, not {known}")
    new = [*old[:first], *wanted, *old[first + len(wanted) :]]
    return SetOption(place.name, OWN_NAME[name], integers(new))


def _number(value: object) -> Any:
    return tf.compat.v1.AttrValue(f=float(value))  # type: ignore[arg-type]  # a number


def _epsilon(place: Place) -> SetValue:
    """Return the new epsilon of a normalisation that is spelled out, found by the old."""
    view, both = place.view, place.both
    scope = view.origin(place.was.name).rpartition("/")[0]
    old, new = (np.float32(str(one.attributes["epsilon"])) for one in both)
    found = [
        one
        for one, value in view.constants.items()
        if one.startswith(f"{scope}/") and value.ndim == 0 and value == old
    ]
    if len(found) != 1:
        raise refused(
            place.was, f"its epsilon {old} is in {len(found)} constants of {scope}"
        )
    return SetValue(found[0], np.asarray(new, view.constants[found[0]].dtype))


def _resize(place: Place, _: Collection[str]) -> Iterator[GraphEdit]:
    """Yield the operator and coordinates of a resizing, where it has the old ones."""
    (old, before), (new, after) = (_resizing(one) for one in place.both)
    flags = "half_pixel_centers", "align_corners"
    own = tuple(bool(place.stated(flag).b) for flag in flags)
    if (place.own.op, own) != (old, before):
        raise refused(place.was, f"it is {place.own.op} there, with {flags} of {own}")
    if new != old:
        yield SetKind(place.name, new)
    for flag, value in zip(flags, after, strict=True):
        yield SetOption(place.name, flag, tf.compat.v1.AttrValue(b=value))


def _resizing(node: Node) -> tuple[str, tuple[bool, bool]]:
    """Return the operator that resizes as a node does, and its flags."""
    mode = str(node.attributes.get("mode", "nearest"))
    where = str(node.attributes.get("coordinate_transformation_mode", "half_pixel"))
    if mode not in RESIZES or where not in COORDINATES:
        raise refused(node, f"TensorFlow does not resize by {mode} and {where}")
    return RESIZES[mode], COORDINATES[where]


def _paddings(place: Place, _: Collection[str]) -> Iterator[GraphEdit]:
    yield from padding(place)


SAID = (
    (WINDOWED, _windows),
    (PADDED, _paddings),
    (frozenset({"alpha", "epsilon"}), _numbers),
    (PLACED, _resize),
)
"""Which attributes are said together, and what says them."""
