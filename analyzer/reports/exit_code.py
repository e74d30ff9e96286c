"""The exit code that a report deserves."""

from analyzer.core.report import Report, Verdict
from analyzer.core.types import Status

CODES = {
    Verdict.EQUIVALENT: 0,
    Verdict.REPAIRED: 0,
    Verdict.DIVERGENT: 1,
    Verdict.IMPROVED: 1,
    Verdict.UNREPAIRED: 1,
    Verdict.INCONCLUSIVE: 3,
}

COUNTED = {
    "root": frozenset[Status](),
    "any": frozenset({Status.DRIFT, Status.LATENT}),
    "structure": frozenset({Status.DRIFT, Status.LATENT, Status.HARMLESS}),
}
"""Statuses that fail a run beside its verdict, by the word of ``--fail-on``."""


def exit_code(report: Report, *, fail_on: str = "root", exit_zero: bool = False) -> int:
    """Return 0, 1 or 3: the verdict's code, and 1 where a counted finding is left.

    Args:
        report: What a run found.
        fail_on: A key of `COUNTED`; ``structure`` counts unpaired operators too.
        exit_zero: Whether 0 stands for 1.
    """
    code = CODES[report.verdict]
    if code == 0 and report.verdict is not Verdict.REPAIRED and _left(report, fail_on):
        code = 1
    return 0 if exit_zero and code == 1 else code


def _left(report: Report, fail_on: str) -> bool:
    unpaired = report.coverage.unpaired_source or report.coverage.unpaired_target
    return any(finding.status in COUNTED[fail_on] for finding in report.findings) or (
        fail_on == "structure" and bool(unpaired)
    )
