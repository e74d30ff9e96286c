"""Where a fault is, read off the model before and after, and whether a finding names it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx
from onnx import helper, numpy_helper

ABSORBED = frozenset({
    "Transpose", "Reshape", "Identity", "Cast", "CastLike", "Squeeze", "Unsqueeze",
    "Flatten", "Pad", "Expand", "BatchNormalization", "QuantizeLinear",
    "DequantizeLinear", "Dropout",
})  # fmt: skip
"""Operators that belong to the macro region of the operator they serve."""

ACTIVATIONS = frozenset({
    "Relu", "LeakyRelu", "Clip", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "Elu",
    "Selu", "PRelu", "Softplus",
})  # fmt: skip
"""Operators that a fused counterpart computes with the operator before them."""

AFFINE = frozenset({"Add", "Sub", "Mul", "Div"})
"""Likewise, where one operand is a constant."""

NEAR = 12
"""Names a finding may list and still count as wide: the guilty node is among them."""


MOST_SERVED = 24
"""Where arithmetic on constants serves more than this, it is a place of its own."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where one fault is.

    Attributes:
        guilty: Tensors that the guilty nodes give.
        region: Tensors a finding may name: the macro region, or both ends of the edge.
        kind: ``node``, ``edge`` or ``interface``.
    """

    guilty: frozenset[str]
    region: frozenset[str]
    kind: str


class Wiring:
    """The nodes of a main graph by what they give, and the constants they read."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.constants = {one.name: one for one in self.graph.initializer}
        self.constants |= {
            node.output[0]: stated(node.attribute[0])
            for node in self.graph.node
            if node.op_type == "Constant"
        }
        self.nodes = {
            key(node): node for node in self.graph.node if node.op_type != "Constant"
        }
        self.owner = {
            name: given for given, node in self.nodes.items() for name in node.output
        }

    @cached_property
    def readers(self) -> Mapping[str, tuple[str, ...]]:
        """What each tensor is read by, readers by what they give."""
        found: dict[str, list[str]] = {}
        for given, node in self.nodes.items():
            for name in reads(node):
                found.setdefault(name, []).append(given)
        return {name: tuple(givens) for name, givens in found.items()}

    def dynamic(self, given: str) -> tuple[str, ...]:
        """Return the tensors a node reads that are no constants."""
        node = self.nodes[given]
        return tuple(name for name in node.input if name and name not in self.constants)

    def absorbed(self, given: str) -> bool:
        """Return whether a node serves another one."""
        node = self.nodes[given]
        if node.op_type in AFFINE:
            return len(self.dynamic(given)) == 1
        return node.op_type in ABSORBED | ACTIVATIONS

    def region(self, given: str) -> frozenset[str]:
        """Return the macro region of a node: what serves it, and what it serves.

        Arithmetic on constants belongs to the operators that read its result; who reads
        but a size is no reader of values.
        """
        if given in self.static:
            served = frozenset().union(*(self.region(one) for one in self.after(given)))
            own = frozenset({given})
            return own | served if len(served) <= MOST_SERVED else own
        inside = {given}
        for step in (self._above, self._below):
            place = step(given)
            while place is not None and place not in inside:
                inside.add(place)
                place = step(place)
        return frozenset(inside)

    @cached_property
    def static(self) -> frozenset[str]:
        """Nodes that compute from constants and sizes, as exporters lay weights out."""
        found: set[str] = set()
        for given in self.nodes:
            owners = [self.owner.get(name) for name in self.dynamic(given)]
            sizes = self.nodes[given].op_type in {"Shape", "Size"}
            if sizes or all(owner in found for owner in owners):
                found.add(given)
        return frozenset(found)

    def after(self, given: str) -> tuple[str, ...]:
        """Return the nodes that read what a node gives."""
        outputs = self.nodes[given].output
        return tuple(one for name in outputs for one in self.readers.get(name, ()))

    def _above(self, given: str) -> str | None:
        before = [self.owner[name] for name in self.dynamic(given) if name in self.owner]
        if len(before) != 1:
            return None
        serving = self.absorbed(given) or self.absorbed(before[0])
        return before[0] if serving else None

    def _below(self, given: str) -> str | None:
        after = [one for one in self.after(given) if one not in self.static]
        if len(after) != 1:
            return None
        serving = self.absorbed(given) or self.absorbed(after[0])
        return after[0] if serving else None


def stated(attribute: onnx.AttributeProto) -> onnx.TensorProto:
    """Return what a Constant node holds, in whichever of its attributes."""
    value = helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return value
    return numpy_helper.from_array(np.asarray(value))


def key(node: onnx.NodeProto) -> str:
    """Return the first tensor a node gives: its identity through any renaming of nodes."""
    return next((name for name in node.output if name), node.name)


