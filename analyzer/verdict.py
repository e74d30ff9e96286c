"""The answer of a run, from its findings, its outputs and its coverage."""

from collections.abc import Sequence

from analyzer.core.report import OutputPair, Verdict
from analyzer.core.types import Finding, Status, Where
from analyzer.coverage import ENOUGH

CONVERSION = frozenset({Where.CONVERSION, Where.RUNTIME})
"""Who must have made a fault for the pair to be divergent: not one of our own importers."""


def is_root(finding: Finding) -> bool:
    """Return whether a finding is a fault that the conversion or a runtime made."""
    return finding.status is Status.FAULT and finding.where in CONVERSION


def verdict_of(
    findings: Sequence[Finding], outputs: Sequence[OutputPair], share: float
) -> Verdict:
    """Return what the run says of the pair.

    Args:
        findings: Everything found.
        outputs: Native outputs, compared.
        share: Share of the target's operators that were compared.
    """
    blamed = [finding for finding in findings if finding.status is Status.FAULT]
    if any(map(is_root, findings)):
        return Verdict.DIVERGENT
    drifts = any(finding.status is Status.DRIFT for finding in findings)
    if not all(pair.within for pair in outputs) and (blamed or not drifts):
        return Verdict.INCONCLUSIVE  # outputs differ, and no conversion's fault says why
    if share < ENOUGH and not (outputs and all(pair.within for pair in outputs)):
        return Verdict.INCONCLUSIVE
    return Verdict.EQUIVALENT
