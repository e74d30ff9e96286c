"""Many names or numbers as a sentence shows them: the first few, and how many there are."""

from collections.abc import Iterable

MOST_LISTED = 8
"""Things of a kind that a sentence can hold; of more, the first are named."""


def several(things: Iterable[object], joint: str = ", ") -> str:
    """Return things one after another; of many the first, and how many more there are.

    Args:
        things: Names or numbers, in the order to tell them in.
        joint: What stands between two of them.
    """
    every = [str(one) for one in things]
    if len(every) <= MOST_LISTED:
        return joint.join(every)
    told = joint.join(every[: MOST_LISTED - 1])
    return f"{told} and {len(every) - MOST_LISTED + 1} more, {len(every)} in all"
