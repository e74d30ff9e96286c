"""A pivot as it is walked: read, its functions inlined, what the table lacks named."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx.inliner import inline_local_functions, inline_selected_functions

from analyzer.core.errors import ExportError
from analyzer.core.types import Array
from rewriter.export.tensorflow_graph.gelu import with_gelu
from rewriter.export.tensorflow_graph.table import Key, standard


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A graph that the table covers.

    Attributes:
        graph: Its nodes, in the order they run.
        opsets: Version by domain; the standard domain is empty.
        weights: Its initializers by name, of any shape and dtype.
    """

    graph: onnx.GraphProto
    opsets: Mapping[str, int]
    weights: Mapping[str, Array]

    @property
    def inputs(self) -> list[onnx.ValueInfoProto]:
        """The inputs that must be fed."""
        return [one for one in self.graph.input if one.name not in self.weights]


def read(path: Path, known: AbstractSet[Key]) -> Program:
    """Return a model file as a program of known operators.

    Args:
        path: An ONNX file, its weights inside or beside it.
        known: The operators of the table, by domain and type.

    Raises:
        ExportError: It has other operators; each is named.
    """
    return program(onnx.load(path), known)


def program(model: onnx.ModelProto, known: AbstractSet[Key]) -> Program:
    """Return a model as a program of known operators.

    Args:
        model: With its weights inside.
        known: The operators of the table, by domain and type.

    Raises:
        ExportError: It has other operators; each is named.
    """
    if model.functions:
        model = inline_local_functions(model)
    unknown = _unknown(model.graph, known)
    if unknown:
        model = _with_bodies(model, unknown)
        unknown = _unknown(model.graph, known)
    if unknown:
        names = ", ".join(sorted(".".join(filter(None, key)) for key in unknown))
        raise ExportError(
            f"the model has operators that are not written for TensorFlow: {names}",
            hint="write the repaired model with -o to an .onnx file",
        )
    tensors = model.graph.initializer
    weights = {one.name: onnx.numpy_helper.to_array(one) for one in tensors}
    opsets = {standard(one.domain): one.version for one in model.opset_import}
    return Program(with_gelu(_bare(model.graph), weights), opsets, weights)


def _bare(graph: onnx.GraphProto) -> onnx.GraphProto:
    """Return a graph without its initializers, which need not be held twice."""
    ends = graph.input, graph.output
    return onnx.GraphProto(name=graph.name, node=graph.node, input=ends[0], output=ends[1])


def _with_bodies(model: onnx.ModelProto, unknown: AbstractSet[Key]) -> onnx.ModelProto:
    """Return a model whose unknown operators are said by their own definitions."""
    try:
        return inline_selected_functions(
            model, sorted(unknown), inline_schema_functions=True
        )
    except RuntimeError:  # it cannot inline where an optional input is absent
        return model


def _unknown(graph: onnx.GraphProto, known: AbstractSet[Key]) -> set[Key]:
    return {
        key
        for node in all_nodes(graph)
        if (key := (standard(node.domain), node.op_type)) not in known
    }


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph and of the graphs inside them."""
    for node in graph.node:
        yield node
        for inner in inner_graphs(node):
            yield from all_nodes(inner)


def inner_graphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """Return the branches and bodies of a node."""
    return [one.g for one in node.attribute if one.type == onnx.AttributeProto.GRAPH]


def needed(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Return the nodes that the graph's outputs depend on, in the order they run."""
    wanted = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if wanted.isdisjoint(node.output):
            continue
        wanted.update(read_by(node))
        kept.append(node)
    return kept[::-1]


def read_by(node: onnx.NodeProto) -> set[str]:
    """Return the tensors that a node reads, through its inner graphs too."""
    inner = (_read_outside(graph) for graph in inner_graphs(node))
    return set(filter(None, node.input)).union(*inner)


def _read_outside(graph: onnx.GraphProto) -> set[str]:
    read = {value.name for value in graph.output}.union(*map(read_by, graph.node))
    return read - _made(graph)


def _made(graph: onnx.GraphProto) -> set[str]:
    values: Sequence[onnx.ValueInfoProto | onnx.TensorProto]
    values = [*graph.input, *graph.initializer]
    made = {name for node in graph.node for name in node.output}
    return made | {value.name for value in values}
