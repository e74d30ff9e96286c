"""Weights of half precision: rounded to it in a conversion, or so from the beginning?"""

from collections.abc import Iterator

import numpy as np

from analyzer.core.types import Array
from analyzer.matching.weights import bits_hashes
from analyzer.view import View
from analyzer.view.halves import is_half

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
