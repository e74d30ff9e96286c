"""Weights of half precision: rounded to it in a conversion, or so from the beginning?"""

from collections.abc import Iterator

import numpy as np

from analyzer.core.parts import all_parts, takes_more_values
from analyzer.core.types import Array
from analyzer.matching.weights import bits_hashes
from analyzer.view import View

MANY = 64
"""Numbers in a weight from which all of them being a float16 is no accident: one in 8,192
float32 is."""

FEW = 3
"""Different numbers in a smaller weight from which it is none either, those not counted
that somebody may have chosen: one in five hundred billion."""

CHOSEN_BITS = 6
"""Bits of the mantissa that a chosen number takes at most; a float16 has eleven."""

COPIED = 0.5
"""Share of a source's weights of half precision that the target holds bit for bit, from
which none was rounded on the way: a weight that was rounded is in no other model, and of
those that are copied, folding a normalisation and a fault change some."""

LEAST_COPIED = 2
"""Weights that are copies at least: a single one may be a table that both were given."""


def kept_halves(source: View, target: View) -> frozenset[int]:
    """Return the source's weights of half precision where the conversion took them over.

    Then neither model owes anything to rounding them: a weight that differs was changed.

    Args:
        source: The source's macro graph.
        target: The target's macro graph.

    Returns:
        Their `bits_hash`; none where they were rounded between the two.
    """
    halves = [value for value in _floats(source) if is_half(value)]
    sizes = {value.size for value in halves}
    theirs = [value for value in _floats(target) if value.size in sizes]
    ours = frozenset(bits_hashes(halves))
    copied = ours & frozenset(bits_hashes(theirs))
    few = len(copied) < max(LEAST_COPIED, COPIED * len(ours))
    return frozenset() if few else ours


def _floats(view: View) -> Iterator[Array]:
    values = (value for node in view.nodes for value in node.constants.values())
    yield from (value for value in values if value.dtype == np.float32)


def is_half(value: Array) -> bool:
    """Return whether every one of many different numbers, of float32, is a float16.

    Args:
        value: A weight of any shape and dtype.
    """
    if value.dtype != np.float32 or not all_parts(_survives_half, value):
        return False
    if value.size >= MANY:
        return takes_more_values(value, MANY // 2 - 1)
    return len(np.unique(value[_is_fine(value)])) >= FEW


def _is_fine(value: Array) -> Array:
    """Return which numbers take more bits than one that was chosen, as 0.5 or 6, takes."""
    mantissa = np.frexp(value)[0] * (1 << CHOSEN_BITS)
    return np.asarray(np.isfinite(mantissa) & (mantissa != np.round(mantissa)))


def _survives_half(part: Array) -> bool:
    with np.errstate(over="ignore"):
        return np.array_equal(part, part.astype(np.float16).astype(np.float32))
