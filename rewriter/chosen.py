"""Which of the kept edits are written: the fewest that mend, and none that does harm."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from analyzer.core.errors import RepairError
from analyzer.core.types import Attempt, Pivot
from rewriter.ablation import Ablated, ablated, chain_error
from rewriter.heldout import HeldOut
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
        needed: The error of a finding's region without its edits, and with them.
    """

    chain: Chain
    taken_out: Mapping[str, tuple[Attempt, ...]]
    harm: str
    needed: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def chosen_edits(target: Pivot, chain: Chain, seen: Judgement, unseen: HeldOut) -> Chosen:
    """Return the edits that are needed and leave no output worse than before the repair.

    Args:
        target: The model as it was loaded.
        chain: What was kept, round by round.
        seen: What measures the model on the probes that fixes were found with.
        unseen: What must not get worse.
    """
    least = ablated(chain, partial(chain_error, target, seen))
    if least.taken_out and _is_missed(target, (chain, least.chain), seen, unseen):
        return _harmless(target, replace(least, chain=chain, taken_out={}), unseen)
    return _harmless(target, least, unseen)


def _is_missed(
    target: Pivot, chains: tuple[Chain, Chain], seen: Judgement, unseen: HeldOut
) -> bool:
    """Return whether an output is worse without what no recorded sample needs."""
    whole, least = (end(target, chain) for chain in chains)
    return any(
        worse_outputs(one.outputs(whole), one.outputs(least), unseen.floors)
        for one in (seen, *unseen.judges)
    )


def _harmless(target: Pivot, least: Ablated, unseen: HeldOut) -> Chosen:
    """Return the edits, or most of them, that make no output worse on held-out probes."""
    if not any(least.chain):
        return Chosen((), least.taken_out, "")
    told = unseen.harm(end(target, least.chain))
    if not told:
        return Chosen(least.chain, least.taken_out, "", least.needed)

    def harms(subset: Chain) -> bool:
        try:
            return bool(unseen.harm(end(target, subset)))
        except RepairError:  # a later edit needs the one left out
            return True

    subset = largest_harmless(least.chain, harms)
    return Chosen(subset, least.taken_out, told, least.needed)
