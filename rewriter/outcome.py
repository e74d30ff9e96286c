"""The report of a repair: the first analysis, told what became of each of its findings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from analyzer.core.report import Report, Verdict
from analyzer.core.types import Finding, Fix, Outcome, Safety, Status, TryVerdict
from analyzer.diff import Analysis
from analyzer.verdict import is_root
from rewriter.attempts import Round, again, fixes
from rewriter.chosen import Chosen
from rewriter.kept import Chain

MENDED_WHOLE = "the mended model computes what the source computes"
TOO_LITTLE = "too little could be compared for anything to be tried"
NO_HELP = "no fix that is left to try helps"
NOTHING_LEFT = "no fault is left that a rule has a cure for"
SPENT = frozenset({NO_HELP, NOTHING_LEFT})
"""Ends of a repair that no limit forced."""

UNTRIED = {
    Status.DRIFT: "a declared loss of precision is never undone",
    Status.LATENT: "no probe excites it, so no fix can be proven",
    Status.HARMLESS: "it does no harm",
    Status.FAULT: "it showed only after the repair",
}
"""Why nothing was tried, by what the finding means."""


@dataclass(frozen=True, slots=True, eq=False)
class Repaired:
    """What a repair did.

    Attributes:
        first: The analysis of the pair as it stood.
        rounds: What was tried.
        chosen: What is in the mended model, and why the rest is not.
        ended: Why nothing more was tried.
    """

    first: Analysis
    rounds: tuple[Round, ...]
    chosen: Chosen
    ended: str


def report(done: Repaired, proof: Report | None) -> Report:
    """Return the report of a repair.

    Args:
        done: What it did.
        proof: What `diff` says of the mended model; None where nothing is written.
    """
    in_it = _fixes_by_finding(done.chosen.chain)
    told = {
        name: _final(name, outcome, done.chosen, is_in_it=name in in_it)
        for name, outcome in _outcomes(done.rounds).items()
    }
    late = done.ended if done.ended not in SPENT else ""
    findings = tuple(
        _shown(
            replace(finding, outcome=told.get(finding.id) or _untried(finding, late=late)),
            in_it,
        )
        for finding in _findings(done, proof)
    )
    first = done.first.report
    base = replace(first, command="repair", findings=findings, found=first.verdict.value)
    if proof is None:
        return replace(base, verdict=Verdict.UNREPAIRED, ended=_unwritten(done))
    whole = proof.verdict is Verdict.EQUIVALENT
    return replace(
        base,
        outputs=proof.outputs,
        before=first.outputs,
        verdict=Verdict.REPAIRED if whole else Verdict.IMPROVED,
        ended=MENDED_WHOLE if whole else done.ended,
    )


def _unwritten(done: Repaired) -> str:
    """Return why a repair ended with nothing to write."""
    count = sum(len(one.kept) for one in done.rounds)
    if not done.chosen.harm:
        return done.ended
    those = "the one fix" if count == 1 else f"all {count} fixes, and every subset tried,"
    return f"{those} that mended a part did harm to the whole: {done.chosen.harm}"


def _outcomes(rounds: Sequence[Round]) -> dict[str, Outcome]:
    """Return what became of each finding over all rounds, by id."""
    told: dict[str, Outcome] = {}
    for one in rounds:
        for name, outcome in one.outcomes.items():
            told[name] = again(told[name], outcome) if name in told else outcome
    return told


def _fixes_by_finding(chain: Chain) -> dict[str, tuple[Fix, ...]]:
    """Return what is done for each finding, by its id."""
    found: dict[str, tuple[Fix, ...]] = {}
    for name, fix in (each for kept in chain for one in kept for each in one.fixes):
        found[name] = (*found.get(name, ()), fix)
    return found


def _joined(several: Sequence[Fix]) -> Fix:
    """Return fixes that were kept in several rounds as one."""
    edits = tuple(edit for fix in several for edit in fix.edits)
    unsafe = any(fix.safety is Safety.UNSAFE for fix in several)
    safety = Safety.UNSAFE if unsafe else Safety.SAFE
    return Fix("; ".join(fix.title for fix in several), edits, safety)


def untouched(base: Report, verdict: Verdict, why: str = "", *, ended: str = "") -> Report:
    """Return the report of a repair that had nothing to try.

    Args:
        base: The analysis of the pair.
        verdict: What to say of it.
        why: Why nothing could be tried; empty: what each finding means says it.
        ended: The same of the whole pair; empty: as `why`.
    """
    findings = tuple(replace(one, outcome=_untried(one, why)) for one in base.findings)
    found, said = base.verdict.value, ended or why or TOO_LITTLE
    base = replace(base, command="repair", verdict=verdict, ended=said)
    return replace(base, findings=findings, found=found)


def _shown(finding: Finding, kept: Mapping[str, tuple[Fix, ...]]) -> Finding:
    """Return the finding with the fix that was kept as its fix, the others behind it."""
    several = kept.get(finding.id, ())
    if not several or several == (finding.fix,):
        return finding
    titles = {fix.title for fix in several}
    others = tuple(one for one in fixes(finding) if one.title not in titles)
    fix = several[0] if len(several) == 1 else _joined(several)
    return replace(finding, fix=fix, alternatives=others)


def _findings(done: Repaired, proof: Report | None) -> Iterator[Finding]:
    """Yield each finding once: the first analysis', then what later ones unmasked."""
    seen: set[str] = set()
    last = () if proof is None else proof.findings
    for finding in (
        *done.first.report.findings,
        *(one for each in done.rounds for one in each.tried),
        *(one for one in last if one.status is Status.FAULT),
    ):
        if finding.id not in seen:
            seen.add(finding.id)
            yield finding


def _final(name: str, outcome: Outcome, chosen: Chosen, *, is_in_it: bool) -> Outcome:
    """Return the outcome of a fix, which may have been dropped after it was kept."""
    taken_out = chosen.taken_out.get(name, ())
    told = replace(outcome, attempts=(*outcome.attempts, *taken_out))
    if outcome.verdict is not TryVerdict.KEPT:
        return told
    if is_in_it:
        return replace(told, ablation=chosen.needed.get(name))
    reason = f"with all that was kept {chosen.harm}"
    if taken_out:
        reason = taken_out[-1].reason
    return replace(told, verdict=TryVerdict.REJECTED, reason=reason)


def _untried(finding: Finding, why: str = "", *, late: str = "") -> Outcome:
    """Return the outcome of a finding that was never tried."""
    reason = why or UNTRIED[finding.status]
    if finding.status is Status.FAULT and not is_root(finding):
        reason = "it is our importer's fault, not the target's"
    elif finding.status is Status.FAULT and late:
        reason = late
    error = finding.local_error
    return Outcome(TryVerdict.UNTRIED, reason, error, error)
