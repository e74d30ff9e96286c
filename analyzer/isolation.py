"""Isolation rounds: the target cut at its paired tensors and fed the source's values there.

An error there is local, so a root; an error seen only in the ordinary run is inherited.
A wrong pair betrays itself: neither its region nor any that reads it comes out right.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.core.errors import RunError
from analyzer.core.options import EVIDENCE
from analyzer.core.types import Array, Feeds, Node
from analyzer.differences.alignment import fitted
from analyzer.matching.crossed import crossed
from analyzer.matching.layouts import layout_of
from analyzer.matching.operators import OperatorPair, fits
from analyzer.matching.propagate import propagate, substitutes
from analyzer.matching.tensors import Link, Links, agrees, carried_or_none, linked
from analyzer.matching.values import is_telling
from analyzer.regions import reached, region
from analyzer.sides import Side, isolation_run
from analyzer.suspects import ACTIVATIONS
from analyzer.view import View
from analyzer.view.absorb import AFFINE_OPS, label

MAX_ROUNDS = 8
"""Isolation runs that correct pairs, at most; inception with four faults needs three."""

TRUSTED = 0.85
"""Confidence at which a pair stands without a run's word: two independent witnesses."""

WEIGHTY = frozenset({"weights", "fingerprint"})
"""Witnesses that know one layer from its twin; structure alone errs among spellings."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a cut must be for its readers to load: the target tensor's dtype and rank."""

    dtype: str
    rank: int


@dataclass(frozen=True, slots=True, eq=False)
class Isolated:
    """What the isolation rounds leave.

    Attributes:
        links: Tensor pairs by target tensor; those that a run refuted are gone.
        seen: What each region of the target gave, by target tensor.
        rounds: Isolation runs made.
        known: Kind of each target tensor.
    """

    links: Links
    seen: Feeds
    rounds: int
    known: Mapping[str, Kind]


PLACED = frozenset({"structure before", "structure after"})
"""Evidence that two tensors lie between the same operators."""


def kinds(values: Feeds) -> dict[str, Kind]:
    """Return the kind of each tensor, by name."""
    return {name: Kind(str(value.dtype), value.ndim) for name, value in values.items()}


def cuts(
    links: Links, given: Feeds, view: View, known: Mapping[str, Kind]
) -> dict[str, Array]:
    """Return the source's values at the cuts, in the target's layout, by target tensor.

    Args:
        links: Tensor pairs by target tensor.
        given: The source's values of one sample, by source tensor.
        view: The target's macro graph; its inputs are fed, never cut.
        known: Kind of each target tensor; a value of another rank is no cut.
    """
    found = {}
    for name, link in links.items():
        if name not in view.giver or link.tensors.source not in given:
            continue
        value = carried_or_none(given[link.tensors.source], layout_of(link.tensors))
        if value is None or (name in known and known[name].rank != value.ndim):
            continue
        dtype = known[name].dtype if name in known else str(value.dtype)
        held = value if str(value.dtype) == dtype else fitted(value, np.dtype(dtype))
        found[name] = np.require(held, requirements="C")
    return found


def feasible(
    target: Side, links: Links, given: Feeds, feeds: Feeds, known: Mapping[str, Kind]
) -> tuple[Links, Feeds, Feeds]:
    """Return the links at which the target takes the source's values, and what came of it.

    Where a node refuses what it is fed, the pairs around it are wrong: those its region
    reads are dropped, the unproven first, until everything runs.

    Args:
        target: The target.
        links: Tensor pairs by target tensor.
        given: The source's values of one sample.
        feeds: The target's inputs of that sample.
        known: Kind of each target tensor.

    Raises:
        RunError: A node refuses although nothing is fed to it.
    """
    left = dict(links)
    while True:
        fed = cuts(left, given, target.view, known)
        try:
            held = target.known(left, fed, given, feeds)
            seen = isolation_run(target, fed, feeds, held)
            return _cuttable(target.view, left, fed), fed, seen
        except RunError as refusal:
            blamed = _around(target.view, refusal.node, fed.keys(), left)
            if not blamed:
                raise
            left = {name: link for name, link in left.items() if name not in blamed}


def _cuttable(view: View, links: Links, fed: Feeds) -> Links:
    """Return the links that were cut, and those of inputs and outputs, which hold anyhow.

    A link that no layout lets through is no end of a region: the walk back must pass it.
    """
    return {
        name: link
        for name, link in links.items()
        if name in fed or name not in view.giver or name in view.outputs
    }


