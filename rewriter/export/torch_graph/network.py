"""A graph as a torch module that computes it node by node."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import onnx
import torch
from onnx import AttributeProto, numpy_helper

from analyzer.core.errors import ExportError
from rewriter.export.torch_graph.call import Call, Held, Value
from rewriter.export.torch_graph.dtypes import as_array
from rewriter.export.torch_graph.known import reckoned
from rewriter.export.torch_graph.table import table
from rewriter.export.torch_graph.weights import STATISTICS, Weights

RANDOM = frozenset({
    "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
    "RandomUniformLike",
})  # fmt: skip
"""What gives another value each time it is asked, and is never computed beforehand."""

Scope = dict[str, Value]


def key(node: onnx.NodeProto) -> str:
    """Return what a node's operator is called in the table."""
    own = node.domain in {"", "ai.onnx"}
    return node.op_type if own else f"{node.domain}:{node.op_type}"


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Computes graphs, the inner ones with what the outer ones have.

    Attributes:
        opsets: Version of each operator set, by domain.
        weights: Gives a constant as a tensor.
    """

    opsets: Mapping[str, int]
    weights: Weights

    def through(self, nodes: Sequence[onnx.NodeProto], scope: Scope) -> Scope:
        """Return the values of all tensors of a graph.

        Args:
            nodes: In an order in which each follows what it reads.
            scope: What they read from outside: inputs and constants.
        """
        values = dict(scope)
        for node in nodes:
            values |= self.results(node, values)
        return values

    def results(self, node: onnx.NodeProto, scope: Scope) -> Scope:
        """Return what one node gives, by tensor name."""
        call = Call(
            node,
            tuple(scope[name] if name else None for name in node.input),
            self.opsets.get(node.domain, 1),
            self.weights,
            {
                one.name: partial(self._body, one.g, scope)
                for one in node.attribute
                if one.type == AttributeProto.GRAPH
            },
        )
        found = reckoned(call)
        if found is None:
            given = table()[key(node)](call)
            found = given if isinstance(given, tuple) else (given,)
        return {name: one for name, one in zip(node.output, found, strict=False) if name}

    def _body(
        self, graph: onnx.GraphProto, scope: Scope, given: Sequence[Value]
    ) -> tuple[Value, ...]:
        names = [value.name for value in graph.input]
        inner = scope | constants(graph) | dict(zip(names, given, strict=False))
        values = self.through(graph.node, inner)
        return tuple(values[value.name] for value in graph.output)


def constants(graph: onnx.GraphProto) -> Scope:
    """Return the weights of a graph."""
    if graph.sparse_initializer:
        raise ExportError(
            f"{graph.sparse_initializer[0].values.name} is a sparse initializer",
            hint="store it dense",
        )
    arrays = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    return {name: Held(name, array, _is_weight(array)) for name, array in arrays.items()}


def _is_weight(array: Any) -> bool:
    return array.dtype.kind not in "ib" or array.dtype.itemsize == 1


class Network(torch.nn.Module):
    """A torch module that computes a graph.

    Args:
        model: All its operators are in the table.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        super().__init__()
        opsets = {one.domain.replace("ai.onnx", "") or "": one.version
                  for one in model.opset_import if one.domain in {"", "ai.onnx"}}
        opsets |= {one.domain: one.version for one in model.opset_import}
        statistics = frozenset(
            node.input[slot]
            for node in model.graph.node
            if node.op_type == "BatchNormalization"
            for slot in STATISTICS
        )
        self._walk = Walk(opsets, Weights(self, statistics))
        self._constants = constants(model.graph)
        self._nodes = tuple(self._unfolded(model.graph.node))
        self.names_in = tuple(
            one.name for one in model.graph.input if one.name not in self._constants
        )
        self.names_out = tuple(one.name for one in model.graph.output)

    def forward(self, *given: Any) -> tuple[Any, ...]:
        """Return the outputs of the graph, in its order.

        Args:
            given: Its inputs, in its order; of its dtypes and shapes.
        """
        scope = self._constants | dict(zip(self.names_in, given, strict=True))
        values = self._walk.through(self._nodes, scope)
        return tuple(self._told(name, values[name]) for name in self.names_out)

    def _told(self, name: str, value: Value) -> Any:
        if isinstance(value, np.ndarray):
            value = Held(name, value, weight=False)
        return self._walk.weights(value).clone() if isinstance(value, Held) else value

    def _unfolded(self, nodes: Sequence[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
        """Yield the nodes that no constant stands for; keep the constants of the others."""
        for node in nodes:
            read = [self._constants.get(name) for name in node.input if name]
            if not _folds(node, read):
                yield node
                continue
            with torch.no_grad():
                found = _alone(self._walk).results(node, self._constants)
            self._constants |= {name: _held(name, one) for name, one in found.items()}


def _folds(node: onnx.NodeProto, read: Sequence[Value]) -> bool:
    if None in read or node.op_type in RANDOM:
        return False
    if any(one.type == AttributeProto.GRAPH for one in node.attribute):
        return False
    sized = node.op_type in {"Shape", "Size"}
    return sized or not any(one.weight for one in read)


def _alone(walk: Walk) -> Walk:
    """Return a walk that keeps no constant in the module."""
    return Walk(walk.opsets, Weights(torch.nn.Module(), frozenset()))


def _held(name: str, value: Value) -> Value:
    if isinstance(value, torch.Tensor):
        return Held(name, as_array(value), weight=False)
    return Held(name, value, weight=False) if isinstance(value, np.ndarray) else value
