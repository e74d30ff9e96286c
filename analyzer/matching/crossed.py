"""Pairs of tensors that are wrong, and right as soon as two of them change places.

A reader whose operands were exchanged vouches for the wrong pair of twins: fed each other's
values, it gives the source's.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from analyzer.core.types import Array, Feeds
from analyzer.matching.layouts import spread
from analyzer.matching.tensors import Links, agrees
from analyzer.matching.values import SAME_VALUES

ROUNDING = 1e-6
"""Relative error of a sum whose numbers another layout adds up in another order."""


def crossed(
    names: Iterable[str], links: Links, given: Feeds, seen: Feeds
) -> frozenset[str]:
    """Return the wrong links that are right as soon as two of them change places.

    Args:
        names: Target tensors of the wrong links; any that have no link are left out.
        links: Tensor pairs by target tensor.
        given: The source's values of one sample.
        seen: What each region of the target gave, by target tensor.
    """
    known = {
        name: given[links[name].tensors.source]
        for name in names
        if name in links and name in seen and links[name].tensors.source in given
    }
    numeric = {name: array for name, array in known.items() if array.dtype.kind in "fiub"}
    marks = sorted((_mark(array), name) for name, array in numeric.items())

    def fits(name: str, other: str) -> bool:
        held = links[other].tensors.source
        return agrees(given[held], seen[name], replace(links[name].tensors, source=held))

    return frozenset(
        name
        for name in numeric
        for other in _near(seen[name], marks)
        if other != name and fits(name, other) and fits(other, name)
    )


def _mark(array: Array) -> tuple[float, ...]:
    """Return a tensor's largest, smallest and root mean square number, NaN left out.

    No layout changes them, and between two tensors none of them differs by more than the
    two elements that differ most.
    """
    finite = array[np.isfinite(array)].astype(np.float64)
    if not finite.size:
        return 0.0, 0.0, 0.0
    size = float(np.sqrt(np.mean(finite * finite)))
    return float(finite.max()), float(finite.min()), size


def _near(array: Array, marks: Sequence[tuple[tuple[float, ...], str]]) -> Iterator[str]:
    """Yield the names whose tensors may hold an array's numbers, by their marks.

    Of thousands of tensors, few are left to be compared element by element.
    """
    own = _mark(array)
    reach = SAME_VALUES * spread(array) + ROUNDING * own[-1]
    first = bisect_left(marks, own[0] - reach, key=lambda one: one[0][0])
    last = bisect_right(marks, own[0] + reach, key=lambda one: one[0][0])
    for mark, name in marks[first:last]:
        apart = (abs(a - b) for a, b in zip(own, mark, strict=True))
        if max(apart) <= reach:
            yield name
