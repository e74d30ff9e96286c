"""What rounds came to, proven in the target's own runtime on all probes."""

import math
from contextlib import ExitStack
from dataclasses import dataclass, replace

from analyzer.core.errors import ExportError, RepairError
from analyzer.core.report import Report, Verdict
from analyzer.core.types import Pivot
from rewriter.case import Case
from rewriter.chosen import Chosen, chosen_edits
from rewriter.improvement import improvement
from rewriter.kept import Chain, end
from rewriter.outcome import Repaired
from rewriter.rounds import LOOKS_MENDED, Tries
from rewriter.subsets import largest_harmless
from rewriter.written import written

MISSAID = 100.0
"""Times a floor, or the error that the repaired pivot leaves, that its file may be off: a
hundred times its floor, a fault is one wherever it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """What rounds came to.

    Attributes:
        tries: The rounds.
        done: What of them is written.
        proven: The mended model in its own runtime; None: nothing is worth writing.
        report: What `diff` says of it.
    """

    tries: Tries
    done: Repaired
    proven: Pivot | None = None
    report: Report | None = None

    @property
    def is_doubtful(self) -> bool:
        """Whether outputs that looked mended are not: rounds go on, each analysed."""
        return self.tries.ended == LOOKS_MENDED and not self.is_whole

    @property
    def is_whole(self) -> bool:
        """Whether the mended model is proven to be the source's."""
        return self.report is not None and self.report.verdict is Verdict.EQUIVALENT


def proof(case: Case, tries: Tries, folders: ExitStack) -> Proof:
    """Return what of the kept edits is written, and the proof that it is better.

    Args:
        case: The pair.
        tries: The rounds.
        folders: Keeps what the mended model's runtime reads.

    Raises:
        ExportError: The target's own format cannot be told what was kept.
    """
    with case.clock("repair"):
        chain = tuple(one.kept for one in tries.rounds)
        chosen = chosen_edits(case.target, chain, case.seen, case.unseen)
    came = _proven(case, tries, chosen, folders)
    if came.report is None or came.is_whole or tries.ended == LOOKS_MENDED:
        return came  # what looked mended is taken up again
    with case.clock("verify"):
        fewer = _improving(case, came)
    return came if fewer is chosen else _proven(case, tries, fewer, folders)


def _proven(case: Case, tries: Tries, chosen: Chosen, folders: ExitStack) -> Proof:
    """Return what some edits come to in the target's own runtime."""
    done = Repaired(case.first, tries.rounds, chosen, tries.ended)
    if not any(chosen.chain):
        return Proof(tries, done)
    case.progress("verifying", 0.0)
    with case.clock("verify"):
        mended = end(case.target, chosen.chain)
        proven = folders.enter_context(
            written(case.target, mended, case.suffix, case.options, anew=case.anew)
        )
        if proven is not mended:
            _check_said(case, mended, proven)
        worse = "" if proven is mended else case.unseen.harm(proven)
        if worse:
            chosen = Chosen((), chosen.taken_out, worse)
            return Proof(tries, replace(done, chosen=chosen))
        told = case.analysed(proven, everything=True).report
    return Proof(tries, done, proven, told)


def _check_said(case: Case, mended: Pivot, proven: Pivot) -> None:
    """Refuse a file that computes something else than the repaired pivot, which is right.

    Raises:
        ExportError: It does: the target's own file was not told all of the repair.
    """
    floors = case.unseen.floors
    ours = {pair.target: pair.relative_error for pair in case.seen.outputs(mended)}
    for pair in case.seen.outputs(proven):
        least = max(floors.get(pair.target, 0.0), ours.get(pair.target, math.inf))
        if not pair.within and pair.relative_error > MISSAID * least:
            raise ExportError(
                f"in {case.target.path.name} with the repair in it, output {pair.target} "
                f"is off by {pair.relative_error:.3g} of its largest value, and in the "
                f"repaired pivot by {ours.get(pair.target, math.inf):.3g}",
                hint="write the repaired model with -o to an .onnx file",
            )


def _improving(case: Case, came: Proof) -> Chosen:
    """Return the edits of a model that is not the source's, if they are an improvement.

    Where they are not proven to be one, the largest part of them that is.
    """
    chosen, known = came.done.chosen, improvement(case)
    told = "" if came.proven is None else known.doubt(came.proven)
    if not told:
        return chosen

    def harms(subset: Chain) -> bool:
        if subset == chosen.chain:
            return True
        try:
            mended = end(case.target, subset)
            return bool(case.unseen.harm(mended) or known.doubt(mended))
        except RepairError:  # a later edit needs the one left out
            return True

    return replace(chosen, chain=largest_harmless(chosen.chain, harms), harm=told)
