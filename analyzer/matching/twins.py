"""Weights that stand in both files byte for byte: compared where they lie, never hashed."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator

import numpy as np

from analyzer.core.types import Array
from analyzer.matching.weights import kernels
from analyzer.view import Operator

AT_ONCE = 1 << 20
"""Bytes that are compared at once: what is made of them stays in the cache."""

WORDS = (8, 4, 2, 1)
"""Bytes that are compared as one number: the more, the faster."""

Same = Callable[[Array, Array], bool]
"""Says whether two arrays hold the same bytes in the same order and shape."""

GLANCE = 64
"""Elements by which weights are told apart before whole ones are compared."""


def same_bytes(one: Array, other: Array) -> bool:
    """Return whether two arrays hold the same bytes in the same order and shape.

    Args:
        one: Array of any shape and dtype, as a rule mapped from its file.
        other: Likewise.
    """
    if one.shape != other.shape or one.dtype != other.dtype or one.dtype.hasobject:
        return False
    if one.nbytes <= AT_ONCE:
        return one.tobytes() == other.tobytes()
    flat = (np.ascontiguousarray(array).reshape(-1) for array in (one, other))
    word = next(size for size in WORDS if one.nbytes % size == 0)
    left, right = (array.view(np.uint8).view(f"u{word}") for array in flat)
    step = AT_ONCE // word
    return all(
        np.array_equal(left[at : at + step], right[at : at + step])
        for at in range(0, left.size, step)
    )


def twins(
    source: Iterable[Operator], target: Iterable[Operator], same: Same = same_bytes
) -> Iterator[tuple[int, int]]:
    """Yield pairs of operators, by index, whose largest weights are the same in every byte.

    Args:
        source: Operators of one side.
        target: Operators of the other.
        same: Says whether two weights hold the same bytes.

    Yields:
        Pairs whose weight has no other of the same shape and the same look on either side.
    """
    ours, theirs = _largest(source), _largest(target)
    left = {index: look(kernel) for index, kernel in ours.items()}
    right = {index: look(kernel) for index, kernel in theirs.items()}
    once, counts = Counter(left.values()), Counter(right.values())
    places = {mark: index for index, mark in right.items()}
    for index, mark in left.items():
        alone = once[mark] == counts[mark] == 1
        if alone and same(ours[index], theirs[places[mark]]):
            yield index, places[mark]


def _largest(operators: Iterable[Operator]) -> dict[int, Array]:
    """Return the largest weight of each operator that has one, by index."""
    return {op.index: found[0] for op in operators if (found := kernels(op))}


def look(kernel: Array) -> Hashable:
    """Return a few elements of a weight, with its shape and dtype.

    Args:
        kernel: Array of any shape and of a dtype without objects.
    """
    few = kernel.reshape(-1)[:: max(1, kernel.size // GLANCE)]
    return kernel.shape, kernel.dtype.str, few.tobytes()
