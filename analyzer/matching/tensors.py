"""Tensor pairs: what operator pairs propose, and what values confirm, correct and add."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analyzer.core.types import Array, Feeds, Node, Permutation, TensorPair
from analyzer.matching.layouts import (
    SAME,
    Layout,
    best_layout,
    carried,
    disagreement,
    layout_of,
    layouts,
    pair,
    spread,
)
from analyzer.matching.operators import TRUST, OperatorPair
from analyzer.matching.values import SAME_VALUES, ValueMatch, is_telling, value_matches
from analyzer.view import INPUT, Operator, View
from analyzer.view.absorb import PAD_OPS

LOOKED_AT = 4096
"""Elements by which the likeliest layout of two differing tensors is chosen."""


SURELY_SAME = 1e-4
"""Disagreement, in spreads, that no bias or activation between two tensors hides behind."""

NEXT_CLOSEST = 3.0
"""Factor by which a tensor may fit worse than another one fits the same source tensor: in a
quantized model a sum before its bias still resembles the sum behind it."""

PLAINLY_CLOSER = 0.25
"""Factor on the distance under an order of axes that is usual in this pair of models: where
values are wrong and sizes equal, only a far better fit speaks for an unusual one."""


@dataclass(frozen=True, slots=True)
class Link:
    """A tensor pair, and how far it is believed.

    Attributes:
        tensors: The pair.
        score: Confidence in [0, 1].
        reasons: The evidence.
    """

    tensors: TensorPair
    score: float
    reasons: tuple[str, ...]


Links = Mapping[str, Link]
"""Links by target tensor name."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A target tensor, and the source tensors of the paired operator it may be.

    Attributes:
        target: Target tensor name.
        options: Source tensor names, the likeliest first.
        operators: The operator pair behind it.
    """

    target: str
    options: tuple[str, ...]
    operators: OperatorPair


def proposals(
    source: View, target: View, operators: Iterable[OperatorPair]
) -> Iterator[Proposal]:
    """Yield the tensors that paired operators give, output by output.

    Args:
        source: The source's macro graph.
        target: The target's macro graph.
        operators: See `analyzer.matching.operators.operator_pairs`.
    """
    for both in operators:
        one, other = source.operators[both.source], target.operators[both.target]
        slots = _slots(one.nodes, other.nodes)
        if slots:
            yield from (Proposal(right, (left,), both) for left, right in slots)
            continue
        options = tuple(reversed(_before_pads(source, one)))
        for name in _ends(target, other):
            yield Proposal(name, options, both)


def _before_pads(view: View, operator: Operator) -> tuple[str, ...]:
    """Return an operator's tensors, padded ones first: they are the last resort."""
    padded = [
        n for n in operator.tensors if n in view.giver and view.giver[n].op in PAD_OPS
    ]
    return (*padded, *(name for name in operator.tensors if name not in padded))


def _ends(view: View, operator: Operator) -> tuple[str, ...]:
    """Return the tensors an operator hands on, and what they were before padding."""
    last = operator.outputs[-1:]
    giver = view.giver.get(last[0]) if last else None
    return (*last, giver.inputs[0]) if giver and giver.op in PAD_OPS else last


def _slots(one: Sequence[Node], other: Sequence[Node]) -> list[tuple[str, str]]:
    """Return the outputs of operators that give several (TopK, Split), slot by slot."""
    if not one or not other or max(len(one[0].outputs), len(other[0].outputs)) == 1:
        return []
    both = zip(one[0].outputs, other[0].outputs, strict=False)
    return [(left, right) for left, right in both if left and right]


