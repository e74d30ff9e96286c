"""What a repair must not make worse: the outputs on probes that it never saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analyzer.core.errors import RunError
from analyzer.core.report import OutputPair
from analyzer.core.types import Feeds, Pivot
from analyzer.judge import HALF_UNIT, narrows
from analyzer.matching.ends import input_pairs, output_names, target_feeds
from analyzer.probes.second import second_batch
from analyzer.runtime.noise import noise_floor
from analyzer.view import view_of
from rewriter.verify import Judgement, judgement, worse_outputs

DRIFT_SAMPLES = 3
"""Samples on which the loss of half precision is measured; one may saturate."""

DRIFT = 2.0
"""Measured losses of half precision up to which an output is no worse: what a repair
computes again rounds like another draw of what was measured."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """The outputs of a target on held-out probes, as they were before its repair.

    Attributes:
        judges: What measures a model on the probes, those of a second batch apart.
        before: The outputs by judge; empty where the target does not run.
        floors: Relative error that rounding, or a declared half precision, makes, by
            target output name.
    """

    judges: tuple[Judgement, ...]
    before: tuple[tuple[OutputPair, ...], ...]
    floors: Mapping[str, float]

    def stops(self, mended: Pivot) -> bool:
        """Return whether a model does not run at a second batch that the target ran at.

        Args:
            mended: The edited target.
        """
        pairs = zip(self.judges[1:], self.before[1:], strict=True)
        return any(before and not judge.outputs(mended) for judge, before in pairs)

    def harm(self, mended: Pivot) -> str:
        """Return which output is worse than before, with numbers; empty where none is.

        Args:
            mended: The edited target.
        """
        pairs = zip(self.judges, self.before, strict=True)
        told = (self._harm(before, judge.outputs(mended)) for judge, before in pairs)
        return next(filter(None, told), "")

    def _harm(self, before: Sequence[OutputPair], after: Sequence[OutputPair]) -> str:
        if not after:
            return "the model does not run on held-out probes" if before else ""
        worse = worse_outputs(before, after, self.floors)
        if not worse:
            return ""
        first = {pair.target: pair.relative_error for pair in before}
        last = {pair.target: pair.relative_error for pair in after}
        name = max(worse, key=lambda one: last.get(one, 0.0))
        was = f"{first[name]:.3g}" if name in first else "not given"
        return (
            f"output {name} is off by {last.get(name, 0.0):.3g} of its largest value on "
            f"held-out probes, {was} before"
        )


def held_out_outputs(
    target: Pivot,
    unseen: Judgement,
    floors: Mapping[str, float],
) -> HeldOut:
    """Return the outputs of a target on held-out probes, one of a second batch among them.

    Args:
        target: The model as it was loaded.
        unseen: What measures it on the held-out probes.
        floors: Relative error that rounding makes, by target output name.
    """
    judges = (unseen, *_of_second_batch(target, unseen))
    before = tuple(judge.outputs(target) for judge in judges)
    return HeldOut(judges, before, floors)


def half_floors(
    source: Pivot, target: Pivot, probes: Sequence[Feeds], seed: int
) -> dict[str, float]:
    """Return the relative error that half precision on one side alone makes in each output.

    Args:
        source: The source.
        target: The target.
        probes: Samples by source input name; the first few are used.
        seed: Seed of the perturbations.

    Returns:
        Errors by target output name, outputs of integers left out; empty where both sides
        have as many bits.

    Source: See `noise_floor`; the unit is float16's, on the side that has more bits.
    """
    ours, theirs = map(_has_half, (source, target))
    if ours == theirs:
        return {}
    names = output_names(source, target)
    pairs, first = input_pairs(source, target), probes[:DRIFT_SAMPLES]
    wide, samples = (
        (source, [*first])
        if theirs
        else (target, [target_feeds(one, pairs, target) for one in first])
    )
    floats = [one.name for one in wide.outputs if one.dtype.startswith("float")]
    found = noise_floor(wide.model, wide.folder, samples, floats, unit=HALF_UNIT, seed=seed)
    own = {right: left if theirs else right for left, right in names}
    return {name: DRIFT * found[one] for name, one in own.items() if one in found}


def _has_half(pivot: Pivot) -> bool:
    """Return whether a model computes, or was stored, in half precision."""
    view = view_of(pivot.model, pivot.folder)
    return view.is_halved or any(map(narrows, view.nodes))


def _of_second_batch(target: Pivot, unseen: Judgement) -> tuple[Judgement, ...]:
    """Return the measure at another batch, if both leave it open and the source can."""
    source = unseen.source
    if not unseen.probes:
        return ()
    pairs, first = input_pairs(source, target), unseen.probes[0]
    sample = second_batch(source, target, pairs, first, seed=unseen.options.seed)
    try:
        return () if sample is None else (judgement(source, (sample,), unseen.options),)
    except RunError:  # the source itself works at one batch only
        return ()
