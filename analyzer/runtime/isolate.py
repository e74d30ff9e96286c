"""The isolation run: every cut of a model fed at once, so that each error seen is local."""

from collections.abc import Collection, Mapping

import onnx

from analyzer.core.graph import reads
from analyzer.core.types import Array, Feeds
from analyzer.runtime.dump import computed
from analyzer.runtime.value_types import type_of

FED = "#fed"
"""Ends the name of the input that stands for a cut tensor whose producer is also kept."""


def isolate(model: onnx.ModelProto, cuts: Feeds) -> onnx.ModelProto:
    """Return a model in which whoever reads a cut tensor gets the caller's value.

    Args:
        model: The whole model.
        cuts: A value for each cut tensor, for its type.

    Returns:
        A model with one more graph input per computed cut, named by `fed_name`, that every
        reader of the tensor reads, subgraphs included. The producer of a cut still gives
        the tensor under its own name, and every computed tensor is an output, untyped. A
        cut that is one of the model's inputs stays that input; one that nobody gives
        becomes an input under its own name.
    """
    isolated = onnx.ModelProto()
    isolated.CopyFrom(model)
    graph = isolated.graph
    given = set(computed(graph))
    names = {name: fed_name(name) for name in cuts if name in given}
    for node in graph.node:
        rename_reads(node, names)
    types = {fed: type_of(cuts[name]) for name, fed in names.items()}
    known = given | {value.name for value in (*graph.input, *graph.initializer)}
    types |= {name: type_of(array) for name, array in cuts.items() if name not in known}
    graph.input.extend(
        onnx.ValueInfoProto(name=fed, type=kind) for fed, kind in types.items()
    )
    outputs = dict.fromkeys((*(value.name for value in graph.output), *computed(graph)))
    del graph.value_info[:]
    del graph.output[:]
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    return isolated


def without(model: onnx.ModelProto, known: Collection[str]) -> onnx.ModelProto:
    """Return a model without the nodes of which all that they give is known.

    Args:
        model: The whole model.
        known: Tensors. Readers that are left read what nobody gives any more.

    Returns:
        A model of the nodes left, with their weights; outputs that are known are gone.
    """
    own = model.graph
    nodes = [node for node in own.node if not all(n in known for n in node.output if n)]
    read = {name for node in nodes for name in reads(node)}
    part = onnx.ModelProto(ir_version=model.ir_version)
    part.opset_import.extend(model.opset_import)
    part.functions.extend(model.functions)
    graph = part.graph
    graph.name = own.name
    graph.node.extend(nodes)
    graph.initializer.extend(one for one in own.initializer if one.name in read)
    graph.sparse_initializer.extend(
        one for one in own.sparse_initializer if one.values.name in read
    )
    weights = {one.name for one in own.initializer} - read  # old files list them twice
    graph.input.extend(value for value in own.input if value.name not in weights)
    graph.output.extend(value for value in own.output if value.name not in known)
    return part


def isolation_feeds(cuts: Feeds, feeds: Feeds) -> dict[str, Array]:
    """Return one sample for an isolated model.

    Args:
        cuts: Array by cut tensor.
        feeds: Array by input name of the model.

    Returns:
        Array by input name; a cut input takes the cut's value.
    """
    fed = {fed_name(name): array for name, array in cuts.items()}
    return {**feeds, **cuts, **fed}


def fed_name(name: str) -> str:
    """Return the name of the graph input that stands for a cut tensor."""
    return name + FED


def rename_reads(node: onnx.NodeProto, names: Mapping[str, str]) -> None:
    """Let a node of our own copy, its subgraphs included, read other tensors.

    Args:
        node: The node; it is changed.
        names: New name by old name.
    """
    for slot, name in enumerate(node.input):
        if name in names:
            node.input[slot] = names[name]
    for attribute in node.attribute:
        if attribute.HasField("g"):
            _rename_inside(attribute.g, names)
        for graph in attribute.graphs:
            _rename_inside(graph, names)


def _rename_inside(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Let a subgraph read other outer tensors, except under names it gives itself."""
    own = {value.name for value in (*graph.input, *graph.initializer)}
    own.update(name for node in graph.node for name in node.output)
    outer = {old: new for old, new in names.items() if old not in own}
    for node in graph.node:
        rename_reads(node, outer)
    for value in graph.output:
        value.name = outer.get(value.name, value.name)
