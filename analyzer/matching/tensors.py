"""Tensor pairs: what operator pairs propose, and what values confirm, correct and add."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.core.options import EVIDENCE
from analyzer.core.types import Array, Feeds, Permutation, TensorPair
from analyzer.matching.inherited import inherited_layout, keeps_order
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
from analyzer.matching.proposals import Proposal, operands, proposals
from analyzer.matching.scene import Scene, operator_of
from analyzer.matching.values import SAME_VALUES, ValueMatch, is_telling, value_matches
from analyzer.view import View

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

OUTDONE = Link(TensorPair("", ""), 0.0, ())
"""Stands for a link that is dropped because another target tensor fits far better."""


def linked(  # noqa: PLR0913 - both views, both dumps, what is proposed and what is ruled out
    source: View,
    target: View,
    given: Feeds,
    seen: Feeds,
    operators: Sequence[OperatorPair],
    known: Links,
    banned: frozenset[tuple[str, str]] = frozenset(),
    *,
    evidence: frozenset[str] = EVIDENCE,
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
        evidence: Kinds of evidence to use: without ``values``, proposals are all there is.
    """
    scene = Scene(source, target, given, seen, banned)
    proposed = [
        one
        for one in proposals(source, target, operators)
        if one.target not in known and one.target in seen
    ]
    if "values" not in evidence:
        return {**known, **_guessed(scene, known, proposed)}
    agreed = _agreed(scene, proposed, known)
    links = {**known, **{name: link for name, (link, _) in agreed.items()}}
    loose = {name: error for name, (_, error) in agreed.items() if error > SURELY_SAME}
    links |= _found(scene, links, loose, proposed)
    links = {name: link for name, link in links.items() if link is not OUTDONE}
    links |= _guessed(scene, links, proposed)
    read = operands(source, target, operators)
    return links | _guessed(scene, links, _free(scene, links, read))


def _free(scene: Scene, links: Links, read: Iterable[Proposal]) -> Iterator[Proposal]:
    """Yield proposals of tensors that no link holds on either side."""
    taken = {link.tensors.source for link in links.values()}
    for one in read:
        if one.target in scene.seen and not taken.intersection(one.options):
            yield one


def _agreed(
    scene: Scene, proposed: Iterable[Proposal], known: Links
) -> dict[str, tuple[Link, float]]:
    """Return the proposals whose values agree, and their disagreement, in spreads."""
    found: dict[str, tuple[Link, float]] = {}
    orders, alike = preferred_orders(known.values()), _plain(known)
    for proposal in proposed:
        right = proposal.target
        array = scene.seen[right]
        for left in scene.options(proposal) if right not in found else ():
            fixed = scene.fixed(left, right)
            close = best_layout(
                scene.given[left], array, orders, limit=SAME_VALUES, fixed=fixed
            )
            if close is None:
                continue
            if close[0] != SAME and scene.keeps_shape(left, right, alike):
                continue
            alike |= {right: left} if close[0] == SAME else {}
            values = ("values",) if is_telling(array) else ()
            reasons = (*proposal.operators.reasons, *values)
            link = _link(left, right, close[0], reasons, exact=bool(values))
            found[right] = link, close[1]
            break
    return found


def _likely(
    scene: Scene,
    links: Links,
    proposed: Sequence[Proposal],
    matches: Iterable[ValueMatch],
) -> tuple[ValueMatch, ...]:
    """Return the matches, those of nodes left out that but pass on what they read.

    A node that does nothing, though it should, holds another operator's result. Where
    structure proposes its own, it waits for that.
    """
    own = {
        proposal.target
        for proposal in proposed
        if any(scene.same_op(name, proposal.target) for name in scene.options(proposal))
    }
    alike = _plain(links)
    refused = set(scene.banned) | {
        (name, proposal.target)
        for proposal in proposed
        for name in scene.options(proposal)
        if scene.keeps_shape(name, proposal.target, alike)
    }
    left = [
        one
        for one in matches
        if (one.source, one.target) not in refused
        and not scene.is_crossed(one.source, one.target)
    ]
    given = {match.source for match in left if scene.same_op(match.source, match.target)}
    taken = {link.tensors.source for link in links.values() if link.tensors.exact}
    return tuple(
        match
        for match in left
        if match.target not in own
        or match.source
        not in (taken if scene.same_op(match.source, match.target) else taken | given)
    )


