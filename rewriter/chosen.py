"""Which of the kept edits are written: the fewest that mend, and none that does harm."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from analyzer.core.errors import RepairError
from analyzer.core.report import OutputPair
from analyzer.core.types import Attempt, Pivot
from rewriter.ablation import ablated, chain_error
from rewriter.kept import Chain, end
from rewriter.subsets import largest_harmless
from rewriter.verify import Judgement, worse_outputs


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """What goes into the mended model, and why the rest does not.

    Attributes:
        chain: The edits, round by round; empty where none is to be written.
        taken_out: What was not needed, by finding.
        harm: What all kept edits together do to an output on held-out probes, where that is
            worse than it was before the repair; else empty.
    """

    chain: Chain
    taken_out: Mapping[str, tuple[Attempt, ...]]
    harm: str


def chosen_edits(
    target: Pivot,
    chain: Chain,
    judges: tuple[Judgement, Judgement],
    floors: Mapping[str, float],
) -> Chosen:
    """Return the edits that are needed and leave no output worse than before the repair.

    Args:
        target: The model as it was loaded.
        chain: What was kept, round by round.
        judges: What measures the model on the probes seen, and on the held-out ones.
        floors: Relative error that rounding makes, by target output name.
    """
    seen, unseen = judges
    least = ablated(chain, partial(chain_error, target, seen))
    if least.taken_out and _is_missed(target, (chain, least.chain), judges, floors):
        return _harmless(target, chain, {}, unseen, floors)
    return _harmless(target, least.chain, least.taken_out, unseen, floors)


def _is_missed(
    target: Pivot,
    chains: tuple[Chain, Chain],
    judges: Sequence[Judgement],
    floors: Mapping[str, float],
) -> bool:
    """Return whether an output is worse without what no recorded sample needs."""
    whole, least = (end(target, chain) for chain in chains)
    return any(
        worse_outputs(one.outputs(whole), one.outputs(least), floors) for one in judges
    )


def _harmless(
    target: Pivot,
    chain: Chain,
    taken_out: Mapping[str, tuple[Attempt, ...]],
    unseen: Judgement,
    floors: Mapping[str, float],
) -> Chosen:
    """Return the edits, or most of them, that make no output worse on held-out probes."""
    if not any(chain):
        return Chosen((), taken_out, "")
    told = harm(unseen, unseen.outputs(target), end(target, chain), floors)
    if not told:
        return Chosen(chain, taken_out, "")
    harms = _harms(target, unseen, floors)
    return Chosen(largest_harmless(chain, harms), taken_out, told)


def _harms(
    target: Pivot, unseen: Judgement, floors: Mapping[str, float]
) -> Callable[[Chain], bool]:
    before = unseen.outputs(target)

    def harms(chain: Chain) -> bool:
        try:
            return bool(harm(unseen, before, end(target, chain), floors))
        except RepairError:  # a later edit needs the one left out
            return True

    return harms


def harm(
    unseen: Judgement,
    before: Sequence[OutputPair],
    mended: Pivot,
    floors: Mapping[str, float],
) -> str:
    """Return which output is worse than before the repair, with numbers; empty: none is.

    Args:
        unseen: What measures a model on held-out probes.
        before: The outputs of the target as it was loaded.
        mended: The edited target.
        floors: Relative error that rounding makes, by target output name.
    """
    after = unseen.outputs(mended)
    worse = worse_outputs(before, after, floors)
    if not worse:
        return ""
    if not after:
        return "the model does not run on held-out probes"
    first = {pair.target: pair.relative_error for pair in before}
    last = {pair.target: pair.relative_error for pair in after}
    name = max(worse, key=lambda one: last.get(one, 0.0))
    was = f"{first[name]:.3g}" if name in first else "not given"
    return (
        f"output {name} is off by {last.get(name, 0.0):.3g} of its largest value "
        f"on held-out probes, {was} before"
    )
