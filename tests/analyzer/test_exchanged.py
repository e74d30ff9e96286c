"""Outputs that hold another output's values are known by them."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from analyzer.core.report import Verdict
from analyzer.diff import analyse
from rules.discovery import all_rules

Save = Callable[[onnx.ModelProto, str], str]
Net = Callable[..., onnx.ModelProto]
HEADS = "(float[2,6] x) => ({}) {{ h = Abs(x) a = Exp(h) b = Sqrt(h) c = {} }}"
SOURCE = HEADS.format("a, b, c", "Tanh(h)")


@pytest.fixture
def told(net: Net, saved: Save) -> Callable[[str], list[tuple[str, str]]]:
    """Gives rule and message of each finding on a target."""

    def run(target: str) -> list[tuple[str, str]]:
        paths = saved(net(SOURCE), "source"), saved(net(target), "target")
        report = analyse(*paths, rules=all_rules).report

        assert report.verdict is Verdict.DIVERGENT
        return [(finding.rule, finding.message) for finding in report.findings]

    return run


def test_names_that_changed_places_are_one_finding(
    told: Callable[[str], list[tuple[str, str]]],
) -> None:
    """Each output of the source is there, two of them by the other's name."""
    text = SOURCE.replace("a = Exp", "q = Exp").replace("b = Sqrt", "a = Sqrt")
    ((rule, message),) = told(text.replace("q = Exp", "b = Exp"))

    assert rule == "outputs-exchanged"
    assert "a holds the source's b where a belongs" in message


def test_an_output_given_twice_is_said_to_be(
    told: Callable[[str], list[tuple[str, str]]],
) -> None:
    """The region is wrong, and the word for it is whose values it holds."""
    ((_, message),) = told(HEADS.format("a, b, c", "Exp(h)"))

    assert "c holds the source's a, which a gives already" in message


def test_a_lost_output_is_told_with_what_it_is_made_of(
    told: Callable[[str], list[tuple[str, str]]],
) -> None:
    """There is one finding, not another about the interface."""
    ((rule, message),) = told(
        "(float[2,6] x) => (a, b) { h = Abs(x) a = Exp(h) b = Sqrt(h) }"
    )

    assert rule == "output-missing"
    assert "output c is missing: the target has h, of which Tanh" in message


def test_two_equal_outputs_are_not_exchanged(net: Net, saved: Save) -> None:
    """Which of them is which nobody can tell, nor need to."""
    twice = "(float[2,6] x) => (a, b) { h = Abs(x) a = Exp(h) b = Exp(h) }"
    paths = saved(net(twice), "source"), saved(net(twice), "target")
    report = analyse(*paths, rules=all_rules).report

    assert np.all([pair.within for pair in report.outputs])
    assert report.findings == ()
