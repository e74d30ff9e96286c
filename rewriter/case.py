"""A pair under repair: its models, its measures, and its analyses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analyzer.clock import Clock
from analyzer.core.options import Judge, Options, Progress
from analyzer.core.types import Edit, Finding, Pivot
from analyzer.diff import Analysis, analyse_pivots
from rewriter.export import refusal
from rewriter.heldout import HeldOut
from rewriter.limits import Limits
from rewriter.parts import may_freeze
from rewriter.verify import Judgement

ELSEWHERE = "written to an .onnx file with -o, it can be kept"
"""What is said of a fix that the target's own format cannot be told."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A pair under repair.

    Attributes:
        source: The source.
        target: The target as it was loaded.
        options: How the pair is probed and judged.
        rules: The rule book.
        seen: Measures targets on the probes that fixes were found with.
        unseen: What must not get worse: the outputs on the held-out ones.
        first: The analysis of the pair as it stands.
        suffix: Of OUT.
        clock: Seconds by stage.
        limits: When to stop trying.
        progress: Told what is being done.
        restores: Whether a declared loss of precision is undone as well.
        anew: Whether the repaired pivot is exported whole, so that no edit is refused for
            what the target's own file cannot be told.
    """

    source: Pivot
    target: Pivot
    options: Options
    rules: Sequence[Judge]
    seen: Judgement
    unseen: HeldOut
    first: Analysis
    suffix: str
    clock: Clock
    limits: Limits
    progress: Progress
    restores: bool = False
    anew: bool = False

    def refusal(self, edited: Pivot, edits: Sequence[Edit]) -> str:
        """Return why an edited target must not be written, empty where it may.

        Args:
            edited: The target with the edits.
            edits: The last of them.
        """
        why = "" if self.anew else refusal(self.target, edited.model, self.suffix)
        if why:
            return f"{why}; {ELSEWHERE}"
        if any(map(may_freeze, edits)) and self.unseen.stops(edited):
            return "with it the model does not run at a second batch, as it did before"
        return ""

    def analysed(
        self,
        target: Pivot,
        *,
        everything: bool = False,
        strict: bool = False,
        in_time: bool = False,
    ) -> Analysis:
        """Return the analysis of an edited target.

        Args:
            target: The edited target.
            everything: Whether on all probes, not on those alone that fixes are found with.
            strict: Whether fewer bits excuse nothing.
            in_time: Whether it ends with the time for trying.

        Raises:
            TimeUpError: It is to end in time, and does.
        """
        probes = (*self.seen.probes, *(self.unseen.judges[0].probes if everything else ()))
        summary = replace(self.first.report.probe, samples=len(probes))
        return analyse_pivots(
            self.source,
            target,
            options=replace(self.options, strict=strict),
            rules=self.rules,
            progress=self.limits.watched(self.progress) if in_time else self.progress,
            probes=(probes, summary),
        )

    def faults(self, target: Pivot) -> tuple[Finding, ...]:
        """Return what is left to find in an edited target.

        Raises:
            TimeUpError: The time for trying is up before it is found.
        """
        found = self.analysed(target, strict=self.restores, in_time=True)
        return found.report.findings