def reads(node: onnx.NodeProto) -> tuple[str, ...]:
    """Return what a node reads, its branches and bodies included."""
    inner = [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    below = [name for graph in inner for each in graph.node for name in reads(each)]
    return (*(name for name in node.input if name), *below)


def sites(before: onnx.ModelProto, after: onnx.ModelProto) -> tuple[Site, ...]:
    """Return where a model was changed, a site for each place, as the new one calls it."""
    old, new = Wiring(before), Wiring(after)
    removed = [given for given in old.nodes if given not in new.nodes]
    added = [given for given in new.nodes if given not in old.nodes]
    edges = [_removed(old, new, given) for given in removed]
    edges += [_added(new, given) for given in added]
    moved = {name for given in removed for name in old.nodes[given].output}
    moved |= {name for given in added for name in new.nodes[given].output}
    changed = [given for given in new.nodes if _changed(old, new, given, moved)]
    found = [*edges, *(_node(new, given) for given in changed)]
    if not found and before.graph != after.graph:
        ends = {value.name for value in (*after.graph.input, *after.graph.output)}
        lost = {value.name for value in before.graph.output} - ends
        givers = [new.owner[name] for name in lost if name in new.owner]
        made_of = {name for given in givers for name in new.nodes[given].input}
        return (Site(frozenset(), frozenset(ends | lost | made_of), "interface"),)
    return tuple(found)


def merged(several: Iterable[Site]) -> Site:
    """Return one site that stands for all: one fault at a constant that several read."""
    many = tuple(several)
    return Site(
        guilty=frozenset().union(*(site.guilty for site in many)),
        region=frozenset().union(*(site.region for site in many)),
        kind=many[0].kind,
    )


def _node(new: Wiring, given: str) -> Site:
    below = inner(new.nodes[given])
    names = {name for node in below for name in (*node.output, node.name) if name}
    return Site(frozenset({given}), new.region(given) | names, "node")


def _removed(old: Wiring, new: Wiring, given: str) -> Site:
    held = [name for name in old.dynamic(given) if name in new.owner or name in old.owner]
    after = old.after(given)
    ends = {*held, *(one for one in after if one in new.nodes)}
    near = {new.owner[name] for name in held if name in new.owner} | (ends & set(new.nodes))
    around = frozenset().union(*(new.region(one) for one in near))
    return Site(frozenset(ends), frozenset({*ends, given}) | around, "edge")


def _added(new: Wiring, given: str) -> Site:
    after = new.after(given)
    ends = {*new.dynamic(given), *after}
    return Site(frozenset({given}), frozenset(ends) | new.region(given), "edge")


def _changed(old: Wiring, new: Wiring, given: str, moved: Collection[str]) -> bool:
    if given not in old.nodes:
        return False
    one, other = old.nodes[given], new.nodes[given]
    if one.op_type != other.op_type or settings(one) != settings(other):
        return True
    if len(one.input) != len(other.input):
        return True
    if any(_slot(old, new, name, name, moved) for name in _captured(other)):
        return True
    slots = zip(one.input, other.input, strict=True)
    return any(_slot(old, new, mine, theirs, moved) for mine, theirs in slots)


def _captured(node: onnx.NodeProto) -> tuple[str, ...]:
    """Return what only the branches or the body of a node read."""
    return reads(node)[len([name for name in node.input if name]) :]


def inner(node: onnx.NodeProto) -> tuple[onnx.NodeProto, ...]:
    """Return every node of a node's branches or body."""
    graphs = [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    own = [each for graph in graphs for each in graph.node]
    return (*own, *(each for node in own for each in inner(node)))


def _slot(old: Wiring, new: Wiring, mine: str, theirs: str, moved: Collection[str]) -> bool:
    if mine in old.constants and theirs in new.constants:
        left, right = old.constants[mine], new.constants[theirs]
        return left is not right and not np.array_equal(
            numpy_helper.to_array(left), numpy_helper.to_array(right), equal_nan=False
        )
    return mine != theirs and mine not in moved and theirs not in moved


def settings(node: onnx.NodeProto) -> dict[str, bytes]:
    """Return a node's attributes, each as bytes."""
    return {one.name: one.SerializeToString() for one in node.attribute}


def hit(
    nodes: Collection[str], tensors: Collection[str], site: Site, after: onnx.ModelProto
) -> str:
    """Return how well a finding names a site: ``exact``, ``region``, ``wide`` or ``miss``.

    Args:
        nodes: Nodes the finding names.
        tensors: Tensors it names; they count where it names no node.
        site: The fault.
        after: The model that has it.
    """
    wiring = Wiring(after)
    called = {node.name or key(node): key(node) for node in after.graph.node}
    from_nodes = {called.get(name, name) for name in nodes}
    from_tensors = {wiring.owner.get(name, name) for name in tensors}
    named = from_nodes or from_tensors
    if site.kind == "edge":
        named = named if named & site.region else from_tensors
    if not named:
        return "miss"
    if named <= site.guilty:
        return "exact"
    if named <= site.region:
        return "region"
    return "wide" if named & site.guilty and len(named) <= NEAR else "miss"
