"""From certain pairs to their neighbours, in the BinDiff manner."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from analyzer.matching.labels import COMMUTATIVE
from analyzer.view import Operator, View

Pairs = Mapping[int, int]
"""Target operator index by source operator index."""

Fits = Callable[[Operator, Operator], bool]


def propagate(source: View, target: View, seeds: Pairs, fits: Fits) -> dict[int, int]:
    """Return the seeds and every pair that follows from them along edges.

    Two unpaired operators are paired when a pair of neighbours is: they are read at the
    same place, or they are the only ones of their kind among the readers.

    Args:
        source: The source's macro graph.
        target: The target's macro graph.
        seeds: Certain pairs; they stay.
        fits: Whether two operators may be paired at all.

    Source:
        Dullien and Rolles, Graph-based comparison of executable objects, SSTIC 2005.
    """
    pairs = dict(seeds)
    taken = set(pairs.values())
    waiting = list(pairs.items())
    while waiting:
        one, other = waiting.pop()
        if all(index in pairs for index in (*source.before[one], *source.after[one])):
            continue
        found = _beside(source, target, source.operators[one], target.operators[other])
        for left, right in found:
            if left.index in pairs or right.index in taken or not fits(left, right):
                continue
            pairs[left.index] = right.index
            taken.add(right.index)
            waiting.append((left.index, right.index))
    return pairs


def _beside(
    source: View, target: View, one: Operator, other: Operator
) -> Iterator[tuple[Operator, Operator]]:
    yield from _before(source, target, one, other)
    yield from _alone_of_their_kind(_after(source, one), _after(target, other))


def _before(
    source: View, target: View, one: Operator, other: Operator
) -> Iterator[tuple[Operator, Operator]]:
    left = [source.operators[index] for index in source.before[one.index]]
    right = [target.operators[index] for index in target.before[other.index]]
    if len(left) == len(right) and (len(left) == 1 or one.op not in COMMUTATIVE):
        yield from zip(left, right, strict=True)
    else:
        yield from _alone_of_their_kind(left, right)


def _after(view: View, operator: Operator) -> Sequence[Operator]:
    return [view.operators[index] for index in view.after[operator.index]]


def _alone_of_their_kind(
    left: Sequence[Operator], right: Sequence[Operator]
) -> Iterator[tuple[Operator, Operator]]:
    kinds = Counter(op.op for op in left)
    others = Counter(op.op for op in right)
    for one in left:
        if kinds[one.op] == others[one.op] == 1:
            yield one, next(op for op in right if op.op == one.op)


def substitutes(source: View, target: View, pairs: Pairs) -> Iterator[tuple[int, int]]:
    """Yield unpaired operators of any kind that stand between the same paired neighbours.

    An operator that a converter replaced by another one has no counterpart of its kind, but
    all that it reads and all that reads it does.

    Args:
        source: The source's macro graph.
        target: The target's macro graph.
        pairs: Operator pairs found so far.
    """
    taken = set(pairs.values())
    places: dict[tuple[frozenset[int], frozenset[int]], list[int]] = {}
    for operator in target.operators:
        if operator.index not in taken:
            places.setdefault(_around(target, operator.index), []).append(operator.index)
    for operator in source.operators:
        if operator.index in pairs:
            continue
        before, after = _around(source, operator.index)
        if not before <= pairs.keys() or not after <= pairs.keys() or not before:
            continue
        place = frozenset(pairs[i] for i in before), frozenset(pairs[i] for i in after)
        if len(places.get(place, ())) == 1:
            yield operator.index, places[place][0]


def _around(view: View, index: int) -> tuple[frozenset[int], frozenset[int]]:
    return frozenset(view.before[index]), frozenset(view.after[index])
