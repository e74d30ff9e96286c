"""A repaired pivot as edits of the TensorFlow graph that it was imported from."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np

from analyzer.core.types import Array, Node
from rewriter.export.changes import ConstantChange, WireChange, same
from rewriter.export.child.graph_edits import AddNode, GraphEdit, SetValue
from rewriter.export.child.graph_new import shifted
from rewriter.export.child.graph_options import options
from rewriter.export.child.graph_place import refused
from rewriter.export.child.graph_view import GraphView
from rewriter.export.child.graph_wiring import Wiring
from rewriter.export.child.pivots import Pivots
from rewriter.export.layouts import holders, relaid

CONSTANT = "constant"
"""How `changes` calls an input that is not computed."""


def plan(view: GraphView, pivots: Pivots) -> tuple[GraphEdit, ...]:
    """Return what gives a graph the repair of its pivot.

    Args:
        view: The graph.
        pivots: Its pivot before and after.

    Raises:
        ExportError: It cannot be said, or an old value is not found exactly.
    """
    edits: list[GraphEdit] = [*_values(view, pivots)]
    now = {node.name: node for node in pivots.after}
    for _, group in groupby(pivots.changes.attributes, key=lambda one: one.node.name):
        differ = list(group)
        was = differ[0].node
        edits += options(view, was, now[was.name], differ)
    given: dict[str, str] = {}
    for wire in filter(_is_shift, pivots.changes.wires):
        for one in _shift(view, pivots, wire):
            edits.append(one)
            if isinstance(one, AddNode):
                given[wire.node.name] = one.name
    edits += Wiring(view, pivots, given).edits()
    return tuple(edits)


def _is_shift(wire: WireChange) -> bool:
    return CONSTANT in {wire.old.partition(" ")[0], wire.new.partition(" ")[0]}


def _shift(view: GraphView, pivots: Pivots, wire: WireChange) -> Iterator[GraphEdit]:
    """Yield the value of a bias that the pivot has on one side only: zeros on the other.

    An importer leaves a bias of zeros away; the graph has it, or is given an addition.
    """
    was = next(one for one in pivots.before if one.name == wire.node.name)
    values = [one.constants.get(wire.slot) for one in (was, wire.node)]
    if wire.old and wire.new:
        raise refused(
            was, f"its input {wire.slot} is computed on one side, and not on both"
        )
    owner, size = view.owner(was), next(one.size for one in values if one is not None)
    wanted = np.zeros(size) if values[0] is None else values[0].ravel()
    near = view.below(owner) if owner else set()
    found = [
        name
        for name, value in view.constants.items()
        if value.size == size and np.array_equal(value.ravel(), wanted)
        if near & set(view.served(name))
    ]
    if len(found) == 1:
        own = view.constants[found[0]]
        new = np.zeros(size) if values[1] is None else values[1]
        yield SetValue(found[0], new.reshape(own.shape).astype(own.dtype))
    elif values[0] is None and values[1] is not None and owner:
        yield from shifted(view, wire.node, owner, values[1])
    else:
        raise refused(
            was, f"{len(found)} constants of the graph can be its input {wire.slot}"
        )


def _values(view: GraphView, pivots: Pivots) -> Iterator[SetValue]:
    """Yield the new values of constants, each for all operators that read it."""
    given: dict[str, tuple[Array, list[Node]]] = {}
    for change in pivots.changes.constants:
        name, new = _value(view, pivots, change)
        value, nodes = given.setdefault(name, (new, []))
        if not same(value, new):
            raise refused(change.node, f"{name} is to be another for {nodes[0].name}")
        nodes.append(change.node)
    for name, (value, nodes) in given.items():
        others = set(view.served(name))
        if len(others) > 1:
            others -= {
                one for node in nodes for one in (view.owner(node), view.giver(node))
            }
            if others:
                raise refused(nodes[0], f"{min(others)} reads {name} too, and keeps it")
        yield SetValue(name, value)


def _value(view: GraphView, pivots: Pivots, change: ConstantChange) -> tuple[str, Array]:
    """Return the constant that holds a weight, and its new value in its own layout."""
    natives = view.constants
    found = holders(natives, change.old)
    if len(found) > 1:
        found = _nearest(view, pivots, change, found)
    if len(found) != 1:
        number = "no constant" if not found else f"{len(found)} constants"
        raise refused(change.node, f"{number} of the graph holds the old {change.tensor}")
    own = natives[found[0]]
    old, new = change.old, change.new
    laid = relaid(own, old.astype(own.dtype), new.astype(own.dtype), USUAL.get(own.ndim))
    if laid is None:
        raise refused(change.node, f"the layout of {found[0]} is not known for certain")
    return found[0], laid


USUAL: Mapping[int, tuple[int, ...]] = {4: (3, 2, 0, 1), 3: (2, 1, 0)}
"""How ONNX has the weights of a convolution, as axes of TensorFlow's [..., in, out]."""


def _nearest(
    view: GraphView, pivots: Pivots, change: ConstantChange, found: Sequence[str]
) -> tuple[str, ...]:
    """Return those of several constants that serve the node, or else stand in its layer."""
    owners = {view.owner(change.node), view.giver(change.node)} - {""}
    serving = tuple(one for one in found if owners & set(view.served(one)))
    if serving:
        return serving
    layer = pivots.layers.get(change.tensor) or pivots.layers.get(change.node.outputs[0])
    return tuple(one for one in found if layer and f"/{layer}" in f"/{one}")
