"""Nodes that only compute sizes: no macro graph has them, and a carried part needs them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import onnx

from analyzer.core.graph import node_reads, nodes
from analyzer.core.types import Fault, Node, Region
from analyzer.runtime.value_types import input_types
from analyzer.view import View


def with_sizes(
    faults: Sequence[Fault], view: View, model: onnx.ModelProto, folder: Path
) -> tuple[Fault, ...]:
    """Return faults with the source's nodes that compute sizes for their regions.

    Args:
        faults: Any faults.
        view: The source's macro graph.
        model: The source's proto, its fused operators opened.
        folder: The folder its external locations are relative to.
    """
    if not any(any(_sizes_read(fault.source, view)) for fault in faults):
        return tuple(faults)
    every = nodes(model, folder)
    giver = {name: node for node in every for name in node.outputs if name}
    place = {id(node): count for count, node in enumerate(every)}
    done = []
    for fault in faults:
        found = dict[int, Node]()
        waiting = list(_sizes_read(fault.source, view))
        while waiting:
            node = giver.get(waiting.pop())
            if node is None or id(node) in found:
                continue
            found[id(node)] = node
            waiting.extend(name for name in node_reads(node) if name not in view.dynamic)
        sizes = sorted(found.values(), key=lambda node: place[id(node)])
        done.append(replace(fault, sizes=tuple(_typed(node, model) for node in sizes)))
    return tuple(done)


def _typed(node: Node, model: onnx.ModelProto) -> Node:
    """Return a CastLike as the Cast that it is, which every opset has."""
    if node.op != "CastLike" or node.domain:
        return node
    known = input_types(model, node.inputs[1:])
    if node.inputs[1] not in known:
        return node
    dtype = known[node.inputs[1]].tensor_type.elem_type
    return replace(node, op="Cast", inputs=node.inputs[:1], attributes={"to": dtype})


def _sizes_read(region: Region, view: View) -> Iterator[str]:
    """Yield what a region reads that is neither a constant nor any operator's result."""
    for node in region.nodes:
        for slot, name in enumerate(node.inputs):
            if name and slot not in node.constants and name not in view.dynamic:
                yield name
