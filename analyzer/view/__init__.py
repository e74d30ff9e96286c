"""The macro graph over a pivot: a view, never a rewrite."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from analyzer.core.collector import uncollected
from analyzer.core.errors import RunError
from analyzer.core.graph import constants, node_reads
from analyzer.core.types import Feeds, Node
from analyzer.runtime.region import run_region
from analyzer.view.absorb import CHANNELS_FIRST_OPS, ELEMENTWISE_OPS, SAME_VALUES_OPS
from analyzer.view.classes import (
    Step,
    Steps,
    rounded_tensors,
    static_names,
    steps_of,
    waves,
    without_type_casts,
)
from analyzer.view.groups import INPUT, Operator, grouped
from analyzer.view.halves import are_mostly_half
from analyzer.view.sizes import with_fixed_sizes

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["INPUT", "Operator", "View", "view_of"]


@dataclass(frozen=True, eq=False)
class View:
    """A pivot as macro operators joined by tensors.

    Attributes:
        nodes: The original nodes that depend on the model's inputs, in topological order.
        operators: The macro nodes, in topological order.
        dynamic: Tensors whose values depend on the model's inputs.
        inputs: The model's inputs.
        outputs: The model's outputs.
        rounded: Constants that stand on an integer grid.
        still: The nodes that depend on constants and shapes alone, in topological order.
    """

    nodes: tuple[Node, ...]
    operators: tuple[Operator, ...]
    dynamic: frozenset[str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    rounded: frozenset[str]
    still: tuple[Node, ...] = ()

    @cached_property
    def giver(self) -> Mapping[str, Node]:
        """The node that gives each dynamic tensor."""
        return {name: node for node in self.nodes for name in node.outputs if name}

    @cached_property
    def is_halved(self) -> bool:
        """Whether most weights are numbers of half precision, in float32."""
        return are_mostly_half(self.nodes)

    @cached_property
    def owner(self) -> Mapping[str, Operator]:
        """The operator each dynamic tensor lies in."""
        return {name: op for op in self.operators for name in op.tensors}

    @cached_property
    def root(self) -> Mapping[str, str]:
        """The tensor each dynamic tensor is only another layout of; itself if of none."""
        roots = {name: name for name in self.inputs}
        for node in self.nodes:
            same = node.op in SAME_VALUES_OPS and node.inputs[0] in roots
            root = roots[node.inputs[0]] if same else ""
            roots |= {name: root or name for name in node.outputs if name}
        return roots

    @cached_property
    def channels_first(self) -> frozenset[str]:
        """The tensors whose axes ONNX itself defines: batch, channels, space."""
        known: set[str] = set()
        for node in self.nodes:
            moving = [name for name in node.inputs if name in self.dynamic]
            kept = node.op in ELEMENTWISE_OPS and moving and known.issuperset(moving)
            if node.op in CHANNELS_FIRST_OPS or kept:
                known.update(name for name in node.outputs if name)
        return frozenset(known)

    @cached_property
    def order(self) -> Mapping[str, int]:
        """The place of each dynamic tensor in topological order."""
        names = (
            *self.inputs,
            *(name for node in self.nodes for name in node.outputs if name),
        )
        return {name: place for place, name in enumerate(names)}

    @cached_property
    def readers(self) -> Mapping[str, tuple[Node, ...]]:
        """The nodes that read each dynamic tensor."""
        found: dict[str, list[Node]] = {name: [] for name in self.dynamic}
        for node in self.nodes:
            for name in dict.fromkeys(node_reads(node)):
                if name in found:
                    found[name].append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    @cached_property
    def weighted(self) -> Sequence[Operator]:
        """The operators that have constants."""
        return [op for op in self.operators if any(node.constants for node in op.nodes)]

    @cached_property
    def before(self) -> Sequence[tuple[int, ...]]:
        """The operators that each operator reads from, by index, tensor by tensor."""
        owner = self.owner
        return [
            tuple([owner[name].index for name in op.inputs if name in owner])
            for op in self.operators
        ]

    @cached_property
    def after(self) -> Sequence[tuple[int, ...]]:
        """The operators that read from each operator, by index, each once."""
        found: list[list[int]] = [[] for _ in self.operators]
        for reader, givers in enumerate(self.before):
            for giver in dict.fromkeys(givers):
                found[giver].append(reader)
        return [tuple(readers) for readers in found]

    @cached_property
    def edges(self) -> frozenset[tuple[int, int]]:
        """The operators of which one reads what the other gives, by index, giver first."""
        pairs = (zip(givers, repeat(reader)) for reader, givers in enumerate(self.before))
        return frozenset(chain.from_iterable(pairs))

    @cached_property
    def graph(self) -> "nx.DiGraph[int]":
        """The operators by index, with an edge where one reads what the other gives.

        A graph to look at: what is asked of every operator is asked of `before`, `after`
        and `edges`, which take a tenth of the time to build.
        """
        import networkx as nx

        graph: nx.DiGraph[int] = nx.DiGraph()
        graph.add_nodes_from((op.index, {"op": op.op}) for op in self.operators)
        graph.add_edges_from(self.edges)
        return graph


def view_of(model: onnx.ModelProto, folder: Path) -> View:
    """Return the macro graph over a pivot's proto.

    Args:
        model: The proto; its weights may be external references.
        folder: The folder external weights are relative to.
    """
    with uncollected():
        values = constants(model, folder)
        sparse = (tensor.values.name for tensor in model.graph.sparse_initializer)
        weights = {tensor.name for tensor in model.graph.initializer}
        inputs = tuple(v.name for v in model.graph.input if v.name not in weights)
        outputs = tuple(value.name for value in model.graph.output)
        steps = steps_of(model, values)
        flowing, dynamic = waves(inputs, steps, {*values, *sparse})
        if len(flowing) < len(steps):
            static = _static_values(model, folder, values, steps, dynamic)
            steps = tuple(_known(step, static) for step in steps)
            flowing = tuple(_known(step, static) for step in flowing)
        operators = grouped(flowing, dynamic, inputs, frozenset(outputs))
        rounded = rounded_tensors(steps, dynamic)
    nodes = tuple(step.node for step in flowing)
    still = tuple(step.node for step in steps if dynamic.isdisjoint(step.node.outputs))
    return View(nodes, operators, dynamic, inputs, outputs, rounded, still)


def _known(step: Step, static: Feeds) -> Step:
    """Return a step whose node has the constants that the file computes for it."""
    node = step.node
    if static.keys().isdisjoint(step.reads):
        return step
    found = {k: static[name] for k, name in enumerate(node.inputs) if name in static}
    around = {name: static[name] for name in step.reads if name in static}
    held = {**node.held, **around} if len(step.reads) > len(node.inputs) else node.held
    constants = {**node.constants, **found}
    return step._replace(node=replace(node, constants=constants, held=held))


def _static_values(
    model: onnx.ModelProto,
    folder: Path,
    values: Feeds,
    steps: Steps,
    dynamic: frozenset[str],
) -> Feeds:
    """Return the constants that the file computes; none where their arithmetic fails."""
    sized = with_fixed_sizes(model, dynamic)
    if sized is not model:
        values = constants(sized, folder)
        steps = steps_of(sized, values)
    names = static_names(steps, values)
    if not names:
        return {}
    try:
        return run_region(without_type_casts(sized), folder, {}, names)
    except RunError:  # the run that follows meets the same node, and names it
        return {}
