"""Fused operators and local functions opened up, so that faults inside them have a name.

The user's own file keeps them: only what is analysed is opened, and whatever is said of it
is said of the node that stands in the file.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import onnx

from analyzer.core.graph import node_name, opsets
from analyzer.view.calls import every_node, subgraphs
from analyzer.view.fused import SPELLED, Tensors, declared
from analyzer.view.fused.inferred import inferred, merged
from analyzer.view.fused.products import SPLIT, apart, split_products
from analyzer.view.fused.steps import Steps
from analyzer.view.room import Room, may_open, named, room_of
from analyzer.view.turns import CONTROL, Within, handed_down, within

RECURRENT = frozenset({"GRU", "LSTM", "RNN"})
"""Operators that hold all turns in one node."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Where a node of the opened model comes from.

    Attributes:
        outer: The node of the user's file that it is a part of.
        place: Its place among that node's parts; -1: it is a part of one of those.
    """

    outer: onnx.NodeProto
    place: int


@dataclass(frozen=True, eq=False)
class Opened:
    """A model whose fused operators and function calls are replaced by their parts.

    Attributes:
        model: The opened copy; the very same model where there is nothing to open.
        parts: Where each node comes from that only the copy has, by its name.
        tensors: By each tensor that only the copy has: the one that the user's node gives.
        room: Opens a node as it was opened, or one like it.
    """

    model: onnx.ModelProto
    parts: Mapping[str, Part]
    tensors: Mapping[str, str]
    room: Room

    @cached_property
    def inside(self) -> Mapping[str, Within]:
        """The node of a body that each written-out node is, by its name."""
        named = ((node_name(one), one) for one in self.model.graph.node if self.parts)
        found = ((name, within(one)) for name, one in named if name in self.parts)
        return {name: one for name, one in found if one is not None}

    @cached_property
    def _held(self) -> Mapping[str, str]:
        """The tensor of a body that each written-out tensor is."""
        known = self.inside
        return {
            name: held
            for node in self.model.graph.node
            if node_name(node) in known
            for name, held in zip(node.output, known[node_name(node)].outputs, strict=True)
            if name in self.tensors
        }

    def node(self, name: str) -> str:
        """Return the name of the node of the user's file that a node stands in."""
        part = self.parts.get(name)
        return name if part is None else node_name(part.outer)

    def called(self, name: str) -> str:
        """Return what a node is called: a function's keep the call and their own name.

        A written-out one goes by the name it has in its body.
        """
        if name in self.inside:
            return self.inside[name].node
        part = self.parts.get(name)
        own = part is not None and (part.outer.domain, part.outer.op_type)
        return name if own in self.room.functions else self.node(name)

    def result(self, name: str) -> str:
        """Return the tensor that a node of the user's file gives, if it was opened."""
        outer = (part.outer for part in self.parts.values())
        named = (node for node in outer if node_name(node) == name)
        return next((one for node in named for one in node.output if one), name)

    def tensor(self, name: str) -> str:
        """Return the tensor of the user's file that a tensor belongs to."""
        return self.tensors.get(name, name)

    def held(self, name: str) -> str:
        """Return the tensor of the user's file, or of a body in it, that a tensor is."""
        return self._held.get(name) or self.tensor(name)


def opened(
    model: onnx.ModelProto,
    only: Collection[str] | None = None,
    *,
    also: frozenset[str] = frozenset(),
) -> Opened:
    """Return a model with its fused operators and function calls opened.

    The tensors between them keep their names; names inside are the same in every run, and
    whatever else is opened.

    Args:
        model: The user's model, which stays as it is.
        only: First outputs of the nodes to open; None: all of them.
        also: Types of `SPELLED` operators that are opened too.
    """
    room = room_of(model, also)
    if not any(
        may_open(node, room) or node.op_type in also
        for node in every_node(model.graph.node)
    ):
        return Opened(model, {}, {}, room)
    opening = _Opening(room, only)
    nodes = opening.graph(model.graph.node, room.tensors) or tuple(model.graph.node)
    left = [node.output[0] for node in nodes if may_open(node, room) and any(node.output)]
    if left:
        tensors = merged(room.tensors, inferred(model, nodes, left))
        room = replace(room_of(model, also), tensors=tensors)
        opening = _Opening(room, only)
        nodes = opening.graph(model.graph.node, room.tensors) or nodes
    if SPLIT in also:
        nodes = opening.apart(model.graph, nodes)
    if not opening.parts:
        return Opened(model, {}, {}, room)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    called = {(node.domain, node.op_type) for node in every_node(nodes)}
    if not called & room.functions.keys():
        del copy.functions[:]
    _import_domains(copy, model)
    return Opened(copy, opening.parts, opening.tensors, room)


def opened_alike(
    source: onnx.ModelProto, target: onnx.ModelProto, *, bodies: bool = True
) -> tuple[Opened, Opened]:
    """Return two models, opened, and operators spelled out that the other has none of.

    Args:
        source: One model.
        target: The other.
        bodies: Whether loops and branches are written out too.
    """
    both = [_operators(opened(model).model) for model in (source, target)]
    spelled = SPELLED.keys()
    wanted = [
        frozenset(spelled & (one - other))
        | (_bodies(one, other) if bodies else frozenset())
        for one, other in (both, both[::-1])
    ]
    sides = [opened(m, also=ops) for m, ops in zip((source, target), wanted, strict=True)]
    apart = _split_products(sides[0]) != _split_products(sides[1])
    if apart and len({_splits(one) for one in sides}) > 1:
        sides = [
            opened(model, also=ops | {SPLIT})
            for model, ops in zip((source, target), wanted, strict=True)
        ]
    return sides[0], sides[1]


