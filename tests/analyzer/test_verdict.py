"""One word for a run, from its findings, its outputs and its coverage."""

from collections.abc import Callable

import pytest

from analyzer.classify import unexplained
from analyzer.core.report import OutputPair, Verdict
from analyzer.core.types import FaultClass, Finding, Status, Where
from analyzer.outside import bare_fault
from analyzer.verdict import verdict_of

RIGHT = OutputPair("y", "y", None, 0.0, 0.0, 1e-6, within=True, label_disagreement=None)
WRONG = OutputPair("y", "y", None, 1.0, 1.0, 1e-6, within=False, label_disagreement=None)


@pytest.fixture
def finding() -> Callable[[Status, Where], Finding]:
    """A finding of a status, made by someone."""
    return lambda status, where: unexplained(
        bare_fault(FaultClass.RUNTIME, "it is wrong", status=status, where=where)
    )


@pytest.mark.parametrize(
    ("status", "where", "output", "verdict"),
    [
        (Status.FAULT, Where.CONVERSION, RIGHT, Verdict.DIVERGENT),
        (Status.FAULT, Where.RUNTIME, RIGHT, Verdict.DIVERGENT),
        (Status.DRIFT, Where.CONVERSION, WRONG, Verdict.EQUIVALENT),
        (Status.LATENT, Where.CONVERSION, RIGHT, Verdict.EQUIVALENT),
        (Status.LATENT, Where.CONVERSION, WRONG, Verdict.INCONCLUSIVE),
        (Status.HARMLESS, Where.CONVERSION, RIGHT, Verdict.EQUIVALENT),
        (Status.FAULT, Where.SOURCE_IMPORT, RIGHT, Verdict.EQUIVALENT),
        (Status.FAULT, Where.TARGET_IMPORT, WRONG, Verdict.INCONCLUSIVE),
    ],
)
def test_only_a_fault_of_the_conversion_makes_a_pair_divergent(
    finding: Callable[[Status, Where], Finding],
    status: Status,
    where: Where,
    output: OutputPair,
    verdict: Verdict,
) -> None:
    """An importer's own fault prevents a judgement at most."""
    assert verdict_of([finding(status, where)], [output], 1.0) is verdict


@pytest.mark.parametrize(
    ("share", "outputs", "verdict"),
    [
        (0.4, [], Verdict.INCONCLUSIVE),
        (0.4, [RIGHT], Verdict.EQUIVALENT),
        (0.6, [], Verdict.EQUIVALENT),
        (0.9, [WRONG], Verdict.INCONCLUSIVE),
    ],
)
def test_too_little_compared_is_inconclusive(
    share: float, outputs: list[OutputPair], verdict: Verdict
) -> None:
    """Unless the outputs themselves agree."""
    assert verdict_of([], outputs, share) is verdict
