"""Operator pairs from weights, structure and names, before anything is run."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from math import prod

from analyzer.core.collector import uncollected
from analyzer.core.options import EVIDENCE
from analyzer.matching.labels import directed_labels, unique
from analyzer.matching.likeness import likely_pairs
from analyzer.matching.propagate import propagate, substitutes
from analyzer.matching.twins import Same, same_bytes, twins
from analyzer.matching.weights import kernel_size, weight_keys
from analyzer.view import INPUT, Operator, View

TRUST = {
    "user": 0.999,
    "values": 0.99,
    "weights": 0.7,
    "fingerprint": 0.6,
    "structure before": 0.6,
    "structure after": 0.6,
    "neighbours": 0.4,
    "names": 0.2,
    "position": 0.3,
}
"""How far one kind of evidence is believed when it stands alone; kinds are combined as
independent witnesses. Values are as good as proof. A weight that occurs once on either side
errs only where two layers' weights were exchanged; structure errs among sibling branches;
names mean nothing once a converter has renamed."""


STRONG = frozenset({"user", "values", "weights", "fingerprint"})
"""Witnesses that know an operator from its twins."""

WEAK = frozenset({"names", "position"})
"""Witnesses that never seed alone."""

Reasons = tuple[str, ...]
"""Kinds of evidence, in alphabetical order; pairs with the same evidence share one."""

Votes = Mapping[tuple[int, int], Reasons]
"""The evidence for each pair of operators, by index."""


@dataclass(frozen=True, slots=True)
class OperatorPair:
    """Two macro operators that should compute the same, by index, and the evidence."""

    source: int
    target: int
    reasons: Reasons

    @property
    def score(self) -> float:
        """Confidence in [0, 1]: one minus the chance that every witness errs."""
        return confidence(self.reasons)


@lru_cache(maxsize=4096)
def confidence(reasons: Reasons) -> float:
    """Return one minus the chance that every witness errs, in [0, 1]."""
    return 1.0 - prod(1.0 - TRUST[reason] for reason in reasons)


def operator_pairs(
    source: View,
    target: View,
    inputs: Mapping[str, str],
    given: Sequence[tuple[int, int]] = (),
    evidence: frozenset[str] = EVIDENCE,
    same: Same = same_bytes,
) -> tuple[OperatorPair, ...]:
    """Return the operators that belong together by everything that needs no run.

    Args:
        source: The source's macro graph.
        target: The target's macro graph.
        inputs: Target input name by source input name.
        given: Operators that the user has paired, by index.
        evidence: Kinds of evidence to use; what the user states always counts.
        same: Says whether two weights hold the same bytes.
    """
    with uncollected():
        fed = [
            (source.owner[ours].index, target.owner[theirs].index)
            for ours, theirs in inputs.items()
        ]
        votes = _votes(source, target, given, fed, evidence, same)
        grown = _consistent(source, target, votes, given)
        if "neighbours" in evidence:
            grown = propagate(source, target, grown, fits)
            grown |= dict(substitutes(source, target, grown))
        near = _paired_around(source, target, grown)
        return tuple(
            OperatorPair(*ends, _beside(votes.get(ends, ()), min(near[ends[0]], 2)))
            for ends in sorted(grown.items())
        )


def _votes(
    source: View,
    target: View,
    given: Sequence[tuple[int, int]],
    fed: Sequence[tuple[int, int]],
    evidence: frozenset[str],
    same: Same,
) -> Votes:
    """Return the kinds of evidence that speak for each pair of operators."""
    exact = tuple(_by_weight(source, target, same)) if "weights" in evidence else ()
    votes: dict[tuple[int, int], Reasons] = {}
    for reason, found in (
        ("user", iter(given)),
        ("weights", iter(exact)),
        ("fingerprint", _by_likeness(source, target, exact)),
        ("structure before", _by_label(source, target, forward=True)),
        ("structure after", _by_label(source, target, forward=False)),
        ("names", _by_name(source, target)),
        ("position", _by_place(source, target)),
        ("values", iter(fed)),
    ):
        for ends in found if reason in {"user", "values", *evidence} else ():
            votes[ends] = _joined(votes.get(ends, ()), reason)
    return votes


@lru_cache(maxsize=4096)
def _joined(reasons: Reasons, reason: str) -> Reasons:
    """Return reasons with one more, each once."""
    return tuple(sorted({*reasons, reason}))


def fits(one: Operator, other: Operator) -> bool:
    """Return whether two operators can be the same: one name, and weights of one size."""
    if one.op != other.op or one.op == INPUT:
        return False
    return kernel_size(one) == kernel_size(other)


def _consistent(
    source: View, target: View, votes: Votes, given: Sequence[tuple[int, int]]
) -> dict[int, int]:
    """Return one-to-one seeds: what the user states, then the best supported pairs first.

    Position and names never seed alone. Structure does, unless a neighbour's weights speak
    against it: one operator missing from a chain shifts every label behind it by one.
    """
    by_place = sorted(votes.items())
    ranked = sorted(by_place, key=lambda row: confidence(row[1]), reverse=True)
    seeds: dict[int, int] = {}
    taken: set[int] = set()
    for one, other in given:
        if one not in seeds and other not in taken:
            seeds[one] = other
            taken.add(other)
    for (one, other), reasons in ranked:
        if one in seeds or other in taken or WEAK.issuperset(reasons):
            continue
        if not STRONG.isdisjoint(reasons) or _fits_in(source, target, seeds, one, other):
            seeds[one] = other
            taken.add(other)
    return seeds


def _fits_in(
    source: View, target: View, seeds: Mapping[int, int], one: int, other: int
) -> bool:
    """Return whether every paired neighbour of a source operator is the target's too."""
    edges = target.edges
    before = [index for index in source.before[one] if index in seeds]
    after = [index for index in source.after[one] if index in seeds]
    return all((seeds[index], other) in edges for index in before) and all(
        (other, seeds[index]) in edges for index in after
    )


