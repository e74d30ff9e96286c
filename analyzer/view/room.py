"""What a model offers to the nodes that are opened in it: opset, functions, names."""

from collections import Counter
from dataclasses import dataclass

import onnx

from analyzer.core.graph import as_node, node_name, opsets
from analyzer.view.calls import Functions, body_of, every_node, functions_of, made, renamed
from analyzer.view.counted import Constants
from analyzer.view.fused import FUSED, Tensors, declared, parts
from analyzer.view.fused.steps import INNER, Steps
from analyzer.view.turns import CONTROL, written_out

WITHIN = "/"
"""Joins the name of a node and that of a part of it, as exporters join scopes."""


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
        also: Types of operators of ONNX's own that are opened too.
    """

    model: onnx.ModelProto
    opset: int
    functions: Functions
    tensors: Tensors
    shared: frozenset[str]
    taken: set[str]
    also: frozenset[str] = frozenset()

    def base(self, node: onnx.NodeProto) -> str:
        """Return what the inner names of a node begin with."""
        name = node_name(node)
        return next(one for one in node.output if one) if name in self.shared else name

    def parts(
        self, node: onnx.NodeProto, tensors: Tensors, beside: Steps = ()
    ) -> Steps | None:
        """Return the nodes that a node stands for; None where it stands for itself.

        Args:
            node: The node, as it stands in the file.
            tensors: What is known of the tensors it reads.
            beside: What it stands among, if a node of the file was opened into that.
        """
        if node.op_type in CONTROL & self.also and not node.domain:
            return written_out(node, Constants(self.model, beside), self.opset, tensors)
        fused = as_node(node, {}, {"": self.opset})
        body = body_of(node, self.functions, self.model)
        return body or parts(fused, self.opset, tensors, self.also)


def room_of(model: onnx.ModelProto, also: frozenset[str] = frozenset()) -> Room:
    """Return what a model offers to what is opened in it.

    Args:
        model: The model.
        also: Types of operators of ONNX's own that are opened too.
    """
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
        also,
    )


def may_open(node: onnx.NodeProto, room: Room) -> bool:
    """Return whether a node is of a kind that is opened, and so may have parts."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    key = domain, node.op_type
    if not domain and node.op_type in room.also:
        return True
    return key in FUSED or (node.domain, node.op_type) in room.functions


def named(steps: Steps, base: str, taken: set[str]) -> Steps:
    """Return parts under names that no one else has, inner tensors too.

    Args:
        steps: The parts.
        base: What inner names begin with.
        taken: Names in use; the new ones are added.
    """
    inside = dict.fromkeys(name for name in made(steps) if name.startswith(INNER))
    names = {one: _fresh(base + WITHIN + one.removeprefix(INNER), taken) for one in inside}
    result = tuple(renamed(one, names) for one in steps)
    for one in result:
        one.name = _fresh(base + WITHIN + (one.name or one.op_type), taken)
    return result


def _fresh(suggestion: str, taken: set[str]) -> str:
    """Return a name nobody uses yet, and count it as taken from now on."""
    name, count = suggestion, 1
    while name in taken:
        count += 1
        name = f"{suggestion}_{count}"
    taken.add(name)
    return name
