"""Kernels that are each other's only likeness, found without comparing all with all."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analyzer.core.types import Array
from analyzer.matching.weights import SAME_CHANNEL, fingerprints
from analyzer.view import Operator

SMALLEST_SHARE = 0.5
"""Share of channels a kernel must have in common with its counterpart: damage to fewer than
half of them leaves it recognisable."""

FEW_RIVALS = 256
"""Kernels of one size up to which each is compared with all of them."""

SKETCHES = 12
"""Pairs of channels by which many kernels are looked up: one with half of its channels
damaged keeps both of a pair in a quarter of them, so 97 times in a hundred one is left."""

GRID = 2 * SAME_CHANNEL
"""Width of the steps on which channels are looked up."""

_Sketch = tuple[int, int, int]
"""The number of a pair of channels, and the steps its two channels stand on."""

_Kind = tuple[str, int, int]
"""Operator, elements and channels: what two kernels must share to be compared."""


@dataclass(frozen=True, eq=False)
class _Kernels:
    """Kernels of one kind: channel statistics [kernels, channels], and whose they are."""

    shapes: Array
    owners: Sequence[int]

    @cached_property
    def sketches(self) -> Sequence[Sequence[_Sketch]]:
        """The sketches of each kernel."""
        return _sketches(self.shapes)

    @cached_property
    def places(self) -> Mapping[_Sketch, Sequence[int]]:
        """The kernels that share a sketch."""
        found: dict[_Sketch, list[int]] = defaultdict(list)
        for place, sketches in enumerate(self.sketches):
            for one in sketches:
                found[one].append(place)
        return found

    def near(self, others: "_Kernels", place: int) -> Sequence[int]:
        """Return the places of the kernels that one of the others may be like."""
        if len(self.owners) <= FEW_RIVALS:
            return range(len(self.owners))
        sketches = others.sketches[place]
        return sorted({k for one in sketches for k in self.places.get(one, ())})

    def shares(self, others: "_Kernels", place: int) -> Iterator[tuple[int, float]]:
        """Yield whose kernels one of the others is like, and the share of its channels."""
        near = self.near(others, place)
        rows = self.shapes if isinstance(near, range) else self.shapes[near]
        gaps = np.abs(rows - others.shapes[place])
        shares = (gaps <= SAME_CHANNEL).mean(axis=1)
        for row in np.flatnonzero(shares >= SMALLEST_SHARE / 2).tolist():
            yield self.owners[near[row]], float(shares[row])


def _sketches(shapes: Array) -> list[list[_Sketch]]:
    """Return the sketches of each row of channel statistics [kernels, channels]."""
    steps = np.floor(shapes / GRID).astype(np.int64)
    channels = shapes.shape[1]
    firsts = [k * channels // SKETCHES for k in range(SKETCHES)]
    pairs = {(one, (one + max(1, channels // 2)) % channels) for one in firsts}
    columns = [steps[:, pair].tolist() for pair in sorted(pairs)]
    return [
        [(number, one, other) for number, (one, other) in enumerate(row)]
        for row in zip(*columns, strict=True)
    ]


def likely_pairs(
    source: Iterable[Operator], target: Iterable[Operator]
) -> Iterator[tuple[int, int]]:
    """Yield the indexes of operators whose kernels are each other's only likeness.

    Args:
        source: Operators of the source.
        target: Operators of the target.

    Source:
        Locality-sensitive hashing (Indyk and Motwani, STOC 1998): near-linear in the
        kernels, with the channels compared only where a sketch is shared.
    """
    ours, theirs = _by_kind(source), _by_kind(target)
    best: dict[int, dict[int, float]] = defaultdict(dict)
    for kind in ours.keys() & theirs.keys():
        for place, owner in enumerate(ours[kind].owners):
            shares = best[owner]
            for index, share in theirs[kind].shares(ours[kind], place):
                shares[index] = max(share, shares.get(index, 0.0))
    for owner, shares in sorted(best.items()):
        ranked = sorted(((share, index) for index, share in shares.items()), reverse=True)
        yield from ((owner, index) for index in _only(ranked))


def _by_kind(operators: Iterable[Operator]) -> Mapping[_Kind, _Kernels]:
    """Return kernels by kind; a channel of a single element has no shape of its own."""
    known = {operator.index: operator for operator in operators}
    groups: dict[_Kind, tuple[list[Array], list[int]]] = {}
    for index, marks in fingerprints(known.values()).items():
        for mark in marks:
            kind = known[index].op, mark.size, mark.channels
            shapes, owners = groups.setdefault(kind, ([], []))
            if mark.size > mark.channels:
                shapes.append(mark.shape)
                owners.append(index)
    return {
        kind: _Kernels(np.stack(shapes), owners)
        for kind, (shapes, owners) in groups.items()
        if owners
    }


def _only(shares: Sequence[tuple[float, int]]) -> Iterator[int]:
    """Yield the best candidate if it is like enough and no other is half as like."""
    if not shares or shares[0][0] < SMALLEST_SHARE:
        return
    if len(shares) == 1 or shares[1][0] < shares[0][0] / 2:
        yield shares[0][1]
