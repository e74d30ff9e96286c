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
    return in_order([reads(node) for node in nodes], [node.output for node in nodes])


def in_order(
    read: Sequence[Collection[str]], given: Sequence[Collection[str]]
) -> tuple[int, ...]:
    """Return places so that each stands behind those that give what it reads.

    Args:
        read: Tensors that each place reads.
        given: Tensors that each place gives.

    Returns:
        All places but those on a cycle and behind one; in their own order, but that what
        waits for a tensor follows right behind the place that gives it.
    """
    missing = {name for names in given for name in names if name}
    waiting: dict[str, list[int]] = {}
    order: list[int] = []
    ready = list(reversed(range(len(read))))
    while ready:
        place = ready.pop()
        if not missing.isdisjoint(read[place]):
            first = next(name for name in read[place] if name in missing)
            waiting.setdefault(first, []).append(place)
            continue
        order.append(place)
        missing.difference_update(given[place])
        for name in given[place]:
            ready += waiting.pop(name, ())
    return tuple(order)


def cycle_place(nodes: Sequence[onnx.NodeProto]) -> int | None:
    """Return the place of a node that waits for itself; None where there is no cycle.

    Args:
        nodes: Nodes of one graph, in any order.
    """
    stuck = set(range(len(nodes))) - set(forward_order(nodes))
    if not stuck:
        return None
    givers = {name: place for place in stuck for name in nodes[place].output if name}
    place, seen = min(stuck), set[int]()
    while place not in seen:  # whoever walks backwards among the stuck ends on a cycle
        seen.add(place)
        place = min(givers[name] for name in reads(nodes[place]) if name in givers)
    return place
