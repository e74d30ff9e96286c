"""A pair as it can be run: with samples, its operators opened, what cannot run cut out."""

from dataclasses import dataclass, replace

from analyzer.core.errors import RunError
from analyzer.core.options import Options
from analyzer.core.report import InputPair, ProbeSummary
from analyzer.core.types import Feeds, Pivot
from analyzer.matching.ends import input_pairs, narrowed, target_feeds
from analyzer.probes import draw
from analyzer.runtime.session import open_session
from analyzer.severed import Severed, severed
from analyzer.view.inline import Opened, opened_alike


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A pair as it can be run.

    Attributes:
        source: The source's pivot.
        target: The target's pivot.
        inputs: Which target input takes which source input.
        samples: The samples, by source input name.
        summary: What they are.
        sides: Both models with their fused operators opened.
        cut: The same without the nodes that no run can compare, with its samples.
    """

    source: Pivot
    target: Pivot
    inputs: tuple[InputPair, ...]
    samples: tuple[Feeds, ...]
    summary: ProbeSummary
    sides: tuple[Opened, Opened]
    cut: Severed

    @property
    def run(self) -> tuple[Pivot, Pivot]:
        """Both models as their own runtimes run them."""
        cut = self.cut
        return (cut.source, cut.target) if cut.missed else (self.source, self.target)

    @property
    def fed(self) -> tuple[Feeds, ...]:
        """The samples by target input name."""
        cut = self.cut
        return tuple(target_feeds(one, cut.inputs, cut.target) for one in cut.samples)


def prepared(
    source: Pivot,
    target: Pivot,
    options: Options,
    probes: tuple[tuple[Feeds, ...], ProbeSummary] | None,
) -> Prepared:
    """Return a pair with its samples, opened, and cut where no run can compare it.

    Args:
        source: The source's pivot.
        target: The target's pivot.
        options: How the pair is probed.
        probes: The samples to use; None: drawn as the options say.
    """
    inputs = input_pairs(source, target)
    samples, summary = probes or _drawn(source, target, inputs, options)
    sides = _opened(source, target, samples, inputs)
    cut = severed(*_apart((source, target), sides), samples, inputs, options.seed)
    return Prepared(source, target, inputs, samples, summary, sides, cut)


def _opened(
    source: Pivot,
    target: Pivot,
    samples: tuple[Feeds, ...],
    inputs: tuple[InputPair, ...],
) -> tuple[Opened, Opened]:
    """Return both models opened; bodies are written out where they run as they did.

    Written out, both branches of an If are computed: one may not be made for the sample.
    """
    sides = opened_alike(source.model, target.model)
    if not any(side.inside for side in sides):
        return sides
    fed = samples[0], target_feeds(samples[0], inputs, target)
    for pivot, side, feeds in zip((source, target), sides, fed, strict=True):
        if side.inside and not _runs(replace(pivot, model=side.model), feeds):
            return opened_alike(source.model, target.model, bodies=False)
    return sides


def _runs(pivot: Pivot, feeds: Feeds) -> bool:
    try:
        open_session(pivot.model, pivot.folder).run(feeds)
    except RunError:
        return False
    return True


def _drawn(
    source: Pivot, target: Pivot, inputs: tuple[InputPair, ...], options: Options
) -> tuple[tuple[Feeds, ...], ProbeSummary]:
    """Return the samples of a run, of sizes that both models take, and what they are."""
    return draw(source if options.inputs else narrowed(source, target, inputs), options)


def _apart(pair: tuple[Pivot, Pivot], sides: tuple[Opened, Opened]) -> tuple[Pivot, Pivot]:
    """Return both pivots with their fused operators and functions opened."""
    left, right = pair
    return replace(left, model=sides[0].model), replace(right, model=sides[1].model)
