"""From faults to findings: the most confident rule speaks, the others' cures are kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from analyzer.classify import classify, finding_id, unexplained, with_layers
from analyzer.core.types import (
    Fault,
    FaultClass,
    Finding,
    Fix,
    NativeLayer,
    Pivot,
    RemoveNode,
    Status,
)

Bench = Callable[..., SimpleNamespace]
Located = Callable[..., tuple[Fault, ...]]
ROW = np.linspace(-1.0, 1.0, 8, dtype=np.float32).reshape(2, 4)
CHAIN = "(float[2,4] x) => (y) { a = Abs(x) b = Exp(a) y = Tanh(b) }"


@dataclass(frozen=True)
class Says:
    """A rule that explains every fault alike."""

    slug: str
    confidence: float
    fixed: bool = False
    tensors: tuple[str, ...] = ("b",)

    def judge(self, fault: Fault) -> Sequence[Finding]:
        """Return one finding with this rule's confidence and fix."""
        fix = Fix(f"undo {self.slug}", (RemoveNode("b"),)) if self.fixed else None
        return [
            replace(
                unexplained(fault),
                rule=self.slug,
                confidence=self.confidence,
                fix=fix,
                target_tensors=self.tensors,
            )
        ]


@dataclass(frozen=True)
class Raises:
    """A rule that is broken."""

    slug: str = "broken"

    def judge(self, fault: Fault) -> Sequence[Finding]:
        """Raise, whatever the fault."""
        raise ZeroDivisionError(f"on {fault.guilty[0]}")


@pytest.fixture
def fault(bench: Bench, located: Located) -> Fault:
    """An exponential that became a sine."""
    (only,) = located(bench(CHAIN, CHAIN.replace("Exp", "Sin"), ROW))
    return only


def test_most_confident_rule_speaks(fault: Fault) -> None:
    """One finding a fault, whatever the order of the rules."""
    findings, broken = classify([fault], [Says("weak", 0.4), Says("strong", 0.9)])

    assert [finding.rule for finding in findings] == ["strong"]
    assert broken == ()


def test_cures_of_the_others_are_alternatives(fault: Fault) -> None:
    """In the order of their confidence."""
    rules = [Says("third", 0.3, fixed=True), Says("first", 0.9, fixed=True)]
    ((finding,), _) = classify([fault], [*rules, Says("second", 0.5, fixed=True)])

    assert finding.fix is not None
    assert finding.fix.title == "undo first"
    assert [fix.title for fix in finding.alternatives] == ["undo second", "undo third"]


def test_explanation_without_a_cure_takes_anothers(fault: Fault) -> None:
    """What one rule explains best, another may mend."""
    ((finding,), _) = classify([fault], [Says("sage", 0.9), Says("smith", 0.5, fixed=True)])

    assert finding.rule == "sage"
    assert finding.fix is not None
    assert finding.fix.title == "undo smith"
    assert finding.alternatives == ()


def test_fault_that_no_rule_knows_is_still_a_finding(fault: Fault) -> None:
    """Where and how much is known; the why is left open."""
    ((finding,), _) = classify([fault], ())

    assert finding.rule == "unexplained"
    assert finding.target_nodes == ("b",)
    assert finding.message == (
        f"b deviates by {fault.local_error:.3g} of its largest value when fed the source's "
        f"own inputs (Sin against Exp); rounding explains 1e-05"
    )


def test_rule_that_raises_is_named_and_skipped(fault: Fault) -> None:
    """Anybody's code may be in the rule book; it does not end the run."""
    findings, (missed,) = classify([fault, fault], [Raises(), Says("sound", 0.5)])

    assert [finding.rule for finding in findings] == ["sound", "sound"]
    assert missed.what == "rule broken"
    assert missed.why == "it raised ZeroDivisionError: on b"


def test_drift_is_one_finding_at_the_end(fault: Fault) -> None:
    """However many regions compute with fewer bits."""
    half = replace(fault, status=Status.DRIFT, local_error=1e-3)
    less = replace(half, local_error=1e-4)
    findings, _ = classify([less, fault, half], [Says("rule", 0.9)])

    assert [finding.status for finding in findings] == [Status.FAULT, Status.DRIFT]
    assert findings[1].rule == "reduced-precision"
    assert findings[1].fault_class is FaultClass.DTYPE_PRECISION
    assert findings[1].message.startswith("2 regions of the target compute with fewer bits")


def test_finding_leads_with_its_root(fault: Fault) -> None:
    """A rule that names only what the region gives is given the guilty tensor first."""
    known = replace(fault, guilty=("root", "b"))
    ((finding,), _) = classify([known], [Says("rule", 0.9, tensors=("b",))])

    assert finding.target_tensors == ("root", "b")


def test_identifier_is_stable() -> None:
    """It depends on the rule and the tensors, in no way on the run."""
    assert finding_id("rule", ["a", "b"]) == "af1aafcd94be"
    assert finding_id("rule", ["a", "b"]) != finding_id("rule", ["ab"])


def test_finding_gets_the_users_own_layers(
    fault: Fault, pivot: Callable[..., Pivot], bench: Bench
) -> None:
    """By the tensors it names, on either side."""
    one = bench(CHAIN, CHAIN, ROW)
    source = replace(pivot(CHAIN, "one"), layers={"b": NativeLayer("exp", "net.py:7")})
    target = replace(pivot(CHAIN, "two"), layers={"a": NativeLayer("conv1")})
    finding = with_layers(
        unexplained(fault), source, target, one.source.view, one.target.view
    )

    assert finding.native_source == "exp"
    assert finding.location == "net.py:7"
    assert finding.native_target == "conv1"
