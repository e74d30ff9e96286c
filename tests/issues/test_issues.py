"""Converters' issues: the fault is named and mended, the right conversion left alone."""

import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from analyzer.core.report import Report, Verdict
from analyzer.core.types import Finding, Status
from analyzer.diff import diff
from rewriter.repair import repair
from rules.discovery import ours
from tests.issues.issue import Build, Issue
from tests.issues.known import TABLE, identity, issues, table

EVERY = [pytest.param(one, id=identity(one)) for one in issues()]
FAULTY = [pytest.param(one, id=identity(one)) for one in issues() if one.rule]

FRESH = 16
"""Samples that the repair has not seen."""

CLOSE = 1e-4
"""Largest deviation of a mended model, relative to the source's largest value: sums of a
few hundred float32 products in another order."""


def saved(build: Build, path: Path) -> str:
    """Write a model and return its path."""
    onnx.save(build(), path)
    return str(path)


def analysed(one: Issue, target: Build, folder: Path) -> Report:
    """Return what `diff` says of an issue's source and a conversion of it."""
    source = saved(one.source, folder / "source.onnx")
    return diff(source, saved(target, folder / "target.onnx"), rules=ours())


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


@pytest.mark.parametrize("one", FAULTY)
def test_the_fault_is_named(one: Issue, tmp_path: Path) -> None:
    """There is one fault, by its rule, at its node."""
    report = analysed(one, broken(one), tmp_path)
    found = faults(report)

    assert report.verdict is Verdict.DIVERGENT
    assert [finding.rule for finding in found] == [one.rule]
    assert set(found[0].target_tensors) & set(one.guilty)


@pytest.mark.parametrize("one", FAULTY)
def test_the_fault_is_mended(one: Issue, tmp_path: Path) -> None:
    """The mended model computes what the source does, on samples it has not seen."""
    source = saved(one.source, tmp_path / "source.onnx")
    target = saved(broken(one), tmp_path / "target.onnx")
    mended = tmp_path / "mended.onnx"
    report = repair(source, target, mended, rules=ours())
    expected, found = answers(Path(source), mended)

    assert report.verdict is Verdict.REPAIRED
    for right, told in zip(expected, found, strict=True):
        np.testing.assert_allclose(told, right, rtol=0, atol=CLOSE * np.abs(right).max())


def answers(*paths: Path) -> list[list[np.ndarray]]:
    """Return the outputs of models on samples drawn for the first one's inputs."""
    sessions = [onnxruntime.InferenceSession(path) for path in paths]
    rng = np.random.default_rng(20)
    inputs = sessions[0].get_inputs()
    feeds = [_sample(one, rng) for one in inputs]
    names = [[value.name for value in session.get_inputs()] for session in sessions]
    return [
        session.run(None, dict(zip(order, feeds, strict=True)))
        for session, order in zip(sessions, names, strict=True)
    ]


def _sample(one: onnxruntime.NodeArg, rng: np.random.Generator) -> np.ndarray:
    shape = [size if isinstance(size, int) else FRESH for size in one.shape]
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64}
    if one.type in kinds:
        return rng.standard_normal(shape).astype(kinds[one.type])
    whole = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
    return rng.integers(0, 2, shape).astype(whole.get(one.type, np.bool_))


def test_two_faults_of_a_rule_have_two_texts(tmp_path: Path) -> None:
    """No two issues are explained in the same words; each names something of its own."""
    told: dict[str, list[str]] = defaultdict(list)
    for one in (one for one in issues() if one.rule):
        for finding in faults(analysed(one, broken(one), tmp_path)):
            told[finding.rule].append(finding.message)

    for messages in told.values():
        assert len(set(messages)) == len(messages)
        assert all(re.search(r"\d|`|[a-z]+_[a-z]+", message) for message in messages)


def test_the_table_is_fresh() -> None:
    """``python -m tests.issues.known`` has been run since the last issue came in."""
    assert TABLE.read_text(encoding="utf-8") == table()
