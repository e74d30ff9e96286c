"""Constants of a pivot in a native file's own layout, found by their exact old value."""

from collections.abc import Iterator, Mapping
from itertools import permutations

import numpy as np

from analyzer.core.types import Array, Permutation

LARGEST_RANK = 5
"""Ranks above have too many axis orders to try, and no weight of a layer has them."""


def holders(natives: Mapping[str, Array], old: Array) -> tuple[str, ...]:
    """Return the names of the native arrays that hold a value exactly, in some layout.

    Names are no evidence; where several arrays hold the value, they may break the tie.

    Args:
        natives: Arrays by native name.
        old: The pivot's value before the repair.
    """
    return tuple(
        name
        for name, own in natives.items()
        if own.size == old.size and relaid(own.astype(old.dtype), old, old) is not None
    )


def relaid(
    own: Array, old: Array, new: Array, usual: Permutation | None = None
) -> Array | None:
    """Return a pivot constant's new value in the layout the native file has the old one in.

    Args:
        own: The native file's value.
        old: The pivot's value before the repair: the same numbers, axes permuted, axes of
            size 1 added or dropped.
        new: The pivot's value after the repair.
        usual: ``pivot == native.transpose(usual)`` as importers make it of such a weight,
            which tells between layouts that fit equally; None: axes as they are.

    Returns:
        The new value in the native layout and dtype; None where no layout makes the
        old value, or where several do that would lay the new value out differently.
    """
    found = next(_whole(own, old, new, usual), None)
    if found is None and old.shape == new.shape:
        found = _unambiguous(list(_squeezed(own, old, new)))
    return None if found is None else np.ascontiguousarray(found).astype(own.dtype)


def _whole(
    own: Array, old: Array, new: Array, usual: Permutation | None
) -> Iterator[Array]:
    """Yield the new value under each layout of the same rank, the usual one first."""
    if own.ndim != old.ndim or new.ndim != old.ndim or own.ndim > LARGEST_RANK:
        return
    usual = tuple(range(own.ndim)) if usual is None else usual
    if _same(own.transpose(usual), old):
        yield new.transpose(np.argsort(usual))
        return
    others = (axes for axes in permutations(range(own.ndim)) if axes != usual)
    fitting = [axes for axes in others if _same(own.transpose(axes), old)]
    chosen = _unambiguous([new.transpose(np.argsort(axes)) for axes in fitting])
    if chosen is not None:
        yield chosen


def _squeezed(own: Array, old: Array, new: Array) -> Iterator[Array]:
    """Yield the new value under each layout that differs in axes of size 1 too."""
    bare, known, wanted = own.squeeze(), old.squeeze(), new.squeeze()
    if bare.ndim != known.ndim:
        if own.size == old.size and _same(own.ravel(), old.ravel()):
            yield new.reshape(own.shape)
        return
    for axes in permutations(range(bare.ndim)) if bare.ndim <= LARGEST_RANK else ():
        if new.shape == old.shape and _same(bare.transpose(axes), known):
            moved = wanted.reshape(known.shape).transpose(np.argsort(axes))
            yield moved.reshape(own.shape)


def _unambiguous(choices: list[Array]) -> Array | None:
    """Return the one value there is to choose from, if all are the same."""
    if not choices or any(not _same(one, choices[0]) for one in choices[1:]):
        return None
    return choices[0]


def _same(first: Array, second: Array) -> bool:
    return first.shape == second.shape and np.array_equal(first, second, equal_nan=True)
