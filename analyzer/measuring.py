"""The shape arithmetic that a region reads: no value is in it, but sizes are."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from analyzer.core.graph import node_reads
from analyzer.core.types import Node, Region
from analyzer.view import View

MOST_NODES = 64
"""Nodes that sizes may be computed with: an exporter needs a dozen for one Reshape."""


def with_measuring(view: View, part: Region, cuts: Collection[str]) -> Region:
    """Return a region with the nodes that compute the sizes it reads.

    What is measured is a tensor with a counterpart, or made of such tensors.

    Args:
        view: The macro graph.
        part: A region of it.
        cuts: Tensors outside of the region that have a counterpart.

    Returns:
        The region as it is where a size comes from nowhere that is known.
    """
    givers = {name: node for node in view.still for name in node.outputs if name}
    own = {name for node in part.nodes for name in node.outputs} | set(part.inputs)
    read = (name for node in part.nodes for name in _unknown(node))
    waiting = [name for name in read if name not in view.dynamic]
    inside: dict[int, Node] = {}
    measured: dict[str, None] = {}
    while waiting and len(inside) <= MOST_NODES:
        name = waiting.pop()
        if name in own:
            continue
        if name in cuts or name in view.inputs:
            measured[name] = None
            continue
        node = givers.get(name) or view.giver.get(name)
        if node is None:
            return part
        if id(node) not in inside:
            inside[id(node)] = node
            waiting += _unknown(node)
    if waiting:
        return part
    return replace(part, measuring=tuple(inside.values()), measured=tuple(measured))


def _unknown(node: Node) -> Iterator[str]:
    """Yield what a node reads that no constant holds."""
    known = {name for slot, name in enumerate(node.inputs) if slot in node.constants}
    known.update(node.held)
    yield from (name for name in node_reads(node) if name not in known)