def linked(  # noqa: PLR0913 - both views, both dumps, what is proposed and what is ruled out
    source: View,
    target: View,
    given: Feeds,
    seen: Feeds,
    operators: Sequence[OperatorPair],
    known: Links,
    banned: frozenset[tuple[str, str]] = frozenset(),
) -> dict[str, Link]:
    """Return a link for each target tensor that has a counterpart.

    Proposals whose values agree are certain; target tensors no proposal explains are looked
    for among all of the source's values; what is left of the proposals is tentative.

    Args:
        source: The source's macro graph.
        target: The target's macro graph.
        given: The source's values of one sample.
        seen: The target's values of the same sample, or of an isolation run on it.
        operators: Operator pairs, the best known so far.
        known: Links that stay.
        banned: Pairs that a run has refuted.
    """
    orders = preferred_orders(known.values())
    links = dict(known)

    def fixed(left: str, right: str) -> bool:
        return left in source.channels_first and right in target.channels_first

    tentative: list[Proposal] = []
    loose: dict[str, float] = {}
    for proposal in proposals(source, target, operators):
        right = proposal.target
        if right in links or right not in seen:
            continue
        options = [n for n in proposal.options if n in given and (n, right) not in banned]
        tries = (
            (
                n,
                best_layout(
                    given[n], seen[right], orders, limit=SAME_VALUES, fixed=fixed(n, right)
                ),
            )
            for n in options
        )
        found = next(((name, close) for name, close in tries if close is not None), None)
        if found is None:
            tentative.append(replace(proposal, options=tuple(options)))
            continue
        reasons = (
            *proposal.operators.reasons,
            *(("values",) if is_telling(seen[right]) else ()),
        )
        links[right] = _link(
            found[0], right, found[1][0], reasons, exact="values" in reasons
        )
        if found[1][1] > SURELY_SAME:
            loose[right] = found[1][1]
    orders = preferred_orders(links.values())
    unknown = sorted(
        seen.keys() & target.order.keys() - (links.keys() - loose.keys()),
        key=target.order.__getitem__,
    )
    sources = [name for name in given if name in source.order]
    matches = [
        match
        for match in value_matches(given, seen, unknown, sources, orders, fixed)
        if (match.source, match.target) not in banned
    ]
    closest = _closest(links, matches, given, seen)
    for match in _best_matches(source, target, matches, closest):
        if NEXT_CLOSEST * match.error < loose.get(match.target, np.inf):
            links[match.target] = _link(
                match.source, match.target, match.layout, ("values",), exact=True
            )
    for name, error in loose.items():  # tanh of little is little: somebody fits far better
        left = links[name].tensors.source
        if error > NEXT_CLOSEST * closest.get(left, error) and name not in known:
            del links[name]
    for proposal in tentative:
        right = proposal.target
        if right in links or not proposal.options:
            continue
        left = _of_same_size(given, seen[right], proposal.options)
        layout = likeliest_layout(
            given[left], seen[right], orders, fixed=fixed(left, right)
        )
        links[right] = _link(left, right, layout, proposal.operators.reasons, exact=False)
    return links


def _of_same_size(given: Feeds, array: Array, options: Sequence[str]) -> str:
    return next((name for name in options if given[name].size == array.size), options[0])


def _link(
    left: str, right: str, layout: Layout, reasons: Sequence[str], *, exact: bool
) -> Link:
    doubt = float(np.prod([1.0 - TRUST[reason] for reason in reasons]))
    return Link(pair(left, right, layout, exact=exact), 1.0 - doubt, tuple(reasons))


def _closest(
    links: Links, matches: Iterable[ValueMatch], given: Feeds, seen: Feeds
) -> dict[str, float]:
    """Return how closely any target tensor agrees with each source tensor of the matches.

    Linked ones count too: what layer normalization reads and what it centers are alike
    within a percent, and only one of them is the source's tensor.
    """
    closest: dict[str, float] = {}
    for match in matches:
        closest[match.source] = min(match.error, closest.get(match.source, match.error))
    for link in links.values():
        left, right = link.tensors.source, link.tensors.target
        if left in closest and right in seen:
            moved = carried_or_none(given[left], layout_of(link.tensors))
            if moved is not None and moved.shape == seen[right].shape:
                error = disagreement(moved, seen[right], SAME, spread(seen[right]))
                closest[left] = min(error, closest[left])
    return closest


