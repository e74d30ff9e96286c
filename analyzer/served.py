"""Who else reads a computed size, and is right with it."""

from collections.abc import Collection, Sequence

import numpy as np

from analyzer.core.graph import node_reads, nodes
from analyzer.core.types import Array, Feeds, Node, TensorPair
from analyzer.matching.tensors import Links, agrees
from analyzer.sides import Side


def serves(
    target: Side,
    name: str,
    apart: Collection[Node],
    links: Links,
    given: Feeds,
    seen: Feeds,
) -> bool:
    """Return whether a tensor that no value of an input reaches leads to right values.

    Args:
        target: The target.
        name: The tensor.
        apart: The nodes that are suspected with it, whose word counts for nothing.
        links: Tensor pairs by target tensor.
        given: The source's values of one sample, all tensors.
        seen: The target's values of the same sample, all tensors.

    Returns:
        Whether some other reader's result, or what is first computed from it, agrees with
        the source's; there it serves as it should.
    """
    suspected = {node.name for node in apart}
    reached = {name}
    for node in nodes(target.model, target.folder):
        if node.name in suspected or reached.isdisjoint(node_reads(node)):
            continue
        for result in filter(None, node.outputs):
            link = links.get(result)
            if link is None:
                reached.add(result)
            elif _is_right(link.tensors, given, seen):
                return result in target.view.dynamic
    return False


def _is_right(pair: TensorPair, given: Feeds, seen: Feeds) -> bool:
    known = pair.source in given and pair.target in seen
    return known and agrees(given[pair.source], seen[pair.target], pair)


def meant_for(
    target: Side, reader: Node, values: Sequence[Array], seen: Sequence[Feeds]
) -> str:
    """Return the tensor that a node should read for an operand, best one that nobody reads.

    Args:
        target: The target.
        reader: The node.
        values: What it should read, for each sample.
        seen: The target's values of each sample, all tensors.

    Returns:
        A tensor given before the node that no value of an input reaches and that holds the
        values; empty: there is none.
    """
    every = nodes(target.model, target.folder)
    read = {name for node in every for name in node_reads(node)}
    place = next(at for at, node in enumerate(every) if node.name == reader.name)
    found = [
        name
        for node in every[:place]
        for name in filter(None, node.outputs)
        if name not in target.view.dynamic
        and all(
            name in held and np.array_equal(held[name], value)
            for held, value in zip(seen, values, strict=False)
        )
    ]
    return max(found, key=lambda name: name not in read, default="")
