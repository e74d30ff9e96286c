"""The pairs of one run, as they are or edited, are what the next run is told."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from analyzer.core.options import Options
from analyzer.core.report import Report, Verdict
from analyzer.diff import analyse
from analyzer.reports.files import write_report

TWINS = """(float[1,4] x) => (y) {
  a = MatMul(x, w) b = Relu(a) c = MatMul(x, v) d = Relu(c) e = Sub(b, d) y = Tanh(e) }"""
Run = Callable[[Path | None], Report]


@pytest.fixture
def run(
    net: Callable[..., onnx.ModelProto],
    saved: Callable[[onnx.ModelProto, str], str],
    rng: np.random.Generator,
) -> Run:
    """Compares `TWINS` with its own copy, pairs given in a file or not at all."""
    weights = {name: rng.normal(size=(4, 4)).astype(np.float32) for name in "wv"}
    model = net(TWINS, **weights)
    paths = saved(model, "source"), saved(model, "target")
    return lambda path: analyse(*paths, options=Options(pairs=path), rules=()).report


def names(report: Report) -> dict[str, str]:
    """Return source tensor by target tensor."""
    return {pair.target: pair.source for pair in report.pairs}


def test_pairs_of_a_report_are_taken_back(run: Run, tmp_path: Path) -> None:
    """The same pairs, now on the user's word."""
    first = run(None)
    write_report(first, tmp_path)
    second = run(tmp_path / "pairs.json")

    assert names(second) == names(first) == {name: name for name in "xabcdey"}
    assert {pair.reasons for pair in second.pairs if pair.target in "abcde"} == {("user",)}
    assert second.verdict is Verdict.EQUIVALENT


def test_edited_pair_stands_against_all_evidence(run: Run, tmp_path: Path) -> None:
    """Weights and values say otherwise, and the user decides."""
    write_report(run(None), tmp_path)
    path = tmp_path / "pairs.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    crossed = {"a": "c", "c": "a", "b": "d", "d": "b"}
    for row in rows:
        row["source"] = crossed.get(row["source"], row["source"])
    path.write_text(json.dumps(rows), encoding="utf-8")
    report = run(path)

    assert {name: names(report)[name] for name in "abcd"} == crossed
    assert report.verdict is Verdict.DIVERGENT
