"""Every rule's own examples: fault present, found, repaired, healthy pair left alone."""

from pathlib import Path

import onnx
import pytest

from analyzer.core.options import Options
from analyzer.core.report import Verdict
from analyzer.core.types import Status, TryVerdict
from analyzer.diff import diff
from rewriter.repair import repair
from rules.base import Example
from rules.discovery import AnyRule, ours

EVERY = [
    pytest.param(rule, example, id=f"{rule.slug}-{place}")
    for rule in ours()
    for place, example in enumerate(rule.examples)
]
NO_HARM = frozenset({Status.HARMLESS})
CASES = [one for one in EVERY if one.values[0].statuses != NO_HARM]
HARMLESS = [one for one in EVERY if one.values[0].statuses == NO_HARM]


def saved(example: Example, folder: Path) -> tuple[str, str]:
    """Write both models of an example and return their paths."""
    paths = folder / "source.onnx", folder / "target.onnx"
    onnx.save(example.source(), paths[0])
    onnx.save(example.target(), paths[1])
    return str(paths[0]), str(paths[1])


@pytest.mark.parametrize(("rule", "example"), CASES)
def test_a_rule_finds_its_own_fault_first(
    rule: AnyRule, example: Example, tmp_path: Path
) -> None:
    """The pair is divergent, and the first finding is this rule's."""
    source, target = saved(example, tmp_path)
    report = diff(source, target, rules=ours())

    assert report.verdict is Verdict.DIVERGENT
    assert report.findings[0].rule == rule.slug
    assert report.findings[0].fault_class is rule.fault_class
    assert report.findings[0].target_tensors != ()


@pytest.mark.parametrize(("rule", "example"), CASES)
def test_a_rule_mends_its_own_fault(
    rule: AnyRule, example: Example, tmp_path: Path
) -> None:
    """The repair keeps this rule's fix, and the mended model is equivalent."""
    source, target = saved(example, tmp_path)
    report = repair(source, target, tmp_path / "mended.onnx", rules=ours())
    outcomes = [f.outcome for f in report.findings if f.rule == rule.slug]

    assert report.verdict is Verdict.REPAIRED
    assert [one.verdict for one in outcomes if one is not None] == [TryVerdict.KEPT]


@pytest.mark.parametrize(("rule", "example"), HARMLESS)
def test_what_changes_nothing_is_told_where_it_is_asked_for(
    rule: AnyRule, example: Example, tmp_path: Path
) -> None:
    """The pair is equivalent, and only whoever asks hears of the difference."""
    source, target = saved(example, tmp_path)
    quiet = diff(source, target, rules=ours())
    asked = diff(source, target, rules=ours(), options=Options(harmless=True))

    assert quiet.verdict is asked.verdict is Verdict.EQUIVALENT
    assert quiet.findings == ()
    assert [(one.rule, one.status) for one in asked.findings] == [
        (rule.slug, Status.HARMLESS)
    ]


@pytest.mark.parametrize(("rule", "example"), EVERY)
def test_a_healthy_pair_is_left_alone(
    rule: AnyRule, example: Example, tmp_path: Path
) -> None:
    """A rule's source against itself has no finding at all."""
    del rule
    source, _ = saved(example, tmp_path)
    report = diff(source, source, rules=ours(), options=Options(harmless=True))

    assert report.verdict is Verdict.EQUIVALENT
    assert report.findings == ()
