"""What a repair must not make worse: the outputs on probes that it never saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analyzer.core.errors import RunError
from analyzer.core.report import OutputPair
from analyzer.core.types import Pivot
from analyzer.matching.ends import input_pairs
from analyzer.probes.second import second_batch
from rewriter.verify import Judgement, judgement, worse_outputs


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """The outputs of a target on held-out probes, as they were before its repair.

    Attributes:
        judges: What measures a model on the probes, those of a second batch apart.
        before: The outputs by judge; empty where the target does not run.
        floors: Relative error that rounding makes, by target output name.
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
