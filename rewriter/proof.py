"""What rounds came to, proven in the target's own runtime on all probes."""

from contextlib import ExitStack
from dataclasses import dataclass, replace

from analyzer.core.report import Report, Verdict
from analyzer.core.types import Pivot
from rewriter.case import Case
from rewriter.chosen import Chosen, chosen_edits
from rewriter.kept import end
from rewriter.outcome import Repaired
from rewriter.rounds import LOOKS_MENDED, Tries
from rewriter.written import written


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
        whole = self.report is not None and self.report.verdict is Verdict.EQUIVALENT
        return self.tries.ended == LOOKS_MENDED and not whole


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
    done = Repaired(case.first, tries.rounds, chosen, tries.ended)
    if not any(chosen.chain):
        return Proof(tries, done)
    case.progress("verifying", 0.0)
    with case.clock("verify"):
        mended = end(case.target, chosen.chain)
        proven = folders.enter_context(
            written(case.target, mended, case.suffix, case.options, anew=case.anew)
        )
        worse = "" if proven is mended else case.unseen.harm(proven)
        if worse:
            chosen = Chosen((), chosen.taken_out, worse)
            return Proof(tries, replace(done, chosen=chosen))
        told = case.analysed(proven, everything=True).report
    return Proof(tries, done, proven, told)
