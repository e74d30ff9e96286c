"""Converters' issues: the fault is named and mended, the right conversion left alone."""

import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from analyzer.core.options import Options
from analyzer.core.report import InputPair, OutputPair, Report, Verdict
from analyzer.core.types import Finding, Status
from analyzer.diff import diff
from rewriter.repair import repair
from rules.discovery import module_of, ours
from tests.issues.issue import Build, Issue
from tests.issues.known import TABLE, identity, issues, table

EVERY = [pytest.param(one, id=identity(one)) for one in issues()]
FAULTY = [pytest.param(one, id=identity(one)) for one in issues() if one.rule]

PLAIN = Options()
FRESH = 16
"""Samples that the repair has not seen."""

CLOSE = 1e-4
"""Largest deviation of a mended model, relative to the source's largest value: sums of a
few hundred float32 products in another order."""


def saved(build: Build, path: Path) -> str:
    """Write a model and return its path."""
    onnx.save(build(), path)
    return str(path)


def analysed(one: Issue, target: Build, folder: Path, options: Options = PLAIN) -> Report:
    """Return what `diff` says of an issue's source and a conversion of it."""
    source = saved(one.source, folder / "source.onnx")
    conversion = saved(target, folder / "target.onnx")
    return diff(source, conversion, options=options, rules=ours())


def faults(report: Report) -> list[Finding]:
    """Return the findings that are faults."""
    return [one for one in report.findings if one.status is Status.FAULT]


def broken(one: Issue) -> Build:
    """Return what builds the conversion that the issue shows."""
    assert one.broken is not None
    return one.broken


@pytest.mark.parametrize("one", EVERY)
def test_the_right_conversion_is_left_alone(one: Issue, tmp_path: Path) -> None:
    """The pair is equivalent and nothing is found."""
    report = analysed(one, one.healthy, tmp_path)

    assert report.verdict is Verdict.EQUIVALENT
    assert faults(report) == []


def test_a_setting_that_inference_never_reads_is_harmless(tmp_path: Path) -> None:
    """Another momentum is told with both its values where that is asked for."""
    one = next(one for one in issues() if one.link == "pytorch/pytorch#18525")
    asked = Options(harmless=True)
    found = analysed(one, one.healthy, tmp_path, asked).findings

    assert {finding.status for finding in found} == {Status.HARMLESS}
    (told,) = (finding for finding in found if finding.rule == "inference-neutral")
    assert "momentum" in told.message


@pytest.mark.parametrize("one", FAULTY)
def test_the_fault_is_named(one: Issue, tmp_path: Path) -> None:
    """There is one fault for each wrong node, by its rule, at its node."""
    report = analysed(one, broken(one), tmp_path)
    found = faults(report)

    assert report.verdict is Verdict.DIVERGENT
    assert [finding.rule for finding in found] == [one.rule] * one.faults
    assert set(found[0].target_tensors) & set(one.guilty)


@pytest.mark.parametrize("one", FAULTY)
def test_the_fault_is_mended(one: Issue, tmp_path: Path) -> None:
    """The mended model computes what the source does, on samples it has not seen."""
    source = saved(one.source, tmp_path / "source.onnx")
    target = saved(broken(one), tmp_path / "target.onnx")
    mended = tmp_path / "mended.onnx"
    report = repair(source, target, mended, rules=ours())
    expected, found = answers(Path(source), mended, report)

    assert report.verdict is Verdict.REPAIRED
    for right, told in zip(expected, found, strict=True):
        np.testing.assert_allclose(told, right, rtol=0, atol=CLOSE * np.abs(right).max())


def answers(source: Path, mended: Path, report: Report) -> list[list[np.ndarray]]:
    """Return both models' outputs on fresh samples, the mended one's laid as the source's.

    Args:
        source: The source.
        mended: What was written.
        report: Says which inputs and outputs belong together, and how they lie.
    """
    sessions = [onnxruntime.InferenceSession(path) for path in (source, mended)]
    rng = np.random.default_rng(20)
    feeds = {one.name: _sample(one, rng) for one in sessions[0].get_inputs()}
    fed = {
        one.target: feeds[one.source].transpose(_order(one, feeds[one.source]))
        for one in report.inputs
    }
    right = [sessions[0].run([one.source], feeds)[0] for one in report.outputs]
    told = [sessions[1].run([one.target], fed)[0] for one in report.outputs]
    return [
        right,
        [
            array.transpose(np.argsort(_order(one, array)))
            for one, array in zip(report.outputs, told, strict=True)
        ],
    ]


def _order(pair: InputPair | OutputPair, array: np.ndarray) -> tuple[int, ...]:
    return pair.permutation or tuple(range(array.ndim))


def _sample(one: onnxruntime.NodeArg, rng: np.random.Generator) -> np.ndarray:
    shape = [size if isinstance(size, int) else FRESH for size in one.shape]
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64}
    if one.type in kinds:
        return rng.standard_normal(shape).astype(kinds[one.type])
    whole = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
    return rng.integers(0, 2, shape).astype(whole.get(one.type, np.bool_))


def test_two_faults_of_a_rule_have_two_texts(tmp_path: Path) -> None:
    """No two issues are explained in the same words; each names something of its own."""
    told: dict[str, list[Finding]] = defaultdict(list)
    for one in (one for one in issues() if one.rule):
        for finding in faults(analysed(one, broken(one), tmp_path)):
            told[finding.rule].append(finding)

    for findings in told.values():
        assert len({one.message for one in findings}) == len(findings)
        assert all(map(_is_of_this_run, findings))


def _is_of_this_run(finding: Finding) -> bool:
    """Return whether a message holds a number, or the name of a tensor or node."""
    names = (*finding.target_tensors, *finding.target_nodes)
    words = re.findall(r"[\w.]+", finding.message)
    return bool(re.search(r"\d", finding.message)) or not set(words).isdisjoint(names)


@pytest.mark.parametrize("one", FAULTY)
def test_the_rule_refers_to_the_issue(one: Issue) -> None:
    """Who reads of a rule of the book is shown where its fault was seen."""
    rule = next((each for each in ours() if each.slug == one.rule), None)
    said = one.url if rule is None else module_of(rule).__doc__ or ""

    assert not one.link or one.url in said


def test_the_table_is_fresh() -> None:
    """``python -m tests.issues.known`` has been run since the last issue came in."""
    assert TABLE.read_text(encoding="utf-8") == table()
