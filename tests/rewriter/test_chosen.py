"""What mends a part and does harm to the whole is left out, on inputs not seen before."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from analyzer.core.options import Options
from analyzer.core.report import Verdict
from analyzer.core.types import (
    Fault,
    Finding,
    Fix,
    ReplaceRegion,
    SetConstant,
    TryVerdict,
)
from rewriter.repair import repair
from rules.discovery import ours

ROWS = 64
SEEN = 9
"""Rows of the table that the probes of seed 4 read; the held-out ones read more."""

OPTIONS = Options(seed=4)


def table() -> np.ndarray:
    """Return the source's table, float32."""
    return np.arange(ROWS, dtype=np.float32)


def lookup(rows: np.ndarray, slope: float = 0.1) -> onnx.ModelProto:
    """A table that is read at the magnitude of the inputs' sum, and another branch."""
    model = onnx.parser.parse_model(
        """<ir_version: 9, opset_import: ["": 17]>
        lookup (float[1,4] x) => (float[1,4] y, float[1,4] z) {
          s = ReduceSum<keepdims=0>(x) a = Abs(s) i = Cast<to=7>(a)
          g = Gather(t, i) y = Add(g, x) z = LeakyRelu<alpha = SLOPE>(x)
        }""".replace("SLOPE", str(slope))
    )
    model.graph.initializer.append(numpy_helper.from_array(rows, "t"))
    return model


class Spoiling:
    """Our rules, but for a table: the rows that were seen are right, the others not."""

    slug = "spoiling"

    def judge(self, fault: Fault) -> tuple[Finding, ...]:
        """Return our finding, of a table with a fix that does harm elsewhere."""
        found = next(rule.judge(fault) for rule in ours() if rule.judge(fault))[0]
        readers = [node for node in fault.target.nodes if node.op == "Gather"]
        if not readers:
            return (found,)
        rows = table()
        rows[SEEN:] = 1e6
        fix = Fix("spoil the table", (SetConstant(readers[0].name, 0, rows),))
        return (replace(found, fix=fix, alternatives=()),)


@pytest.fixture
def paths(tmp_path: Path) -> tuple[str, str]:
    """Where the source and the target go; the source is there."""
    onnx.save(lookup(table()), tmp_path / "source.onnx")
    return str(tmp_path / "source.onnx"), str(tmp_path / "target.onnx")


def broken() -> np.ndarray:
    """Return a table of which two rows that every probe may read are off."""
    rows = table()
    rows[:SEEN] += 3
    return rows


def test_where_every_subset_does_harm_nothing_is_written(
    paths: tuple[str, str], tmp_path: Path
) -> None:
    """The one fix mends its part, and an output is worse on held-out probes."""
    onnx.save(lookup(broken()), paths[1])
    report = repair(*paths, tmp_path / "o.onnx", options=OPTIONS, rules=[Spoiling()])
    (outcome,) = (one.outcome for one in report.findings if one.outcome)

    assert (report.verdict, outcome.verdict) == (
        Verdict.UNREPAIRED,
        TryVerdict.REJECTED,
    )
    assert "did harm to the whole: output y is off by" in report.ended
    assert "on held-out probes" in outcome.reason
    assert not (tmp_path / "o.onnx").exists()


def test_fix_without_harm_is_written_alone(paths: tuple[str, str], tmp_path: Path) -> None:
    """Of two kept fixes the one that does harm is left out, with the reason."""
    onnx.save(lookup(broken(), slope=0.6), paths[1])
    report = repair(*paths, tmp_path / "o.onnx", options=OPTIONS, rules=[Spoiling()])
    told = {one.target_tensors: one.outcome for one in report.findings if one.outcome}

    assert report.verdict is Verdict.IMPROVED
    assert {outcome.verdict for outcome in told.values()} == {
        TryVerdict.KEPT,
        TryVerdict.REJECTED,
    }
    mended = onnx.load(tmp_path / "o.onnx")
    assert mended.graph.node[-1].attribute[0].f == pytest.approx(0.1)


def leaky(slope: float) -> str:
    """Return a network of any batch with one operator, as text."""
    return f"""<ir_version: 9, opset_import: ["": 17]>
        net (float[N,4] x) => (float[N,4] y) {{ y = LeakyRelu<alpha = {slope}>(x) }}"""


class Freezing:
    """Our rules, with a cure in front that computes right numbers for one batch alone."""

    slug = "freezing"

    def judge(self, fault: Fault) -> tuple[Finding, ...]:
        """Return our finding with another operator that is right, and then a shape."""
        found = next(rule.judge(fault) for rule in ours() if rule.judge(fault))[0]
        graph = onnx.parser.parse_graph("""
            part (float[N,4] x) => (float[N,4] y) <int64[2] shape = {1, 4}>
            { wide = LeakyRelu<alpha = 0.1>(x)  y = Reshape(wide, shape) }""")
        fix = Fix("freeze", (ReplaceRegion(("y",), graph, 17),))
        whole = Fix("thaw", (ReplaceRegion(("y", "y"), _thawed(), 17),))
        return (replace(found, fix=fix, alternatives=(whole,)),)


def _thawed() -> onnx.GraphProto:
    """Return the operator as it is right."""
    return onnx.parser.parse_graph("""
        part (float[N,4] x) => (float[N,4] y) { y = LeakyRelu<alpha = 0.1>(x) }""")


def test_fix_that_works_at_one_batch_only_gives_way_to_another(
    paths: tuple[str, str], tmp_path: Path
) -> None:
    """Both sides leave the batch open, so that what mends is run at a second one."""
    for path, slope in zip(paths, (0.1, 0.5), strict=True):
        onnx.save(onnx.parser.parse_model(leaky(slope)), path)
    report = repair(*paths, tmp_path / "o.onnx", options=OPTIONS, rules=[Freezing()])
    outcome = report.findings[0].outcome

    assert report.verdict is Verdict.REPAIRED
    assert outcome is not None
    assert [one.titles for one in outcome.attempts] == [("freeze",), ("thaw",)]
    assert outcome.attempts[0].reason == (
        "with it the model does not run at a second batch, as it did before"
    )
    assert [one.op_type for one in onnx.load(tmp_path / "o.onnx").graph.node] == [
        "LeakyRelu"
    ]
