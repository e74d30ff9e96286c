"""The order in which nodes can be computed, whatever order a file has them in."""

from collections.abc import Collection, Sequence

import onnx

from analyzer.core.graph import reads


def forward_order(nodes: Sequence[onnx.NodeProto]) -> tuple[int, ...]:
    """Return the places of the nodes that can be computed, each behind what it reads.

    Args:
        nodes: Nodes of one graph, in any order.

    Returns:
        Places in `nodes`; those on a cycle and behind one are missing. A tensor that no
        node gives is taken as given.
    """
    return topological(_sources(nodes))


def topological(before: Sequence[Collection[int]]) -> tuple[int, ...]:
    """Return places so that each stands behind those it waits for.

    Args:
        before: For each place, the places it waits for.

    Returns:
        All places but those on a cycle and behind one.

    Source: A. B. Kahn, Topological sorting of large networks, 1962.
    """
    after: list[list[int]] = [[] for _ in before]
    for place, sources in enumerate(before):
        for source in sources:
            after[source].append(place)
    missing = [len(sources) for sources in before]
    order = [place for place, count in enumerate(missing) if not count]
    for ready in order:  # grows while it is read
        for place in after[ready]:
            missing[place] -= 1
            if not missing[place]:
                order.append(place)
    return tuple(order)


def cycle_place(nodes: Sequence[onnx.NodeProto]) -> int | None:
    """Return the place of a node that waits for itself; None where there is no cycle.

    Args:
        nodes: Nodes of one graph, in any order.
    """
    stuck = set(range(len(nodes))) - set(forward_order(nodes))
    if not stuck:
        return None
    before = _sources(nodes)
    place, seen = min(stuck), set[int]()
    while place not in seen:  # whoever walks backwards among the stuck ends on a cycle
        seen.add(place)
        place = min(before[place] & stuck)
    return place


def _sources(nodes: Sequence[onnx.NodeProto]) -> list[set[int]]:
    """Return, for each node, the places of the nodes that it reads from."""
    return sources([reads(node) for node in nodes], [node.output for node in nodes])


def sources(
    read: Sequence[Collection[str]], given: Sequence[Collection[str]]
) -> list[set[int]]:
    """Return, for each place, the places that give what it reads.

    Args:
        read: Tensors that each place reads.
        given: Tensors that each place gives.
    """
    givers = {name: place for place, names in enumerate(given) for name in names if name}
    return [{givers[name] for name in names if name in givers} for names in read]
