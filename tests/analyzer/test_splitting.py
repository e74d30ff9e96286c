"""Faults in a row are told apart where a cut between them tells something."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from analyzer.core.options import Options
from analyzer.core.types import Array
from analyzer.diff import analyse
from rules.discovery import all_rules

Save = Callable[[onnx.ModelProto, str], str]
Net = Callable[..., onnx.ModelProto]
TEXT = (
    "(float[2,6] x) => (y) {{ a = Abs(x) b = Exp(a) m = Mul({}) s = Sub({})"
    " t = MatMul(s, w) y = Tanh({}) }}"
)
RIGHT = TEXT.format("a, b", "m, a", "t")
WEIGHT = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


@pytest.fixture
def named(net: Net, saved: Save) -> Callable[..., list[tuple[str, ...]]]:
    """Gives what each finding on a pair names, in the order of their names."""

    def run(target: str, weight: Array = WEIGHT) -> list[tuple[str, ...]]:
        paths = (
            saved(net(RIGHT, w=WEIGHT), "source"),
            saved(net(target, w=weight), "target"),
        )
        options = Options(samples=4)
        report = analyse(*paths, options=options, rules=all_rules).report
        return sorted(finding.target_tensors for finding in report.findings)

    return run


def test_one_fault_is_one_finding(named: Callable[..., list[tuple[str, ...]]]) -> None:
    """Nothing is cut where one node is wrong."""
    assert named(TEXT.format("a, b", "a, m", "t")) == [("s",)]


def test_two_like_operators_in_a_row_are_two_findings(
    named: Callable[..., list[tuple[str, ...]]],
) -> None:
    """A product of another operand, and operands of a difference in the wrong order."""
    assert named(TEXT.format("x, b", "a, m", "t")) == [("m",), ("s",)]


def test_weight_behind_a_wrong_operator_has_its_own_finding(
    named: Callable[..., list[tuple[str, ...]]],
) -> None:
    """The cut stands because the weight behind it cures its part."""
    wrong = WEIGHT.copy()
    wrong[2] *= 3

    assert named(TEXT.format("a, b", "a, m", "t"), wrong) == [("s",), ("t",)]


FLIP = "Slice({}, end, start, axis, step)"
SUMMED = "(float[2,6] x) => (y) {{ a = Abs(x) {} y = Tanh(s) }}"
STEPS = {
    "end": np.int64([-1]),
    "start": np.int64([-(2**62)]),
    "axis": np.int64([1]),
    "step": np.int64([-1]),
    "k": np.int64(1),
}


def test_a_flip_that_is_missing_is_one_finding(net: Net, saved: Save) -> None:
    """A sum between two flips lacks the second: cut in two, both halves were wrong."""
    source = SUMMED.format("s = CumSum<reverse = 1>(a, k)")
    target = SUMMED.format(f"f = {FLIP.format('a')} s = CumSum(f, k)")
    paths = saved(net(source, **STEPS), "source"), saved(net(target, **STEPS), "target")
    report = analyse(*paths, options=Options(samples=4), rules=all_rules).report

    assert [finding.rule for finding in report.findings] == ["order-reversed"]