def _around(view: View, node: str, fed: Collection[str], links: Links) -> frozenset[str]:
    """Return the cuts that a refusing node's region reads: unproven ones, if any."""
    stopped = next((one for one in view.nodes if one.name == node), None)
    if stopped is None:
        return frozenset(fed)
    edges = region(view, [name for name in stopped.outputs if name], fed).inputs
    found = [name for name in edges if name in fed]
    unproven = [name for name in found if not links[name].tensors.exact]
    return frozenset(unproven or found)


def settle(  # noqa: PLR0913 - both sides, their dumps, and what is known of their pairs
    source: Side,
    target: Side,
    given: Feeds,
    feeds: Feeds,
    ordinary: Feeds,
    operators: Sequence[OperatorPair],
    ends: Links,
    evidence: frozenset[str] = EVIDENCE,
) -> Isolated:
    """Return the pairs that survive isolation runs, round by round.

    Args:
        source: The source.
        target: The target.
        given: The source's values of one sample.
        feeds: The target's inputs of that sample.
        ordinary: The target's values of that sample in an ordinary run.
        operators: Operator pairs from weights and structure.
        ends: Links of inputs and outputs, which hold by definition.
        evidence: Kinds of evidence to use; without ``isolation``, no run corrects a pair.
    """
    banned: frozenset[tuple[str, str]] = frozenset()
    dropped: list[Link] = []
    known = kinds(ordinary)
    views = source.view, target.view
    links = linked(*views, given, ordinary, operators, ends, evidence=evidence)
    del ordinary  # a whole dump, which the rounds do without
    for count in range(1, MAX_ROUNDS + 1):
        taken, seen = _taken(target, links, given, feeds, known)
        if "isolation" not in evidence:
            return Isolated(taken, seen, count, {**kinds(seen), **known})
        kept, refuted = _reviewed(target.view, taken, given, seen, ends)
        banned |= refuted | (_ends(links) - _ends(taken))
        grown = operators
        if "neighbours" in evidence:
            grown = _grown(*views, operators, kept)
        dropped += [link for name, link in links.items() if name not in kept]
        healed = linked(*views, given, seen, grown, kept, banned, evidence=evidence)
        if count == MAX_ROUNDS or _ends(healed) == _ends(links):
            taken = _without_idle(target.view, taken, ends)
            back = _put_back(source.view, target, taken, dropped, given, seen)
            if back:
                both = {**taken, **back}
                split, later = _taken(target, both, given, feeds, known)
                odd = _of_other_sizes(target.view, split, back, seen, later)
                if odd:
                    both = {name: one for name, one in both.items() if name not in odd}
                    split, later = _taken(target, both, given, feeds, known)
                taken, seen = split, later
            return Isolated(taken, seen, count, {**kinds(seen), **known})
        links = healed
        del seen
    raise AssertionError  # the loop returns


def _without_idle(view: View, links: Links, ends: Links) -> dict[str, Link]:
    """Return the links but those to what an activation reads and gives as it is.

    Clipping what was clipped changes nothing, and little of one sample may reach a bound:
    where what comes out is surely the source's tensor, what went in need not be.
    """
    return {
        name: link
        for name, link in links.items()
        if name in ends or not _is_idle(view, name, links)
    }


def _is_idle(view: View, name: str, links: Links) -> bool:
    """Return whether activations alone lead to another, sure place of a link's source."""
    here = name
    while len(readers := view.readers.get(here, ())) == 1:
        if readers[0].op not in ACTIVATIONS:
            return False
        here = readers[0].outputs[0]
        if here in links and links[here].tensors.exact:
            return links[here].tensors.source == links[name].tensors.source
    return False


def _taken(
    target: Side, links: Links, given: Feeds, feeds: Feeds, known: Mapping[str, Kind]
) -> tuple[Links, Feeds]:
    """Return the links at which the target takes the source's values, and what it gave."""
    taken, _, seen = feasible(target, links, given, feeds, known)
    return taken, seen


def _ends(links: Links) -> frozenset[tuple[str, str]]:
    return frozenset((link.tensors.source, link.tensors.target) for link in links.values())


def _reviewed(
    view: View, links: Links, given: Feeds, seen: Feeds, ends: Links
) -> tuple[dict[str, Link], frozenset[tuple[str, str]]]:
    """Return the links that stand after a run, and the pairs it refutes.

    A link stands where its region gives the source's value; where a region that reads it
    does; where it is an output of the model. Of those that do not, only the first on each
    path are refuted: what lies behind may be right once they are gone. Truth values tell
    little of what is compared: there, structure on both sides of it has to agree as well.
    """
    right = {name for name in links if _agrees(name, links, given, seen)}
    reads = reached(view, links.keys())
    vouched = {
        edge
        for name in right
        for edge in reads.get(name, ())
        if is_telling(seen[name]) or _is_compared(seen[name], links.get(edge))
    }
    exact = (name for name in right if links[name].tensors.exact)
    taken = {links[name].tensors.source: name for name in exact}
    doubles = {  # Relu of what Relu gave is the same: such a reader is no proof
        name
        for name, link in links.items()
        if view.root.get(taken.get(link.tensors.source, name)) != view.root.get(name)
    }
    exchanged = crossed(vouched - right - ends.keys(), links, given, seen)
    doubtful = links.keys() - right - (vouched - doubles - exchanged) - ends.keys()
    first = {name for name in doubtful if not doubtful & reads.get(name, frozenset())}
    refuted = frozenset((links[name].tensors.source, name) for name in first)
    return {name: link for name, link in links.items() if name not in first}, refuted


