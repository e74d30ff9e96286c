"""What each sample shows: the errors of all pairs, and which samples to look at first."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.core.types import Array, Feeds
from analyzer.isolation import Kind, cuts
from analyzer.matching.layouts import layout_of
from analyzer.matching.tensors import Links, carried_or_none
from analyzer.runtime.metrics import relative_error
from analyzer.sides import Side, isolation_run
from analyzer.view import View

KEPT = 3
"""Samples that the evidence is taken from: a rule fits on one and checks on two."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """One sample as both sides saw it: the source's values, and the target's inputs."""

    given: Feeds
    feeds: Feeds


def local_errors(
    target: Side, links: Links, probe: Probe, known: Mapping[str, Kind]
) -> tuple[dict[str, float], Feeds, Feeds]:
    """Return the error of each region of the target when it is fed the source's values.

    Args:
        target: The target.
        links: Tensor pairs by target tensor.
        probe: One sample.
        known: Kind of each target tensor.

    Returns:
        Errors by target tensor (see `relative_error`), what was fed, and what was seen.
    """
    fed = cuts(links, probe.given, target.view, known)
    held = target.known(links, fed, probe.given, probe.feeds)
    seen = isolation_run(target, fed, probe.feeds, held)
    errors = {
        name: relative_error(seen[name], value)
        for name, value in fed.items()
        if name in seen
    }
    computed = (name for name in target.view.outputs if name in target.view.giver)
    misshapen = (name for name in computed if name in links and name in seen)
    errors |= {name: np.inf for name in misshapen if name not in fed}
    return errors, {**probe.feeds, **fed}, seen


def ordinary_errors(links: Links, given: Feeds, seen: Feeds) -> dict[str, float]:
    """Return the relative error of each paired target tensor, infinite for other sizes.

    Args:
        links: Tensor pairs by target tensor.
        given: The source's values of one sample.
        seen: The target's values of the same sample.
    """
    found = {}
    for name, link in links.items():
        if link.tensors.source in given and name in seen:
            value = carried_or_none(given[link.tensors.source], layout_of(link.tensors))
            found[name] = np.inf if value is None else relative_error(seen[name], value)
    return found


def outputs_of(view: View, values: Feeds) -> dict[str, Array]:
    """Return a model's outputs among its values, by tensor name."""
    return {name: values[name] for name in view.outputs if name in values}


def gaps_on(
    place: int, given: Feeds, seen: Feeds, native: tuple[Sequence[Feeds], Sequence[Feeds]]
) -> tuple[float, float]:
    """Return how far both pivots' outputs are from their native runtimes' on one sample.

    Args:
        place: The sample's number.
        given: The source pivot's values, its outputs at least.
        seen: The target pivot's values, likewise.
        native: Outputs of both native runtimes, sample by sample; none where one refused.
    """
    return _gap(given, native[0], place), _gap(seen, native[1], place)


def _gap(pivot: Feeds, native: Sequence[Feeds], place: int) -> float:
    if place >= len(native):
        return 0.0
    both = ((pivot[name], value) for name, value in native[place].items() if name in pivot)
    return max((relative_error(got, want) for got, want in both), default=0.0)


def worst_first(
    errors: Sequence[Mapping[str, float]], outputs: Collection[str]
) -> tuple[int, ...]:
    """Return sample numbers, those whose outputs deviate most first.

    Args:
        errors: Errors of each sample, by target tensor.
        outputs: The target's outputs.
    """

    def damage(place: int) -> tuple[float, float]:
        sample = errors[place]
        at_outputs = max((sample[name] for name in outputs if name in sample), default=0.0)
        return at_outputs, max(sample.values(), default=0.0)

    return tuple(sorted(range(len(errors)), key=damage, reverse=True))


def largest(errors: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the largest error of each tensor over all samples."""
    worst: dict[str, float] = {}
    for sample in errors:
        for name, error in sample.items():
            worst[name] = max(worst.get(name, 0.0), error)
    return worst


def telling(
    ranked: Sequence[int], errors: Sequence[Mapping[str, float]], names: Collection[str]
) -> tuple[int, ...]:
    """Return the samples that show some tensors' errors most plainly, the plainest first.

    Args:
        ranked: Number of each sample.
        errors: Errors of each of them, in the same order.
        names: The tensors that deviate.
    """

    def plainness(row: int) -> float:
        return sum(errors[row].get(name, 0.0) for name in names)

    order = sorted(range(len(ranked)), key=plainness, reverse=True)
    return tuple(ranked[row] for row in order[:KEPT])