def _bodies(own: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """Return the control-flow operators to write out: those that the other spells so.

    Where the other has a recurrent operator instead, that is no nearer to one turn.
    """
    return frozenset() if RECURRENT & (other - own) else CONTROL & (own - other)


def _split_products(side: Opened) -> Counter[tuple[str, bool]]:
    """Return how often products are split again, by how they are spelled."""
    graph = side.model.graph
    found = split_products(graph, graph.node, side.room.tensors)
    return Counter((one.product.op_type, one.added is not None) for one in found)


def _splits(side: Opened) -> int:
    """Return how often a model splits anything, a convolution's channels included."""
    return sum(node.op_type == "Split" for node in side.model.graph.node)


def _operators(model: onnx.ModelProto) -> frozenset[str]:
    """Return the types of ONNX's own operators that a model or a function of it has."""
    bodies = (model.graph.node, *(function.node for function in model.functions))
    return frozenset(
        node.op_type
        for body in bodies
        for node in every_node(body)
        if node.domain in {"", "ai.onnx"}
    )


def _import_domains(copy: onnx.ModelProto, model: onnx.ModelProto) -> None:
    """Declare on our own copy the domains that only functions imported so far."""
    known = set(opsets(copy))
    for one in (each for function in model.functions for each in function.opset_import):
        if one.domain not in {*known, "ai.onnx"}:
            copy.opset_import.append(one)
            known.add(one.domain)


@dataclass(frozen=True, slots=True, eq=False)
class _Opening:
    """What has been opened so far, filled as it goes on."""

    room: Room
    only: Collection[str] | None
    parts: dict[str, Part] = field(default_factory=dict)
    tensors: dict[str, str] = field(default_factory=dict)

    def graph(
        self, nodes: Sequence[onnx.NodeProto], tensors: Tensors
    ) -> tuple[onnx.NodeProto, ...] | None:
        """Return the nodes of a graph, opened; None where all stay as they are."""
        results = [self._node(node, tensors) for node in nodes]
        if all(one is None for one in results):
            return None
        pairs = zip(nodes, results, strict=True)
        return tuple(part for node, one in pairs for part in (one or (node,)))

    def _node(
        self,
        node: onnx.NodeProto,
        tensors: Tensors,
        outer: onnx.NodeProto | None = None,
        beside: Steps = (),
    ) -> Steps | None:
        """Return what a node is replaced by; None where it stays as it is."""
        unasked = self.only is not None and not {*node.output} & {*self.only}
        asked = may_open(node, self.room) and (outer is not None or not unasked)
        steps = self.room.parts(node, tensors, beside) if asked else None
        if steps is None:
            return self._with_subgraphs(node, tensors)
        base = self.room.base(node)
        is_call = (node.domain, node.op_type) in self.room.functions
        steps = named(steps, base, self.room.taken)
        steps = handed_down(node, steps, base, is_call=is_call)
        self._note(steps, node, outer)
        further = partial(self._node, tensors=tensors, outer=outer or node, beside=steps)
        return tuple(part for one in steps for part in (further(one) or (one,)))

    def _note(
        self, steps: Steps, node: onnx.NodeProto, outer: onnx.NodeProto | None
    ) -> None:
        """Write down where parts come from."""
        ends = {*node.input, *node.output}
        result = next(name for name in (outer or node).output if name)
        for place, one in enumerate(steps):
            self.parts[node_name(one)] = Part(outer or node, -1 if outer else place)
            made = (name for name in one.output if name and name not in ends)
            self.tensors.update(dict.fromkeys(made, result))

    def apart(
        self, graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto]
    ) -> tuple[onnx.NodeProto, ...]:
        """Return a graph's nodes, products that are only split again written apart."""
        result = list(nodes)
        for one in split_products(graph, nodes, self.room.tensors):
            outer = [self.parts[node_name(n)].outer if node_name(n) in self.parts else n
                     for n in one.nodes]  # fmt: skip
            reached = {name for node in outer for name in node.output}
            if self.only is not None and not reached & {*self.only}:
                continue
            owners, steps = zip(*apart(one), strict=True)
            made = named(steps, self.room.base(one.product), self.room.taken)
            holders = dict(zip(map(id, one.nodes), outer, strict=True))
            for owner, part in zip(owners, made, strict=True):
                self._note((part,), owner, holders[id(owner)])
            place = next(k for k, node in enumerate(result) if node is one.split)
            result[place : place + 1] = made
            gone = {id(node) for node in one.nodes}
            result = [node for node in result if id(node) not in gone]
        return tuple(result)

    def _with_subgraphs(self, node: onnx.NodeProto, tensors: Tensors) -> Steps | None:
        """Return a node with its subgraphs opened; None where they stay as they are."""
        found = [
            self.graph(graph.node, {**tensors, **declared(graph)})
            for graph in subgraphs(node)
        ]
        if all(one is None for one in found):
            return None
        result = onnx.NodeProto()
        result.CopyFrom(node)
        for graph, nodes in zip(subgraphs(result), found, strict=True):
            if nodes is not None:
                del graph.node[:]
                graph.node.extend(nodes)
        return (result,)