def _found(
    scene: Scene,
    links: Links,
    loose: Mapping[str, float],
    proposed: Sequence[Proposal],
) -> dict[str, Link]:
    """Return links by value, for tensors without one and for those that fit loosely.

    A loose link for whose source tensor another target tensor fits far better becomes
    `OUTDONE`: tanh of little is little.
    """
    unknown = sorted(
        scene.seen.keys() & scene.target.order.keys() - (links.keys() - loose.keys()),
        key=scene.target.order.__getitem__,
    )
    sources = [name for name in scene.given if name in scene.source.order]
    orders = preferred_orders(links.values())
    matches = _likely(
        scene,
        links,
        proposed,
        value_matches(scene.given, scene.seen, unknown, sources, orders, scene.fixed),
    )
    closest = _closest(links, matches, scene.given, scene.seen)
    found = {
        match.target: _link(
            match.source, match.target, match.layout, ("values",), exact=True
        )
        for match in _best_matches(scene.source, scene.target, matches, closest)
        if NEXT_CLOSEST * match.error < loose.get(match.target, np.inf)
    }
    outdone = {
        name: OUTDONE
        for name, error in loose.items()
        if name not in found
        and error > NEXT_CLOSEST * closest.get(links[name].tensors.source, error)
    }
    return {**found, **outdone}


def _guessed(scene: Scene, links: Links, proposed: Iterable[Proposal]) -> dict[str, Link]:
    """Return tentative links for the proposals whose values do not agree."""
    orders = preferred_orders(links.values())
    found: dict[str, Link] = {}
    alike = _plain(links)
    known = {name: link.tensors for name, link in links.items()}
    for proposal in proposed:
        right, options = proposal.target, scene.options(proposal)
        if right in links or right in found or not options:
            continue
        array = scene.seen[right]
        left = _of_same_size(scene.given, array, options)
        layout = (
            SAME  # of other sizes even: then its sizes are what is wrong
            if keeps_order(scene.source, scene.target, left, right, alike)
            else inherited_layout(scene.source, scene.target, left, right, known)
            or _usual_layout(scene.given[left], array, orders)
            or likeliest_layout(
                scene.given[left], array, orders, fixed=scene.fixed(left, right)
            )
        )
        link = _link(left, right, layout, proposal.operators.reasons, exact=False)
        found[right], known[right] = link, link.tensors
        alike |= {right: left} if _is_plain(link) else {}
    return found


def _usual_layout(
    source: Array, target: Array, orders: Sequence[Permutation]
) -> Layout | None:
    """Return the usual order of a rank's axes where it does not give the target's sizes.

    Then its sizes are what is wrong. None where it has the source's sizes, or others.
    """
    order = next((one for one in orders if len(one) == source.ndim == target.ndim), None)
    if order is None or target.shape in {source.shape, source.transpose(order).shape}:
        return None
    return Layout(order, None) if sorted(source.shape) == sorted(target.shape) else None


def _plain(links: Links) -> dict[str, str]:
    """Return the source tensor of each target tensor that lies as its counterpart does."""
    return {name: link.tensors.source for name, link in links.items() if _is_plain(link)}


def _is_plain(link: Link) -> bool:
    return layout_of(link.tensors) == SAME


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
        rank = (
            not same_op,
            operator_of(source, match.source) != operator_of(target, match.target),
            round(match.error, 4),
            source.order[match.source],
        )
        if match.target not in best or rank < best[match.target][0]:
            best[match.target] = rank, match
    return tuple(match for _, match in best.values())


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
    recut = layout.shape is not None and source.ndim == target.ndim  # as no layout is
    plain = layout.permutation is None and not recut
    usual = plain or layout.permutation in preferred
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
