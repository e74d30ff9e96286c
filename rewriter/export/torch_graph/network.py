"""A graph as a torch module that computes it node by node."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import onnx
import torch
from onnx import AttributeProto

from rewriter.export.torch_graph.call import Call, Held, Value
from rewriter.export.torch_graph.functions import definition
from rewriter.export.torch_graph.graph import (
    constants,
    held,
    key,
    narrow_kinds,
    sorted_nodes,
    versions,
)
from rewriter.export.torch_graph.known import casts, reckoned
from rewriter.export.torch_graph.table import table
from rewriter.export.torch_graph.weights import STATISTICS, Weights

RANDOM = frozenset({
    "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
    "RandomUniformLike",
})  # fmt: skip
"""What gives another value each time it is asked, and is never computed beforehand."""

Scope = dict[str, Value]
Opsets = Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A graph, ready to be walked.

    Attributes:
        inputs: Names of what it is given.
        outputs: Names of what it gives.
        constants: What it holds, and what could be computed of that beforehand.
        steps: Its other nodes.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: Scope
    steps: "tuple[Step, ...]"


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A node with the graphs among its attributes."""

    node: onnx.NodeProto
    bodies: Mapping[str, Body]


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Computes graphs, the inner ones with what the outer ones have.

    Attributes:
        opsets: Version of each operator set, by domain.
        weights: Gives a constant as a tensor.
        kinds: Element types that torch's dtypes do not tell, by tensor name.
    """

    opsets: Opsets
    weights: Weights
    kinds: Mapping[str, int]

    def through(self, body: Body, given: Sequence[Value], around: Scope) -> list[Value]:
        """Return what a graph gives.

        Args:
            body: The graph.
            given: A value per input.
            around: What it may read besides.
        """
        values = around | body.constants | dict(zip(body.inputs, given, strict=False))
        for step in body.steps:
            values |= self.results(step, values)
        return [values.get(name) for name in body.outputs]

    def results(self, step: Step, scope: Scope) -> Scope:
        """Return what one node gives, by tensor name."""
        node = step.node
        call = Call(
            node,
            tuple(scope[name] if name else None for name in node.input),
            self.opsets.get(node.domain, 1),
            self.weights,
            self.kinds,
            {
                name: partial(self.through, body, around=scope)
                for name, body in step.bodies.items()
            },
        )
        try:
            found = reckoned(call) or self._computed(call)
        except Exception as surprise:
            if not hasattr(surprise, "__notes__"):  # the innermost node tells the most
                surprise.add_note(
                    f"{node.op_type} {node.name or next(iter(node.output), '')}"
                )
            raise
        return {name: one for name, one in zip(node.output, found, strict=False) if name}

    def _computed(self, call: Call) -> tuple[Value, ...]:
        given = table().get(key(call.node), self._defined)(call)
        return given if isinstance(given, tuple) else (given,)

    def _defined(self, call: Call) -> tuple[Value, ...]:
        """Return what the operators give that ONNX defines a node by."""
        slots = range(len(call.inputs))
        meant = definition(call.node, call.opset, [call.maybe(slot) for slot in slots])
        opsets = versions(meant.opset_import)
        inner = Walk(dict(self.opsets) | opsets, self.weights, {})
        names = tuple(meant.input)
        body = Body(names, tuple(meant.output), {}, tuple(steps(meant.node, inner, {})))
        given = [*call.inputs, *[None] * (len(names) - len(call.inputs))]
        return tuple(inner.through(body, given, {}))


def body_of(graph: onnx.GraphProto, walk: Walk, around: Scope) -> Body:
    """Return a graph ready to be walked.

    Args:
        graph: It, or one among the attributes of its nodes.
        walk: Computes what can be computed beforehand.
        around: The constants outside of it.
    """
    own = dict(constants(graph))
    found = tuple(steps(sorted_nodes(graph.node), walk, around | own, own))
    names = tuple(one.name for one in graph.input if one.name not in own)
    return Body(names, tuple(one.name for one in graph.output), own, found)


def steps(
    nodes: Iterable[onnx.NodeProto], walk: Walk, known: Scope, kept: Scope | None = None
) -> Iterator[Step]:
    """Yield the nodes that no constant stands for.

    Args:
        nodes: In an order in which each follows what it reads.
        walk: Computes the constants.
        known: The constants there are; what is computed is added.
        kept: Likewise; None where nothing may be computed beforehand.
    """
    for node in nodes:
        graphs = (one for one in node.attribute if one.type == AttributeProto.GRAPH)
        bodies = {one.name: body_of(one.g, walk, known) for one in graphs}
        step = Step(node, bodies)
        if kept is None or not _folds(step, [known.get(n) for n in node.input if n]):
            yield step
            continue
        alone = replace(walk, weights=Weights(torch.nn.Module(), frozenset()))
        with torch.no_grad():
            found = alone.results(step, known)
        found = {name: held(name, one) for name, one in found.items()}
        kept |= found
        known |= found


def _folds(step: Step, read: Sequence[Value]) -> bool:
    if None in read or step.node.op_type in RANDOM or step.bodies:
        return False
    sized = step.node.op_type in {"Shape", "Size"} or casts(step.node, read)
    return sized or not any(isinstance(one, Held) and one.weight for one in read)


class Network(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
    """A torch module that computes a graph.

    Args:
        model: All its operators are in the table, or defined by such.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        super().__init__()
        statistics = frozenset(
            node.input[slot]
            for node in model.graph.node
            if node.op_type == "BatchNormalization"
            for slot in STATISTICS
        )
        weights = Weights(self, statistics)
        self._walk = Walk(versions(model.opset_import), weights, narrow_kinds(model.graph))
        self._body = body_of(model.graph, self._walk, {})
        self.names_in = self._body.inputs

    @property
    def weights(self) -> Weights:
        """The constants that it computes with."""
        return self._walk.weights

    def forward(self, *given: Any) -> tuple[Any, ...]:
        """Return the outputs of the graph, in its order.

        Args:
            given: Its inputs, in its order; of its dtypes and shapes.
        """
        found = self._walk.through(self._body, given, {})
        names = self._body.outputs
        return tuple(self._told(*one) for one in zip(names, found, strict=True))

    def _told(self, name: str, value: Value) -> Any:
        value = held(name, value) if isinstance(value, np.ndarray) else value
        return self._walk.weights(value).clone() if isinstance(value, Held) else value
