"""Arithmetic on axis orders, as ``numpy.transpose`` takes them; None is the identity."""

from collections.abc import Sequence

from analyzer.core.types import Permutation


def composed(*steps: Permutation | None) -> Permutation | None:
    """Return the one permutation that transposing by each step in turn amounts to.

    Args:
        steps: Permutations of one rank, first applied first; None transposes nothing.

    Returns:
        The whole permutation; None where every axis stays.
    """
    whole: Permutation | None = None
    for step in steps:
        if step is None:
            continue
        whole = tuple(step) if whole is None else tuple(whole[axis] for axis in step)
    return None if whole is None or is_identity(whole) else whole


def inverse(permutation: Permutation | None) -> Permutation | None:
    """Return the permutation that undoes this one."""
    if permutation is None:
        return None
    return tuple(permutation.index(axis) for axis in range(len(permutation)))


def is_identity(permutation: Sequence[int]) -> bool:
    """Return whether every axis stays where it is."""
    return all(axis == place for place, axis in enumerate(permutation))


def moved_axis(axis: int, permutation: Permutation | None, rank: int | None = None) -> int:
    """Return where an axis of a tensor lies after the tensor is transposed.

    Args:
        axis: An axis, counted from the end where negative.
        permutation: How the tensor is transposed.
        rank: Rank of the tensor, where it is known and the permutation does not tell.

    Returns:
        The axis, not negative wherever the rank is known.
    """
    known = len(permutation) if permutation is not None else rank
    if known is not None and axis < 0:
        axis += known
    if permutation is None or not 0 <= axis < len(permutation):
        return axis
    return permutation.index(axis)


def last_axis_swap(axis: int, rank: int) -> Permutation:
    """Return the permutation, its own inverse, that swaps an axis with the last one."""
    order = list(range(rank))
    order[axis], order[-1] = order[-1], order[axis]
    return tuple(order)
