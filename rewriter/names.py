"""Every name a model uses, so that a new one never clashes with an old one."""

import re
from collections.abc import Iterator

import onnx

UNNAMED = "pivotfix"
"""What a new tensor or node is called where nothing of the user's suggests a name."""


def used_names(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield the name of every tensor and node of a graph, its subgraphs' among them."""
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        yield value.name
    yield from (sparse.values.name for sparse in graph.sparse_initializer)
    for node in graph.node:
        yield from (node.name, *node.input, *node.output)
        for inner in subgraphs(node):
            yield from used_names(inner)


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs a node holds as attributes, in the order they stand."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def fresh(suggestion: str, taken: set[str]) -> str:
    """Return a name nobody uses yet, and count it as taken from now on.

    Args:
        suggestion: What to call it where that is free.
        taken: Names in use; the new one is added.
    """
    base = re.sub(r"\s+", "_", suggestion) or UNNAMED
    name, count = base, 1
    while name in taken:
        count += 1
        name = f"{base}_{count}"
    taken.add(name)
    return name


def pinned_names(graph: onnx.GraphProto) -> frozenset[str]:
    """Return tensors whose names must stay: model outputs, and what subgraphs give out.

    A subgraph may name an outer tensor as its own output without any node reading it there.
    """
    names = {value.name for value in graph.output}
    for node in graph.node:
        for inner in subgraphs(node):
            names |= pinned_names(inner)
    return frozenset(names)
