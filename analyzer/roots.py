"""The regions that deviate when each is fed the source's values, on every sample."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from analyzer.bench import Bench
from analyzer.core.errors import RunError
from analyzer.core.options import Options, Progress
from analyzer.core.types import Fault, Feeds, Status
from analyzer.excuses import Excuses
from analyzer.isolation import TRUSTED, Kind, cuts, settle
from analyzer.judge import judged
from analyzer.localize import faults
from analyzer.matching.operators import OperatorPair
from analyzer.matching.tensors import Links
from analyzer.samples import Probe, local_errors, telling
from analyzer.splitting import helpful


def settled(
    bench: Bench,
    place: int,
    operators: Sequence[OperatorPair],
    ends: Links,
    options: Options,
) -> tuple[Links, Mapping[str, Kind]]:
    """Return the pairs that stand isolated runs on one sample, and their tensors' kinds.

    Args:
        bench: What the samples are run on.
        place: The sample's number.
        operators: Operator pairs from weights and structure.
        ends: Links of inputs and outputs, which hold by definition.
        options: Says which evidence counts.
    """
    given = bench.held(place)
    found = settle(
        bench.source,
        bench.target,
        given,
        bench.feeds(place),
        bench.seen(place, given),
        operators,
        ends,
        options.evidence,
    )
    return found.links, found.known


def isolated_values(
    bench: Bench, links: Links, place: int, known: Mapping[str, Kind]
) -> Feeds:
    """Return what the target's regions give for one sample when each is fed.

    Args:
        bench: What the samples are run on.
        links: Tensor pairs by target tensor.
        place: The sample's number.
        known: Kind of each target tensor.
    """
    probe = Probe(bench.held(place), bench.feeds(place))
    return local_errors(bench.target, links, probe, known)[2]


@dataclass(frozen=True, slots=True, eq=False)
class Roots:
    """What deviates under some links: the faults, and the samples that show them.

    Attributes:
        links: Tensor pairs by target tensor.
        faults: Root faults and drift, worst first.
        deviating: Target tensors whose regions deviate.
        places: Numbers of the samples that show it most plainly, the plainest first.
        probes: Those samples.
    """

    links: Links
    faults: tuple[Fault, ...]
    deviating: frozenset[str]
    places: tuple[int, ...]
    probes: tuple[Probe, ...]


def roots_of(
    bench: Bench,
    links: Links,
    ranked: Sequence[int],
    known: Mapping[str, Kind],
    options: Options,
    progress: Progress,
) -> Roots:
    """Return the regions that deviate when each reads the source's values.

    Args:
        bench: What the samples are run on.
        links: Tensor pairs by target tensor.
        ranked: Number of each sample, the worst first.
        known: Kind of each target tensor.
        options: Seed of the noise.
        progress: Told what is being done.
    """
    errors: list[dict[str, float]] = []
    for done, number in enumerate(reversed(ranked)):  # the worst is still there at the end
        regions = f"{len(links)} regions"
        progress(f"isolating {regions} on sample {number + 1}", done / len(ranked))
        errors.insert(0, _errors_on(bench, links, number, known))
    progress(f"measuring the noise of {len(links)} regions", 0.0)
    partners = {name: link.tensors.source for name, link in links.items()}
    given, feeds = bench.held(ranked[0]), bench.feeds(ranked[0])
    fed = {**feeds, **cuts(links, given, bench.target.view, known)}
    both = bench.source, bench.target
    met = options.calibrated if options.inputs is None else None
    found = judged(*both, errors, partners, given, fed, options.seed, strict=options.strict)
    del given, fed
    deviating = frozenset(one.name for one in found)
    places = telling(ranked, errors, deviating) if found else ()
    probes = tuple(Probe(bench.held(n), bench.feeds(n)) for n in places)
    progress(f"testing the causes of {len(found)} deviations", 0.0)
    excuses = Excuses(*both, links, probes, known, deviating)
    seen = partial(faults, *both, links, found, errors, probes, known, calibrated=met)
    if options.strict:
        return Roots(links, seen(), deviating, places, probes)
    roots = excuses.judged(seen(clears=excuses.clears), settled=False)
    return Roots(links, roots, deviating, places, probes)


def _errors_on(
    bench: Bench, links: Links, place: int, known: Mapping[str, Kind]
) -> dict[str, float]:
    """Return each region's error on one sample, whose values go before the next one's."""
    probe = Probe(bench.given(place), bench.feeds(place))
    return local_errors(bench.target, links, probe, known)[0]


def joined_roots(
    bench: Bench,
    apart: Roots,
    ranked: Sequence[int],
    known: Mapping[str, Kind],
    options: Options,
    progress: Progress,
) -> Roots:
    """Return the roots with those regions joined to the next between which a pair misleads.

    Two spellings may agree in what comes behind a tensor and not in the tensor itself: a
    mask that is added and one that is chosen. A cause before it then never cures its
    region, but cures the one that ends where they agree.

    Args:
        bench: What the samples are run on.
        apart: The roots with all pairs.
        ranked: Number of each sample, the worst first.
        known: Kind of each target tensor.
        options: Seed of the noise.
        progress: Told what is being done.
    """
    unexplained = [fault for fault in _told(apart) if not fault.is_explained]
    doubtful = {
        name
        for fault in unexplained
        for name in fault.target.outputs
        if _is_doubtful(bench, apart.links, name)
    }
    if not doubtful:
        return apart
    kept = {name: link for name, link in apart.links.items() if name not in doubtful}
    try:
        joined = roots_of(bench, kept, ranked, known, options, progress)
    except RunError:  # a node does not take what its counterpart reads
        return apart
    left = [fault for fault in _told(joined) if not _is_blamed(fault)]
    fewer = len(left) < len(unexplained) and len(_told(joined)) <= len(_told(apart))
    return joined if fewer else apart


def _told(roots: Roots) -> tuple[Fault, ...]:
    """Return the faults without drift, which needs no cause."""
    return tuple(one for one in roots.faults if one.status is not Status.DRIFT)


def _is_blamed(fault: Fault) -> bool:
    """Return whether the cause test cures the region by a node that the target has."""
    known = (one for one in fault.differences if one.target_node is not None)
    return any(map(fault.is_cured_by, known))


def _is_doubtful(bench: Bench, links: Links, name: str) -> bool:
    """Return whether a pair of a deviating region rests on structure alone."""
    if name not in links or name in bench.target.view.outputs:
        return False
    return not links[name].tensors.exact and links[name].score < TRUSTED


def split_roots(  # noqa: PLR0913 - see `roots_of`
    bench: Bench,
    whole: Roots,
    between: Links,
    ranked: Sequence[int],
    known: Mapping[str, Kind],
    options: Options,
    progress: Progress,
) -> Roots:
    """Return the roots with those regions cut in which a pair between them tells more.

    Args:
        bench: What the samples are run on.
        whole: The roots without these cuts.
        between: The pairs to cut at.
        ranked: Number of each sample, the worst first.
        known: Kind of each target tensor.
        options: Seed of the noise.
        progress: Told what is being done.
    """

    def with_cuts(cuts: Links) -> Roots:
        links = {**whole.links, **cuts}
        return roots_of(bench, links, ranked, known, options, progress)

    try:
        tried = with_cuts(between)
        both = bench.source, bench.target
        kept = helpful(*both, whole.faults, tried.faults, between, whole.links)
        if not kept or kept.keys() == between.keys():
            return tried if kept else whole
        return with_cuts(kept)
    except RunError:  # a node does not take what its counterpart reads
        return whole
