"""Fused operators and local functions opened up, so that faults inside them have a name.

The user's own file keeps them: only what is analysed is opened, and whatever is said of it
is said of the node that stands in the file.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import onnx

from analyzer.core.graph import as_node, node_name, opsets
from analyzer.view.calls import (
    Functions,
    body_of,
    every_node,
    functions_of,
    renamed,
    subgraphs,
)
from analyzer.view.fused import FUSED, Tensors, declared, parts
from analyzer.view.fused.inferred import inferred, merged
from analyzer.view.fused.steps import INNER, Steps


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Where a node of the opened model comes from.

    Attributes:
        outer: The node of the user's file that it is a part of.
        place: Its place among that node's parts; -1: it is a part of one of those.
    """

    outer: onnx.NodeProto
    place: int


@dataclass(frozen=True, slots=True, eq=False)
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
    room: "Room"

    def node(self, name: str) -> str:
        """Return the name of the node of the user's file that a node stands in."""
        part = self.parts.get(name)
        return name if part is None else node_name(part.outer)

    def tensor(self, name: str) -> str:
        """Return the tensor of the user's file that a tensor belongs to."""
        return self.tensors.get(name, name)


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """What a model offers to what is opened in it.

    Attributes:
        model: The model.
        opset: Its default-domain opset.
        functions: Its local functions.
        tensors: What is known of its main graph's tensors.
        shared: Names that several of its nodes have.
        taken: Names of its tensors and nodes; new ones are added.
    """

    model: onnx.ModelProto
    opset: int
    functions: Functions
    tensors: Tensors
    shared: frozenset[str]
    taken: set[str]

    def base(self, node: onnx.NodeProto) -> str:
        """Return what the inner names of a node begin with."""
        name = node_name(node)
        return next(one for one in node.output if one) if name in self.shared else name

    def parts(self, node: onnx.NodeProto, tensors: Tensors) -> Steps | None:
        """Return the nodes that a node stands for; None where it stands for itself.

        Args:
            node: The node, as it stands in the file.
            tensors: What is known of the tensors it reads.
        """
        base = self.base(node)
        fused = replace(as_node(node, {}, {"": self.opset}), name=base)
        return body_of(node, base, self.functions, self.model) or parts(
            fused, self.opset, tensors
        )


def opened(model: onnx.ModelProto, only: Collection[str] | None = None) -> Opened:
    """Return a model with its fused operators and function calls opened.

    The tensors between them keep their names; names inside are the same in every run, and
    whatever else is opened.

    Args:
        model: The user's model, which stays as it is.
        only: First outputs of the nodes to open; None: all of them.
    """
    room = _room(model)
    if not any(_may_open(node, room) for node in every_node(model.graph.node)):
        return Opened(model, {}, {}, room)
    opening = _Opening(room, only)
    nodes = opening.graph(model.graph.node, room.tensors) or tuple(model.graph.node)
    left = [node.output[0] for node in nodes if _may_open(node, room) and any(node.output)]
    if left:
        tensors = merged(room.tensors, inferred(model, nodes, left))
        room = replace(_room(model), tensors=tensors)
        opening = _Opening(room, only)
        nodes = opening.graph(model.graph.node, room.tensors) or nodes
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


def _room(model: onnx.ModelProto) -> Room:
    every = tuple(every_node(model.graph.node))
    counts = Counter(node_name(node) for node in every)
    taken = {name for node in every for name in (*node.output, node_name(node))}
    taken |= {value.name for value in (*model.graph.input, *model.graph.initializer)}
    return Room(
        model,
        opsets(model).get("", 1),
        functions_of(model),
        declared(model.graph),
        frozenset(name for name, count in counts.items() if count > 1),
        taken,
    )


def _may_open(node: onnx.NodeProto, room: Room) -> bool:
    domain = "" if node.domain == "ai.onnx" else node.domain
    key = domain, node.op_type
    return key in FUSED or (node.domain, node.op_type) in room.functions


def _import_domains(copy: onnx.ModelProto, model: onnx.ModelProto) -> None:
    """Declare on our own copy the domains that only functions imported so far."""
    known = opsets(copy)
    for function in model.functions:
        for one in function.opset_import:
            if known.setdefault(one.domain, one.version) and one.domain not in opsets(copy):
                copy.opset_import.append(one)


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
        self, node: onnx.NodeProto, tensors: Tensors, outer: onnx.NodeProto | None = None
    ) -> Steps | None:
        """Return what a node is replaced by; None where it stays as it is."""
        unasked = self.only is not None and not {*node.output} & {*self.only}
        asked = _may_open(node, self.room) and (outer is not None or not unasked)
        steps = self.room.parts(node, tensors) if asked else None
        if steps is None:
            return self._with_subgraphs(node, tensors)
        steps = _named(steps, self.room.base(node), self.room.taken)
        self._note(steps, node, outer)
        further = partial(self._node, tensors=tensors, outer=outer or node)
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


def _named(steps: Steps, base: str, taken: set[str]) -> Steps:
    """Return parts that each have a name, where no one else has it."""
    outputs = {name for one in steps for name in one.output if name}
    own = sorted(name for name in outputs if name.startswith(f"{base}{INNER}"))
    names = {name: fresh(name, taken) for name in own}
    clashing = {old: new for old, new in names.items() if old != new}
    result = tuple(renamed(one, clashing) for one in steps)
    for one in result:
        one.name = fresh(f"{base}{INNER}{one.name or one.op_type}", taken)
    return result


def fresh(suggestion: str, taken: set[str]) -> str:
    """Return a name nobody uses yet, and count it as taken from now on.

    Args:
        suggestion: What to call it where that is free.
        taken: Names in use; the new one is added.
    """
    name, count = suggestion, 1
    while name in taken:
        count += 1
        name = f"{suggestion}_{count}"
    taken.add(name)
    return name
