"""The report of a repair: the first analysis, told what became of each of its findings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from analyzer.core.report import Report, Verdict
from analyzer.core.types import Finding, Fix, Outcome, Status, TryVerdict
from analyzer.diff import Analysis
from rewriter.attempts import MENDED, Kept, Round, fixes

UNTRIED = {
    Status.DRIFT: "a declared loss of precision is never undone",
    Status.LATENT: "no probe excites it, so no fix can be proven",
    Status.HARMLESS: "it does no harm",
    Status.FAULT: "it showed only after the repair",
}
"""Why nothing was tried, by what the finding means."""


def report(
    first: Analysis,
    rounds: Sequence[Round],
    chosen: Sequence[Sequence[Kept]],
    proof: Report | None,
) -> Report:
    """Return the report of a repair.

    Args:
        first: The analysis of the pair as it stood.
        rounds: What was tried.
        chosen: What is in the mended model, round by round.
        proof: What `diff` says of the mended model; None where nothing is written.
    """
    in_it = {name: fix for kept in chosen for one in kept for name, fix in one.fixes}
    told = {
        name: _final(outcome, is_in_it=name in in_it)
        for one in rounds
        for name, outcome in one.outcomes.items()
    }
    findings = tuple(
        _shown(replace(finding, outcome=told.get(finding.id) or _untried(finding)), in_it)
        for finding in _findings(first, rounds, proof)
    )
    base = replace(first.report, found=first.report.verdict.value)
    if proof is None:
        return replace(
            base, command="repair", verdict=Verdict.UNREPAIRED, findings=findings
        )
    whole = proof.verdict is Verdict.EQUIVALENT
    return replace(
        base,
        command="repair",
        findings=findings,
        outputs=proof.outputs,
        before=base.outputs,
        verdict=Verdict.REPAIRED if whole else Verdict.IMPROVED,
    )


def untouched(base: Report, verdict: Verdict, why: str = "") -> Report:
    """Return the report of a repair that had nothing to try.

    Args:
        base: The analysis of the pair.
        verdict: What to say of it.
        why: Why nothing could be tried; empty: what each finding means says it.
    """
    findings = tuple(replace(one, outcome=_untried(one, why)) for one in base.findings)
    found = base.verdict.value
    return replace(base, command="repair", verdict=verdict, findings=findings, found=found)


def _shown(finding: Finding, kept: Mapping[str, Fix]) -> Finding:
    """Return the finding with the fix that was kept as its fix, the others behind it."""
    fix = kept.get(finding.id)
    if fix is None or fix is finding.fix:
        return finding
    others = (one for one in fixes(finding) if one is not fix)
    return replace(finding, fix=fix, alternatives=tuple(others))


def _findings(
    first: Analysis, rounds: Sequence[Round], proof: Report | None
) -> Iterator[Finding]:
    """Yield each finding once: the first analysis', then what later ones unmasked."""
    seen: set[str] = set()
    later = (
        []
        if proof is None
        else [one for one in proof.findings if one.status is Status.FAULT]
    )
    for finding in (
        *first.report.findings,
        *(one for each in rounds for one in each.tried),
        *later,
    ):
        if finding.id not in seen:
            seen.add(finding.id)
            yield finding


def _final(outcome: Outcome, *, is_in_it: bool) -> Outcome:
    """Return the outcome of a fix, which may have been dropped after it was kept."""
    if outcome.verdict is not TryVerdict.KEPT or is_in_it:
        return outcome
    return replace(
        outcome,
        verdict=TryVerdict.REJECTED,
        reason="with it an output is worse on held-out probes",
    )


def _untried(finding: Finding, why: str = "") -> Outcome:
    """Return the outcome of a finding that was never tried."""
    reason = why or UNTRIED[finding.status]
    if finding.status is Status.FAULT and finding.where not in MENDED:
        reason = "it is our importer's fault, not the target's"
    error = finding.local_error
    return Outcome(TryVerdict.UNTRIED, reason, error, error)
