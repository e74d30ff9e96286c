"""A repair ends by itself, at its limits or for a reason, and says which."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from analyzer.core.options import Options
from analyzer.core.report import Report, Verdict
from analyzer.core.types import Fault, Finding, Fix, SetAttribute, TryVerdict
from analyzer.runtime import region
from cli import main
from rewriter import case
from rewriter.limits import Limits, TimeUpError
from rewriter.repair import repair
from rules.discovery import ours

FEW = Options(samples=4)

NETWORK = """<ir_version: 8, opset_import: ["": 17]>
net (float[1,4] x) => (float[1,4] y) {
  a = LeakyRelu<alpha = 0.1>(x)  p = MatMul(a, w)  b = Elu<alpha = 1.5>(p)
  q = MatMul(b, v)  y = LeakyRelu<alpha = 0.3>(q) }"""


@pytest.fixture
def pair(tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """Save a network and a copy with some of its numbers changed; return both paths."""

    def saved(*changes: tuple[str, str]) -> tuple[str, str]:
        text = NETWORK
        for old, new in changes:
            text = text.replace(old, new)
        for name, written in (("source", NETWORK), ("target", text)):
            model = parser.parse_model(written)
            for seed, weight in enumerate("wv"):
                array = np.random.default_rng(seed).normal(size=(4, 4)).astype(np.float32)
                model.graph.initializer.append(numpy_helper.from_array(array, weight))
            onnx.save(model, tmp_path / f"{name}.onnx")
        return str(tmp_path / "source.onnx"), str(tmp_path / "target.onnx")

    return saved


THREE = (("0.1", "0.4"), ("1.5", "0.7"), ("0.3", "0.9"))


def mended(paths: tuple[str, str], out: Path, **more: object) -> Report:
    """Return the report of a repair with our rules."""
    return repair(*paths, out, options=FEW, rules=ours(), **more)  # type: ignore[arg-type]


def verdicts(report: Report) -> list[TryVerdict]:
    """Return what became of each finding."""
    return [finding.outcome.verdict for finding in report.findings if finding.outcome]


def test_time_that_is_up_leaves_what_was_kept(
    pair: Callable[..., tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was kept by then is proven and written; the rest says that it was too late."""
    ticks: Iterator[int] = count()
    monkeypatch.setattr(Limits, "is_over", property(lambda _: next(ticks) >= 2))
    report = mended(pair(*THREE), tmp_path / "out.onnx", timeout=2.5)

    assert report.verdict is Verdict.IMPROVED
    assert sorted(verdicts(report)) == [TryVerdict.KEPT, *[TryVerdict.UNTRIED] * 2]
    assert report.ended == "the 2.5 seconds of --timeout were over"
    late = [one.outcome.reason for one in report.findings if one.outcome]
    assert late.count(report.ended) == 2
    assert (tmp_path / "out.onnx").exists()


