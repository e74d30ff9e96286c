"""A pivot's inputs and outputs under the names the user knows them by."""

from collections.abc import Iterator, Mapping

import onnx


def io_names(model: onnx.ModelProto) -> tuple[list[str], list[str]]:
    """Return the names of the inputs that must be fed, and of the outputs, in order."""
    constant = {tensor.name for tensor in model.graph.initializer}
    fed = [value.name for value in model.graph.input if value.name not in constant]
    return fed, [value.name for value in model.graph.output]


def renamed(
    model: onnx.ModelProto, wanted: Mapping[str, str]
) -> tuple[onnx.ModelProto, dict[str, str]]:
    """Return a copy with other tensor names, and which names did change.

    A name that another tensor has already leaves its tensor the old one.

    Args:
        model: The model; it is not changed.
        wanted: New name by old name.

    Returns:
        The copy, and new name by old name for those that changed.
    """
    taken = _tensor_names(model)
    names: dict[str, str] = {}
    for old, new in wanted.items():
        if new and new not in taken:
            names[old] = new
            taken.add(new)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _rename(copy.graph, names)
    return copy, names


def _tensor_names(model: onnx.ModelProto) -> set[str]:
    graph = model.graph
    values = {value.name for value in (*graph.input, *graph.output, *graph.initializer)}
    return values | {name for node in graph.node for name in (*node.input, *node.output)}


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Rename tensors everywhere in a graph that is ours, subgraphs included."""
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for attribute in node.attribute:
            for inner in (*attribute.graphs, attribute.g):
                _rename(inner, names)
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = names.get(value.name, value.name)


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph and of the graphs inside them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (*attribute.graphs, attribute.g):
                yield from all_nodes(inner)
