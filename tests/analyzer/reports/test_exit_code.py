"""The exit code of a report."""

from collections.abc import Callable

import pytest

from analyzer.core.report import Coverage, Report, Verdict
from analyzer.core.types import Finding, Status
from analyzer.reports.exit_code import exit_code

NOTHING_LEFT = Coverage(1, (), (), ())


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict.EQUIVALENT, 0), (Verdict.REPAIRED, 0), (Verdict.DIVERGENT, 1),
        (Verdict.IMPROVED, 1), (Verdict.UNREPAIRED, 1), (Verdict.INCONCLUSIVE, 3),
    ],
)  # fmt: skip
def test_a_verdict_has_its_code(
    report: Callable[..., Report], verdict: Verdict, code: int
) -> None:
    """0 is equivalent, 1 is not, 3 is not known."""
    assert exit_code(report(verdict=verdict, findings=())) == code


@pytest.mark.parametrize(
    ("status", "fail_on", "code"),
    [
        (Status.DRIFT, "root", 0), (Status.DRIFT, "any", 1), (Status.LATENT, "any", 1),
        (Status.HARMLESS, "any", 0), (Status.HARMLESS, "structure", 1),
    ],
)  # fmt: skip
def test_fail_on_counts_more(
    report: Callable[..., Report], finding: Callable[..., Finding], status: Status,
    fail_on: str, code: int,
) -> None:  # fmt: skip
    """--fail-on says which statuses fail an equivalent pair."""
    findings = (finding(status=status),)
    healthy = report(verdict=Verdict.EQUIVALENT, findings=findings, coverage=NOTHING_LEFT)

    assert exit_code(healthy, fail_on=fail_on) == code


def test_structure_counts_unpaired_operators(report: Callable[..., Report]) -> None:
    """An operator without a partner is a difference in structure."""
    healthy = report(verdict=Verdict.EQUIVALENT, findings=())

    assert exit_code(healthy, fail_on="structure") == 1
    assert exit_code(healthy, fail_on="any") == 0


def test_exit_zero_forgives_one_but_not_three(report: Callable[..., Report]) -> None:
    """A script may ask for 0 where the pair diverges, not where nothing is known."""
    assert exit_code(report(), exit_zero=True) == 0
    assert exit_code(report(verdict=Verdict.INCONCLUSIVE), exit_zero=True) == 3