def test_no_time_at_all_writes_nothing(
    pair: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """A limit that the first analysis used up ends the repair, with the reason."""
    report = mended(pair(*THREE), tmp_path / "out.onnx", timeout=1e-9)

    assert (report.verdict, set(verdicts(report))) == (
        Verdict.UNREPAIRED,
        {TryVerdict.UNTRIED},
    )
    assert "--timeout" in report.ended
    assert not (tmp_path / "out.onnx").exists()


def test_further_analysis_ends_in_time(
    pair: Callable[..., tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stops at the next stage, not at its end; what was kept before it is written."""
    analysed = case.analyse_pivots
    monkeypatch.setattr("rewriter.rounds._ended", lambda *_, **__: "")
    stopped: list[str] = []

    def late(*args: object, **more: object) -> object:
        monkeypatch.setattr(Limits, "is_over", property(lambda _: not stopped))
        try:
            return analysed(*args, **more)  # type: ignore[arg-type]
        except TimeUpError as surprise:
            stopped.append(surprise.problem)
            raise

    monkeypatch.setattr(case, "analyse_pivots", late)
    report = mended(pair(("0.1", "0.4")), tmp_path / "out.onnx", timeout=2.5)

    assert stopped == ["the 2.5 seconds of --timeout were over"]
    assert report.verdict is Verdict.REPAIRED
    assert verdicts(report) == [TryVerdict.KEPT]


class Half:
    """Our rules, whose first finding keeps its fix only in the first round."""

    slug = "half"

    def judge(self, fault: Fault) -> tuple[Finding, ...]:
        """Return our finding with a fix that takes away most of its error."""
        found = next(rule.judge(fault) for rule in ours() if rule.judge(fault))[0]
        near = Fix("bring it near", (SetAttribute("y", "alpha", 0.35),))
        return (replace(found, fix=near, alternatives=()),)


def test_rounds_end_where_they_are_bounded(
    pair: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """After one round a fault is left, and the report says that no other was begun."""
    paths = pair(("0.3", "0.9"))
    report = repair(
        *paths, tmp_path / "out.onnx", options=FEW, rules=[Half()], max_rounds=1
    )

    assert report.verdict is Verdict.IMPROVED
    assert report.ended == "--max-rounds 1 was reached"


def test_fix_that_failed_is_tried_again_where_another_moved_its_error(
    pair: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """The rounds go on after a kept fix, and end where the same one helps no more."""
    paths = pair(("0.3", "0.9"))
    report = repair(*paths, tmp_path / "out.onnx", options=FEW, rules=[Half()])
    outcome = report.findings[0].outcome

    assert report.verdict is Verdict.IMPROVED
    assert report.ended == "no fix that is left to try helps"
    assert outcome is not None
    assert [one.round for one in outcome.attempts] == [1, 2]
    assert [one.verdict for one in outcome.attempts] == [
        TryVerdict.KEPT,
        TryVerdict.REJECTED,
    ]


class Wrong:
    """A rule with many fixes inside its region, none of which mends."""

    slug = "wrong"

    def judge(self, fault: Fault) -> tuple[Finding, ...]:
        """Return our finding with other values in the place of the right one."""
        found = next(rule.judge(fault) for rule in ours() if rule.judge(fault))[0]
        fixes = [
            Fix(f"alpha {alpha}", (SetAttribute("y", "alpha", alpha),))
            for alpha in (2.0, 3.0, 4.0)
        ]
        return (replace(found, fix=fixes[0], alternatives=tuple(fixes[1:])),)


def test_rejected_fix_costs_one_run_of_its_region(
    pair: Callable[..., tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three fixes of one number are three sessions of one operator, and no pair of them."""
    opened: list[int] = []
    original = region.open_session

    def counted(model: onnx.ModelProto, *rest: object, **more: object) -> object:
        opened.append(len(model.graph.node))
        return original(model, *rest, **more)  # type: ignore[arg-type]

    paths = pair(("0.3", "0.9"))
    repair(*paths, tmp_path / "no.onnx", options=FEW, rules=())
    monkeypatch.setattr(region, "open_session", counted)
    repair(*paths, tmp_path / "no.onnx", options=FEW, rules=())
    without = len(opened)
    report = repair(*paths, tmp_path / "no.onnx", options=FEW, rules=[Wrong()])
    outcome = report.findings[0].outcome

    assert outcome is not None
    assert len(outcome.attempts) == 3
    assert len(opened) - 2 * without == 3
    assert set(opened[-3:]) == {1}


def test_single_fault_is_repaired_with_two_analyses(
    pair: Callable[..., tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the pair as it stood, the proof is the one analysis that is made."""
    asked: list[object] = []
    original = case.analyse_pivots

    def counted(*both: object, **more: object) -> object:
        asked.append(both)
        return original(*both, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(case, "analyse_pivots", counted)
    report = mended(pair(("0.3", "0.9")), tmp_path / "out.onnx")

    assert report.verdict is Verdict.REPAIRED
    assert len(asked) == 1


@pytest.mark.parametrize("words", [["--timeout", "0"], ["--max-rounds", "0"]])
def test_limit_of_nothing_is_refused(
    pair: Callable[..., tuple[str, str]],
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    """No time and no rounds are no repair: the message names the word."""
    code = main(["repair", *pair(), "--dry-run", *words])

    assert code == 2
    assert f"argument {words[0]}: 0 is" in capsys.readouterr().err


def test_limits_are_told_on_the_screen(
    pair: Callable[..., tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever set the limit reads that it ended the repair."""
    code = main(["repair", *pair(*THREE), "--dry-run", "--timeout", "1e-6"])

    assert code == 1
    assert "ended: the 1e-06 seconds of --timeout were over" in capsys.readouterr().out
