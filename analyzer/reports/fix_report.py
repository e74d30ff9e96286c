"""The fix report: what was wrong, what was done about it, and what is left, as Markdown.

For the colleague who was not there: every number in it is of this run.
"""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from analyzer.core.report import OutputPair, Report
from analyzer.core.types import Attempt, Finding, Outcome, Status, TryVerdict
from analyzer.reports.edits import edit_line
from analyzer.reports.numbers import share, short
from analyzer.reports.templates import rendered
from analyzer.reports.terminal import headline, layer

NAME = "fix-report.md"
"""What it is called in the folder of the report."""

TEMPLATE = Path(__file__).with_name("fix-report.md.j2")
NOTHING = "none"


@dataclass(frozen=True, slots=True)
class Page:
    """What a rule's documentation says of every fault of its kind.

    Attributes:
        cause: Why it happens.
        prevention: How the next conversion avoids it; empty where nothing is known.
        references: Where it was seen elsewhere, links one after another.
    """

    cause: str
    prevention: str
    references: str


NO_PAGE = Page("", "", "")


def fix_report(
    report: Report, pages: Mapping[str, Page], commands: Sequence[Sequence[str]]
) -> str:
    """Return the fix report as Markdown.

    Args:
        report: What a repair found and did.
        pages: What the rules know, by slug.
        commands: The command lines that lead here again, word by word.
    """
    faults = [one for one in report.findings if one.status is Status.FAULT]
    return rendered(
        TEMPLATE,
        source=PurePath(report.source.path).name,
        target=PurePath(report.target.path).name,
        before=report.found,
        after=report.verdict.value,
        headline=headline(report),
        ended=report.ended,
        outputs=list(_outputs(report)),
        faults=[_fault(one, pages.get(one.rule, NO_PAGE)) for one in faults],
        left=list(_left(report)),
        commands=[shlex.join(command) for command in commands],
        facts=list(_facts(report)),
    )


def _outputs(report: Report) -> Iterator[dict[str, str]]:
    """Yield a row per output; before and after are one where nothing was written."""
    before = {pair.target: pair for pair in report.before}
    for pair in report.outputs:
        first = before.get(pair.target, pair)
        yield {
            "name": _plain(pair.target),
            "before": short(first.relative_error),
            "after": short(pair.relative_error),
            "floor": short(pair.noise_floor),
            "labels_before": _labels(first),
            "labels_after": _labels(pair),
        }


def _labels(pair: OutputPair) -> str:
    wrong = pair.label_disagreement
    return NOTHING if wrong is None else share(wrong)


def _fault(finding: Finding, page: Page) -> dict[str, object]:
    """Return what the template shows of a fault."""
    outcome = finding.outcome
    kept = outcome is not None and outcome.verdict is TryVerdict.KEPT
    fix = finding.fix
    attempts = outcome.attempts if outcome is not None else ()
    dropped = [one for one in attempts if one.verdict is TryVerdict.REJECTED]
    return {
        "rule": finding.rule,
        "layer": _plain(layer(finding)),
        "message": _plain(finding.message),
        "kind": finding.fault_class.value.replace("_", " "),
        "tensors": ", ".join(f"`{_plain(name)}`" for name in finding.target_tensors),
        "location": finding.location or "",
        "local": short(finding.local_error),
        "floor": short(finding.noise_floor),
        "seen": f"{finding.affected} of {finding.samples} samples",
        "effect": _effect(finding),
        "outcome": f"{outcome.verdict.value}: {outcome.reason}" if outcome else NOTHING,
        "change": _change(outcome),
        "title": fix.title if fix is not None else "",
        "edits": [edit_line(edit) for edit in fix.edits]
        if fix is not None and kept
        else [],
        "dropped": [_tried(one) for one in dropped],
        "others": "; ".join(_untried(finding)),
        "cause": page.cause,
        "prevention": page.prevention,
        "references": page.references,
    }


def _untried(finding: Finding) -> Iterator[str]:
    """Yield the cures that nobody tried, since another one mended the fault before."""
    fixes = (finding.fix, *finding.alternatives)
    outcome = finding.outcome
    attempts = () if outcome is None else outcome.attempts
    tried = {title for one in attempts for title in one.titles}
    yield from (one.title for one in fixes if one is not None and one.title not in tried)


def _tried(attempt: Attempt) -> dict[str, str]:
    """Return what the template shows of a try that was dropped."""
    return {
        "title": _plain("; ".join(attempt.titles)),
        "edits": str(attempt.edits),
        "before": short(attempt.error_before),
        "after": short(attempt.error_after),
        "reason": _plain(attempt.reason),
        "round": str(attempt.round),
    }


def _effect(finding: Finding) -> str:
    if math.isinf(finding.output_error):
        return "the outputs hold something else altogether, or nothing"
    if finding.output_error == 0:
        return "it moves no output beyond what the faults behind it do already"
    return f"it moves an output by {short(finding.output_error)} of its largest value"


def _change(outcome: Outcome | None) -> str:
    if outcome is None or outcome.verdict is TryVerdict.UNTRIED:
        return "nothing was tried"
    if outcome.ablation is not None:
        absent, present = map(short, outcome.ablation)
        part = "in the mended model the error of its part is"
        return f"{part} {absent} without it, {present} with it"
    return (
        f"the error of its part: {short(outcome.error_before)} without it, "
        f"{short(outcome.error_after)} with it"
    )


def _left(report: Report) -> Iterator[str]:
    """Yield what the mended model still has, and what nobody could judge."""
    for finding in report.findings:
        outcome = finding.outcome
        if outcome is None or outcome.verdict is TryVerdict.KEPT:
            continue
        status = "" if finding.status is Status.FAULT else f" ({finding.status.value})"
        where = f"{finding.rule}{status} at `{_plain(layer(finding))}`"
        yield f"{where}: {outcome.verdict.value}, {outcome.reason}"
    for one in report.coverage.not_compared:
        yield f"`{_plain(one.what)}` was not compared: {one.why}"


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what a reader needs to get the same numbers."""
    for name, side in (("source", report.source), ("target", report.target)):
        gap = side.fidelity_gap
        known = "" if gap is None else f", its pivot {short(gap)} from its own runtime"
        about = f"{side.framework}, opset {side.opset}, {side.nodes} nodes{known}"
        yield name, f"`{_plain(side.path)}` ({about})"
        yield f"SHA-256 of the {name}", f"`{side.sha256}`"
    yield "inputs", f"{report.probe.samples} {report.probe.kind}, seed {report.probe.seed}"
    yield "versions", ", ".join(f"{name} {n}" for name, n in report.versions.items())


def _plain(text: str) -> str:
    """Return a text that does not end a cell or a span of code."""
    return text.replace("|", "\\|").replace("`", "'").replace("\n", " ")
