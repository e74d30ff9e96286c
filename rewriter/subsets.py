"""Which of the kept edits to leave out where together they do harm."""

from collections.abc import Callable, Iterator
from itertools import combinations, islice

from rewriter.kept import Chain, Kept

MOST_SUBSETS = 32
"""Subsets tried largest first: all of up to five edits. Each costs a run of the model on
the held-out probes."""


def largest_harmless(chain: Chain, harms: Callable[[Chain], bool]) -> Chain:
    """Return most of the edits: a largest subset that does no harm; empty where none is.

    The largest subsets first; where those are too many, the edits one by one in the order
    they were kept, each staying where it does no harm with those before it.

    Args:
        chain: The kept edits, round by round.
        harms: Whether a subset makes an output worse, or does not fit.

    Source: the complements, then the growth, of delta debugging (Zeller and Hildebrandt,
    IEEE TSE 28, 2002), bounded.
    """
    units = [one for kept in chain for one in kept]
    fewer = (_only(chain, left) for left in _largest_first(units))
    for subset in islice(fewer, MOST_SUBSETS):
        if not harms(subset):
            return subset
    if 1 << len(units) <= MOST_SUBSETS + 1:
        return ()
    return _grown(chain, units, harms)


def _largest_first(units: list[Kept]) -> Iterator[tuple[Kept, ...]]:
    """Yield every subset but the empty one; of equal size, the last kept goes first."""
    for count in range(len(units), 0, -1):
        yield from combinations(units, count)


def _only(chain: Chain, units: tuple[Kept, ...]) -> Chain:
    """Return a chain of some of its units alone."""
    known = set(map(id, units))
    return tuple(tuple(one for one in kept if id(one) in known) for kept in chain)


def _grown(chain: Chain, units: list[Kept], harms: Callable[[Chain], bool]) -> Chain:
    chosen: tuple[Kept, ...] = ()
    for one in units:
        if not harms(_only(chain, (*chosen, one))):
            chosen = (*chosen, one)
    return _only(chain, chosen) if chosen else ()