def _best_matches(
    source: View,
    target: View,
    matches: Iterable[ValueMatch],
    closest: Mapping[str, float],
) -> tuple[ValueMatch, ...]:
    """Return one match a target tensor: same kind of operator first, then the closest.

    A tensor and its copy (Identity, Relu of what is positive already) hold the same values;
    the operator's name tells them apart.
    """
    best: dict[str, tuple[tuple[bool, bool, float, int], ValueMatch]] = {}
    for match in matches:
        if match.error > max(NEXT_CLOSEST * closest[match.source], SURELY_SAME):
            continue
        one, other = source.owner[match.source], target.owner[match.target]
        same_op = one.op == other.op
        same_node = _op(source, match.source) == _op(target, match.target)
        rank = (
            not same_op,
            not same_node,
            round(match.error, 4),
            source.order[match.source],
        )
        if match.target not in best or rank < best[match.target][0]:
            best[match.target] = rank, match
    return tuple(match for _, match in best.values())


def _op(view: View, tensor: str) -> str:
    return view.giver[tensor].op if tensor in view.giver else INPUT


def preferred_orders(links: Iterable[Link]) -> tuple[Permutation, ...]:
    """Return the permutations that links carry, the most frequent first."""
    counts = Counter(
        link.tensors.permutation for link in links if link.tensors.permutation is not None
    )
    return tuple(order for order, _ in counts.most_common())


def likeliest_layout(
    source: Array,
    target: Array,
    preferred: Sequence[Permutation] = (),
    *,
    fixed: bool = False,
) -> Layout:
    """Return the layout under which two differing tensors differ least.

    Args:
        source: Of the source's shape.
        target: Of the target's shape; its values may be wrong, its axes rarely are.
        preferred: Permutations seen elsewhere, most frequent first; they win near-ties.
        fixed: Whether the axes keep their order.

    Returns:
        A layout that gives the target's shape, where one exists; else the preferred
        permutation of that rank.
    """
    options = list(layouts(source.shape, target.shape, preferred, fixed=fixed))
    if not options:
        fitting = (p for p in preferred if len(p) == source.ndim == target.ndim)
        order = None if fixed else next(fitting, None)
        return Layout(order, None)
    if len(options) == 1 or source.dtype.kind not in "fiub":
        return options[0]
    return min(options, key=lambda layout: _distance(source, target, layout, preferred))


def _distance(
    source: Array, target: Array, layout: Layout, preferred: Sequence[Permutation]
) -> float:
    step = max(1, target.size // LOOKED_AT)
    with np.errstate(all="ignore"):
        moved = carried(source, layout).reshape(-1)[::step].astype(np.float64)
        gap = np.abs(moved - target.reshape(-1)[::step].astype(np.float64))
    distance = float(np.mean(gap[np.isfinite(gap)])) if np.isfinite(gap).any() else 0.0
    usual = layout.permutation is None or layout.permutation in preferred
    return distance * (PLAINLY_CLOSER if usual else 1.0)


def agrees(source: Array, target: Array, tensors: TensorPair) -> bool:
    """Return whether two tensors hold the same values under their pair's layout."""
    moved = carried_or_none(source, layout_of(tensors))
    if moved is None or moved.shape != target.shape:
        return False
    return disagreement(moved, target, SAME, spread(target)) <= SAME_VALUES


def carried_or_none(array: Array, layout: Layout) -> Array | None:
    """Return the array in another layout, or None where its shape does not allow that."""
    if layout.permutation is not None and len(layout.permutation) != array.ndim:
        return None
    moved = array if layout.permutation is None else array.transpose(layout.permutation)
    if layout.shape is None:
        return moved
    return moved.reshape(layout.shape) if moved.size == np.prod(layout.shape) else None
