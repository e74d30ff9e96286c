"""Do two models agree everywhere? One look at each sample, before any search for faults.

Where an ordinary run already agrees, that is the look. Where rounding has piled up on the
way through a deep network, the target is fed the source's values at every pair instead, so
that what is seen is each region's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from analyzer.bench import Bench
from analyzer.core.errors import RunError
from analyzer.core.options import Options, Progress
from analyzer.core.types import Array, Feeds
from analyzer.first import First
from analyzer.judge import NEGLIGIBLE, judged, least_noise
from analyzer.matching.tensors import Link, Links
from analyzer.regions import reached
from analyzer.samples import Probe, gaps_on, local_errors, ordinary_errors, outputs_of
from analyzer.view import View

PLAIN = 100.0 * NEGLIGIBLE
"""Local error above which nobody asks whether it is rounding before all has been looked at:
float32 regions of any depth stay a factor of ten below it."""

Native = tuple[Sequence[Feeds], Sequence[Feeds]]
"""Outputs of both native runtimes, sample by sample, as far as they were run."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What one sample shows.

    Attributes:
        errors: Errors of the pairs by target tensor, in an ordinary run or isolated.
        outputs: Outputs of the source and of the target.
        gaps: Deviation of each pivot from its native runtime.
        probe: The source's values and the target's inputs.
        fed: What an isolated target was fed; None in an ordinary run.
    """

    errors: Mapping[str, float]
    outputs: tuple[Feeds, Feeds]
    gaps: tuple[float, float]
    probe: Probe
    fed: Feeds | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """What is known of two models where all of them agrees.

    Attributes:
        links: The tensor pairs by target tensor, those exact that were seen to be.
        outputs: Both models' outputs on every sample.
        gaps: Deviation of each pivot from its native runtime, sample by sample.
    """

    links: Links
    outputs: tuple[tuple[Feeds, ...], tuple[Feeds, ...]]
    gaps: tuple[tuple[float, ...], tuple[float, ...]]


def agreement(
    bench: Bench,
    first: First,
    native: Native,
    options: Options,
    progress: Progress,
) -> Agreement | None:
    """Return that two models agree in every pair on every sample, or None.

    Args:
        bench: What the samples are run on.
        first: What the first sample shows: the pairs, and how far they agree there.
        native: Outputs of both native runtimes.
        options: Seed of the noise that deviations are compared with.
        progress: Told which sample is being compared.
    """
    view = bench.target.view
    first = replace(first, sized=_noticed(view, first))
    links = first.sized
    if any(name in view.dynamic and name not in links for name in view.outputs):
        return None
    outputs, gaps, local = [], [], []
    flows, last = True, None
    count = len(bench.probes)
    for place in range(count):
        progress(f"comparing {len(links)} tensors on sample {place + 1}", place / count)
        last = None  # a sample's values go before the next one's come
        last = _look(bench, place, first, native, flows=flows)
        if last is None or max(last.errors.values(), default=0.0) > PLAIN:
            return None
        flows = last.fed is None
        outputs.append(last.outputs)
        gaps.append(last.gaps)
        local.append({} if flows else last.errors)
    if last and _is_beyond_noise(bench, links, local, last, options):
        return None
    ours, theirs = zip(*outputs, strict=True)
    source_gaps, target_gaps = zip(*gaps, strict=True)
    known = links if flows else _exact(links)
    return Agreement(known, (ours, theirs), (source_gaps, target_gaps))


def _noticed(view: View, first: First) -> Links:
    """Return the pairs but those of pads whose filling nobody notices on the first sample.

    Zeros and the least number there is are the same before a maximum of what a ReLU gave:
    the region that is then looked at ends behind both. What computes is left in: a weight
    that no sample excites is to be told as one.
    """
    links, ends = first.sized, first.ends.keys()
    plain = {name for name in links if first.errors.get(name, 0.0) > PLAIN}
    if not plain or not plain.isdisjoint(ends):
        return links
    reads = reached(view, links.keys())
    wrong = {edge for name in plain for edge in reads.get(name, ())}
    givers = {name: view.giver.get(name) for name in plain - wrong}
    pads = {name for name, node in givers.items() if node is not None and node.op == "Pad"}
    return {name: link for name, link in links.items() if name not in pads}


def _exact(links: Links) -> dict[str, Link]:
    """Return links as they are where each region, fed the source's values, was right.

    In an ordinary run, rounding from further up may have made them look inexact.
    """
    return {
        name: replace(link, tensors=replace(link.tensors, exact=True))
        for name, link in links.items()
    }


def _is_beyond_noise(
    bench: Bench,
    links: Links,
    errors: Sequence[Mapping[str, float]],
    last: Look,
    options: Options,
) -> bool:
    if last.fed is None:
        return False
    partners = {name: link.tensors.source for name, link in links.items()}
    sides = bench.source, bench.target
    given, fed, seed = last.probe.given, last.fed, options.seed
    found = judged(*sides, errors, partners, given, fed, seed, strict=options.strict)
    return bool(found)


def _look(
    bench: Bench,
    place: int,
    first: First,
    native: Native,
    *,
    flows: bool,
) -> Look | None:
    """Return what a sample shows; None where a pair cannot be looked at."""
    links = first.sized
    probe = Probe(bench.given(place), bench.feeds(place))
    ours = outputs_of(bench.source.view, probe.given)
    if flows or place < len(native[1]) or not native[1]:
        errors, theirs = _flowed(bench, place, first, probe.given)
        gaps = gaps_on(place, ours, theirs, native)
        if flows and all(error <= NEGLIGIBLE for error in errors.values()):
            return Look(errors, (ours, theirs), gaps, probe)
    else:
        gaps = gaps_on(place, ours, {}, native)
        ours, theirs = _alike(bench, place, links, ours)
    try:
        errors, fed, _ = local_errors(bench.target, links, probe, first.known)
    except RunError:  # a wrong pair, which the search for faults finds out
        return None
    if any(name in bench.target.view.giver and name not in errors for name in links):
        return None
    return Look(errors, (ours, theirs), gaps, probe, fed)


def _flowed(
    bench: Bench, place: int, first: First, given: Feeds
) -> tuple[Mapping[str, float], Feeds]:
    """Return the pairs' errors in an ordinary run, and the target's outputs."""
    if place == 0:
        known = first.errors
        errors = {name: known[name] for name in first.sized if name in known}
        return errors, first.outputs[1]
    seen = bench.seen(place, given)
    return ordinary_errors(first.sized, given, seen), outputs_of(bench.target.view, seen)


def _alike(
    bench: Bench, place: int, links: Links, ours: Feeds
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return both models' outputs on a sample, neither or both of them optimized.

    Where the dumped source agrees with the optimized target that is all one wants to know;
    else the source is run optimized as well: some networks amplify what is left out.
    """
    theirs = dict(bench.pivot.run_native(bench.feeds(place)))
    errors = ordinary_errors({n: links[n] for n in theirs if n in links}, ours, theirs)
    limit = max(least_noise(bench.origin), least_noise(bench.pivot))
    if max(errors.values(), default=0.0) > limit:
        return dict(bench.origin.run_native(bench.probes[place])), theirs
    return dict(ours), theirs