def _is_compared(value: Array, link: Link | None) -> bool:
    """Return whether truth values come of a tensor that structure alone pairs safely."""
    placed = link is not None and set(link.reasons) >= PLACED
    return placed and value.dtype == np.bool_


def _agrees(name: str, links: Links, given: Feeds, seen: Feeds) -> bool:
    link = links[name]
    return (
        name in seen
        and link.tensors.source in given
        and agrees(given[link.tensors.source], seen[name], link.tensors)
    )


def _put_back(
    source: View,
    target: Side,
    links: Links,
    dropped: Sequence[Link],
    given: Feeds,
    seen: Feeds,
) -> dict[str, Link]:
    """Return the dropped links that split a deviating region in two.

    Two faults in a row refute the pair between them, since neither region around it comes
    out right; where its own weights vouch for that pair, both are faults. In the place of
    a pair that stands, it has to be of two tensors that operators of one kind give.
    """
    wrong = [
        name for name in links if name in seen and not _agrees(name, links, given, seen)
    ]
    inside = {
        tensor
        for name in wrong
        for node in region(target.view, (name,), links.keys()).nodes
        for tensor in node.outputs
    }
    settled = {link.tensors.source for link in links.values() if link.tensors.exact}
    return {
        link.tensors.target: link
        for link in reversed(dropped)  # what was proposed first was likeliest
        if link.tensors.target in inside
        and (link.tensors.target not in links or _is_given_alike(link, source, target.view))
        and link.tensors.source not in settled
        and link.score >= TRUSTED
        and WEIGHTY & set(link.reasons)
    }


def _of_other_sizes(
    view: View, links: Links, back: Collection[str], before: Feeds, after: Feeds
) -> frozenset[str]:
    """Return the links put back at which the source's values change the sizes behind them.

    No two faults in a row do that: on one side the layer computes in other sizes, as a
    dilated convolution does on blocks of its image.
    """
    reads = reached(view, links.keys())
    resized = (
        name
        for name in links
        if name in before and name in after and before[name].shape != after[name].shape
    )
    edges = frozenset(edge for name in resized for edge in reads.get(name, ()))
    return edges & frozenset(back)


def _is_given_alike(link: Link, source: View, target: View) -> bool:
    """Return whether operators of one kind give both tensors of a link."""
    kinds = _kind(source, link.tensors.source), _kind(target, link.tensors.target)
    return bool(kinds[0]) and kinds[0] == kinds[1]


def _kind(view: View, tensor: str) -> str:
    """Return what gives a tensor, what passes it on, adds or scales by constants aside."""
    node = view.giver.get(tensor)
    while node is not None and (node.op == "Identity" or _is_affine(node)):
        read = (name for slot, name in enumerate(node.inputs) if slot not in node.constants)
        before = view.giver.get(next(read, ""))
        if before is None:
            break
        node = before
    return "" if node is None else label(node)


def _is_affine(node: Node) -> bool:
    return node.op in AFFINE_OPS and bool(node.constants)


def _grown(
    source: View, target: View, operators: Sequence[OperatorPair], links: Links
) -> tuple[OperatorPair, ...]:
    """Return operator pairs that follow from standing links, and old ones they allow."""
    seeds: dict[int, int] = {}
    for link in links.values():
        one, other = (
            source.owner.get(link.tensors.source),
            target.owner.get(link.tensors.target),
        )
        if link.tensors.exact and one and other and one.op == other.op:
            seeds.setdefault(one.index, other.index)
    old = {pair.source: pair for pair in operators}
    taken = set(seeds.values())
    for pair in operators:
        if pair.source not in seeds and pair.target not in taken:
            seeds[pair.source] = pair.target
            taken.add(pair.target)
    grown = propagate(source, target, seeds, fits)
    grown |= dict(substitutes(source, target, grown))
    return tuple(
        old[one]
        if one in old and old[one].target == other
        else OperatorPair(one, other, ("neighbours",))
        for one, other in sorted(grown.items())
    )
