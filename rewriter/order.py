"""What must come before what, in an order as close as possible to the one there is."""

import heapq
from collections.abc import Collection, Hashable, Sequence


def order(
    gives: Sequence[Collection[Hashable]], reads: Sequence[Collection[Hashable]]
) -> list[int] | None:
    """Return places so that each stands behind those that give what it reads.

    Args:
        gives: What each item gives, in the present order.
        reads: What each item reads; what no item gives is there from the start.

    Returns:
        A permutation of the places, the present order wherever that is allowed; None where
        items wait for each other.

    Source: Kahn's algorithm (Commun. ACM 5, 1962), always taking the earliest.
    """
    giver = {name: place for place, names in enumerate(gives) for name in names}
    waits = [{giver[name] for name in names if name in giver} for names in reads]
    waiting: list[list[int]] = [[] for _ in waits]
    for place, others in enumerate(waits):
        for other in others:
            waiting[other].append(place)
    left = [len(others) for others in waits]
    ready = [place for place, count in enumerate(left) if not count]
    found: list[int] = []
    while ready:
        found.append(heapq.heappop(ready))
        for place in waiting[found[-1]]:
            left[place] -= 1
            if not left[place]:
                heapq.heappush(ready, place)
    return found if len(found) == len(waits) else None