def _paired_around(source: View, target: View, pairs: Mapping[int, int]) -> Counter[int]:
    """Return how many edges of each source operator its counterpart has too."""
    kept = (
        (giver, reader)
        for giver, reader in source.edges
        if (pairs.get(giver), pairs.get(reader)) in target.edges
    )
    return Counter(chain.from_iterable(kept))


@lru_cache(maxsize=4096)
def _beside(reasons: Reasons, neighbours: int) -> Reasons:
    """Return reasons with so many neighbours that are paired too."""
    return (*reasons, *["neighbours"] * neighbours)


def _by_weight(source: View, target: View, alike: Same) -> Iterator[tuple[int, int]]:
    """Yield the operators whose largest weight stands once on either side."""
    same = tuple(twins(source.weighted, target.weighted, alike))
    yield from same
    ours, theirs = {one for one, _ in same}, {other for _, other in same}
    left = weight_keys(op for op in source.weighted if op.index not in ours)
    right = weight_keys(op for op in target.weighted if op.index not in theirs)
    once, counts = Counter(left.values()), Counter(right.values())
    others = {mark: index for index, mark in right.items()}
    yield from (
        (index, others[mark])
        for index, mark in left.items()
        if once[mark] == counts[mark] == 1
    )


def _by_likeness(
    source: View, target: View, exact: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Yield kernels that are each other's only likeness; equal ones need no look."""
    yield from exact
    ours, theirs = {one for one, _ in exact}, {other for _, other in exact}
    yield from likely_pairs(
        (op for op in source.weighted if op.index not in ours),
        (op for op in target.weighted if op.index not in theirs),
    )


def _by_label(source: View, target: View, *, forward: bool) -> Iterator[tuple[int, int]]:
    left = unique(directed_labels(source, forward=forward))
    right = unique(directed_labels(target, forward=forward))
    yield from ((index, right[mark]) for mark, index in left.items() if mark in right)


def _by_name(source: View, target: View) -> Iterator[tuple[int, int]]:
    for operator in source.operators:
        for name in operator.outputs[-1:]:
            other = target.owner.get(name)
            if other is not None and other.op == operator.op:
                yield operator.index, other.index


def _by_place(source: View, target: View) -> Iterator[tuple[int, int]]:
    """Yield pairs by place in topological order, where both sides list the same names."""
    left, right = source.operators, target.operators
    if [op.op for op in left] == [op.op for op in right]:
        yield from ((op.index, op.index) for op in left)
