"""onnx-graphsurgeon's graph as the edits see it: nodes and tensors tied both ways."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import onnx

from analyzer.core.errors import RepairError
from analyzer.core.types import Array, AttributeValue
from rewriter.names import fresh


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """An attribute value that an edit set, marked as such; None: the attribute is to go."""

    value: AttributeValue | None


class GsTensor(Protocol):
    """A tensor: a change of a node's lists shows in its lists at once."""

    name: str
    inputs: list["GsNode"]
    outputs: list["GsNode"]
    values: Array


class GsNode(Protocol):
    """An operator; its attributes are subgraphs, and what edits set."""

    op: str
    name: str
    attrs: dict[str, object]
    inputs: list[GsTensor]
    outputs: list[GsTensor]


class GsGraph(Protocol):
    """A graph; its node list is edited in place."""

    nodes: list[GsNode]
    inputs: list[GsTensor]
    outputs: list[GsTensor]


class Maker(Protocol):
    """What makes graphsurgeon's parts, so that one module alone imports it."""

    def variable(self, name: str) -> GsTensor:
        """Return a tensor without a value; an empty name stands for an absent one."""
        ...

    def constant(self, name: str, value: Array) -> GsTensor:
        """Return a tensor with a value, of any shape and dtype."""
        ...

    def node(self, op: str, name: str) -> GsNode:
        """Return an operator that reads and gives nothing yet."""
        ...

    def is_constant(self, tensor: GsTensor) -> bool:
        """Return whether a tensor is an initializer."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Theatre:
    """What edits operate on, changed in place until it is carried back.

    Attributes:
        make: Makes new parts.
        graph: The main graph.
        ir_version: Of the user's model.
        nodes: Nodes by the name they went by before the first edit.
        tensors: Tensors of the main graph by name.
        origin: The proto behind each node, by ``id``.
        pinned: Tensors whose names must stay.
        taken: Names in use.
        produced: By original tensor: the tensor that now holds what its producer gives.
        read: By original tensor: the tensor that its readers read now.
        dangling: Tensors that nobody gave before the first edit.
    """

    make: Maker
    graph: GsGraph
    ir_version: int
    nodes: dict[str, GsNode]
    tensors: dict[str, GsTensor]
    origin: dict[int, onnx.NodeProto]
    pinned: frozenset[str]
    taken: set[str]
    produced: dict[str, str]
    read: dict[str, str]
    dangling: frozenset[str]


def node_of(theatre: Theatre, name: str) -> GsNode:
    """Return a node by name.

    Args:
        theatre: The graph.
        name: The node's name, or its first output where it has none.

    Raises:
        RepairError: No node, or more than one, has that name.
    """
    node = theatre.nodes.get(name)
    if node is None or not any(node is other for other in theatre.graph.nodes):
        raise RepairError(
            f"the model has no single node named {name}",
            hint="repair the target that was analysed, unchanged since",
        )
    return node


def tensor_of(theatre: Theatre, name: str) -> GsTensor:
    """Return the tensor that holds what went by this name before the first edit.

    Args:
        theatre: The graph.
        name: Original tensor name.

    Raises:
        RepairError: There is no such tensor.
    """
    tensor = theatre.tensors.get(theatre.produced.get(name, name))
    if tensor is not None and name not in theatre.dangling and _is_gone(theatre, tensor):
        tensor = theatre.tensors.get(theatre.read.get(name, ""))
    if tensor is None:
        raise RepairError(
            f"the model has no tensor named {name}",
            hint="repair the target that was analysed, unchanged since",
        )
    return tensor


def _is_gone(theatre: Theatre, tensor: GsTensor) -> bool:
    """Return whether an earlier edit removed the node that gave this tensor."""
    given = bool(tensor.inputs) or theatre.make.is_constant(tensor)
    return not given and not any(tensor is one for one in theatre.graph.inputs)


def new_tensor(theatre: Theatre, suggestion: str) -> GsTensor:
    """Return a new tensor under a fresh name.

    Args:
        theatre: The graph.
        suggestion: What to call it where that is free.
    """
    tensor = theatre.make.variable(fresh(suggestion, theatre.taken))
    theatre.tensors[tensor.name] = tensor
    return tensor


def put(theatre: Theatre, node: GsNode, slot: int, tensor: GsTensor) -> None:
    """Let a node's input slot read a tensor; slots before it that are missing stay absent.

    Args:
        theatre: The graph.
        node: The reader.
        slot: Which of its inputs.
        tensor: What it is to read.
    """
    while len(node.inputs) <= slot:
        node.inputs.append(theatre.make.variable(""))
    node.inputs[slot] = tensor


def readers(tensor: GsTensor) -> list[tuple[GsNode, int]]:
    """Return who reads a tensor, in subgraphs too, by node and slot."""
    nodes = {id(node): node for node in tensor.outputs}.values()
    return [
        (node, slot)
        for node in nodes
        for slot, read in enumerate(node.inputs)
        if read is tensor
    ]


def position(theatre: Theatre, node: GsNode) -> int:
    """Return where a node stands; graphsurgeon's own `index` compares nodes by content."""
    return next(i for i, other in enumerate(theatre.graph.nodes) if other is node)


def stand_before(
    theatre: Theatre, node: GsNode, takers: Iterable[GsNode], tensor: GsTensor
) -> None:
    """Place a new node: before its first reader, else behind the producer of a tensor.

    Args:
        theatre: The graph.
        node: The new node.
        takers: Its readers.
        tensor: What it reads.
    """
    known = {id(taker) for taker in takers}
    places = (i for i, other in enumerate(theatre.graph.nodes) if id(other) in known)
    last = position(theatre, tensor.inputs[0]) + 1 if tensor.inputs else 0
    theatre.graph.nodes.insert(next(places, last), node)


def give_elsewhere(tensor: GsTensor, instead: GsTensor) -> None:
    """Let the producer of one tensor give another instead.

    Args:
        tensor: What it gives.
        instead: What it is to give.
    """
    producer = tensor.inputs[0]
    slot = next(i for i, given in enumerate(producer.outputs) if given is tensor)
    producer.outputs[slot] = instead


def drop(theatre: Theatre, node: GsNode) -> None:
    """Take a node out of the graph, its wires cut.

    Args:
        theatre: The graph.
        node: What goes.
    """
    del theatre.graph.nodes[position(theatre, node)]
    node.inputs.clear()
    node.outputs.clear()


def drop_constants(theatre: Theatre, tensors: Iterable[GsTensor]) -> None:
    """Drop the Constant nodes that only a dropped node read; initializers go by themselves.

    Args:
        theatre: The graph.
        tensors: What the dropped node read.
    """
    for tensor in tensors:
        if tensor.outputs or tensor.name in theatre.pinned or not tensor.inputs:
            continue
        if tensor.inputs[0].op == "Constant":
            drop(theatre, tensor.inputs[0])
