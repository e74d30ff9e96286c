"""The way a repair is written: patched in place, else exported anew, else as ONNX."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from analyzer.core.errors import ExportError, LoadError
from analyzer.core.grids import READER, WRITER
from analyzer.core.report import Report, Verdict, Written
from rewriter.case import ELSEWHERE, Case
from rewriter.chosen import Chosen
from rewriter.destination import may_write
from rewriter.export import ONNX, own_format
from rewriter.export.stated import changed
from rewriter.outcome import Repaired
from rewriter.proof import Proof, proof
from rewriter.rounds import Tries, tried_rounds


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """A repair, and how it is written.

    Attributes:
        case: The pair; it says whether the pivot is exported anew, and as what.
        proof: What came of it.
        out: Where it goes; None: nowhere.
        unsaid: Why it is not the target's own file, patched; empty: it is.
    """

    case: Case
    proof: Proof
    out: Path | None
    unsaid: str = ""

    @property
    def is_elsewhere(self) -> bool:
        """Whether the mended model is not in the target's own format, as it was asked."""
        return bool(self.unsaid) and self.case.suffix == ONNX

    @property
    def written(self) -> Written:
        """What the report says of the file, while it is there."""
        path, case, proven = (
            "" if self.out is None else str(self.out),
            self.case,
            self.proof.proven,
        )
        own = own_format(str(case.target.path))
        if proven is None or own is None or own.suffix != case.suffix:
            return Written(path, "as ONNX", ())
        how = "exported anew" if case.anew else "in place"
        why = (f"not in place: {self.unsaid}",) if case.anew and self.unsaid else ()
        noted = () if case.suffix == ONNX else proven.notes
        return Written(path, how, (*why, *changed(case.target, proven), *noted))

    def told(self, report: Report) -> Report:
        """Return the report of the repair, with the way it was written.

        A model that is mended in ONNX form only is not what was asked for.
        """
        if not self.is_elsewhere or self.proof.proven is None:
            return report
        ended = f"{self.unsaid}; the repaired model is written as ONNX"
        return replace(report, verdict=Verdict.IMPROVED, ended=ended)


def chosen_way(case: Case, out: Path | None, folders: ExitStack, *, force: bool) -> Way:
    """Return the repair that gets furthest, the way that changes least of the file first.

    Args:
        case: The pair.
        out: Where the mended model goes; None: nowhere.
        folders: Keeps what the mended model's runtime reads.
        force: Whether a file that is there may be replaced.
    """
    first = _way(case, out, folders)
    if not first.unsaid or _is_whole(first.proof):
        return first
    ways = [first]
    for other, place in _others(case, out, force=force):
        if any(one.proof.proven is not None for one in ways) and other.suffix == ONNX:
            break  # what there is in the target's own format stays
        ways.append(_way(other, place, folders, unsaid=ways[-1].unsaid))
        if _is_whole(ways[-1].proof):
            return ways[-1]
    return max(ways, key=lambda one: one.proof.proven is not None)  # the first of the best


def _others(
    case: Case, out: Path | None, *, force: bool
) -> Iterator[tuple[Case, Path | None]]:
    """Yield what else can be tried where the target's own file cannot be told a fix."""
    own = own_format(str(case.target.path))
    if (
        own is not None
        and own.anew is not None
        and (case.restores or not _is_on_grids(case))
    ):
        yield replace(case, anew=True), out
    place = None if out is None else out.with_suffix(ONNX)
    models = case.source.path, case.target.path
    if place is None or may_write(models, place, force=force):
        yield replace(case, suffix=ONNX), place


def _is_on_grids(case: Case) -> bool:
    """Return whether the target holds integers, which an export anew makes floats of."""
    return any(node.op_type in {READER, WRITER} for node in case.target.model.graph.node)


def _way(case: Case, out: Path | None, folders: ExitStack, *, unsaid: str = "") -> Way:
    """Return what comes of one way, and what its format could not be told."""
    tries = tried_rounds(case, Tries())
    try:
        came = proof(case, tries, folders)
        if came.is_doubtful:
            came = proof(case, tried_rounds(case, came.tries), folders)
    except (ExportError, LoadError) as surprise:  # the exporter may not be installed
        none = Chosen((), {}, "")
        done = Repaired(case.first, tries.rounds, none, surprise.problem)
        return Way(case, Proof(tries, done), out, surprise.problem)
    return Way(case, came, out, unsaid or _unsaid(came))


def _unsaid(came: Proof) -> str:
    """Return what was refused a fix that helps; empty where nothing was."""
    outcomes = (told for one in came.done.rounds for told in one.outcomes.values())
    found = (told.reason for told in outcomes if told.reason.endswith(ELSEWHERE))
    return next(found, "").removesuffix(f"; {ELSEWHERE}")


def _is_whole(came: Proof) -> bool:
    return came.report is not None and came.report.verdict is Verdict.EQUIVALENT
