"""Fixes are kept on their own region's error, and what was tried is told."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from analyzer.core.options import Options
from analyzer.core.report import Verdict
from analyzer.core.types import Pivot, TryVerdict
from analyzer.diff import analyse
from rewriter import attempts
from rewriter.kept import Trial
from rewriter.repair import repair
from rules.discovery import ours


@pytest.fixture
def turned(tmp_path: Path) -> tuple[str, str]:
    """A network that turns its image before flattening it, and one that forgets to."""

    def network(perm: list[int]) -> onnx.ModelProto:
        ends = [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4]),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8]),
        ]
        random = np.random.default_rng(0)
        weight = random.normal(size=(48, 8)).astype(np.float32)
        nodes = [
            helper.make_node("Relu", ["x"], ["r"], "relu"),
            helper.make_node("Transpose", ["r"], ["t"], "turn", perm=perm),
            helper.make_node("Flatten", ["t"], ["f"], "flatten"),
            helper.make_node("MatMul", ["f", "w"], ["y"], "head"),
        ]
        constants = [onnx.numpy_helper.from_array(weight, "w")]
        graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
        )

    for name, perm in (("source", [0, 2, 3, 1]), ("target", [0, 3, 2, 1])):
        onnx.save(network(perm), tmp_path / f"{name}.onnx")
    return str(tmp_path / "source.onnx"), str(tmp_path / "target.onnx")


def test_fix_beside_its_region_is_judged_by_a_new_analysis(
    turned: tuple[str, str], tmp_path: Path
) -> None:
    """An order of axes is felt behind the node that makes it, and mended there."""
    out = tmp_path / "out.onnx"

    report = repair(*turned, out, options=Options(samples=4), rules=ours())

    assert report.verdict is Verdict.REPAIRED
    turn = next(node for node in onnx.load(out).graph.node if node.op_type == "Transpose")
    assert list(turn.attribute[0].ints) == [0, 2, 3, 1]


def test_refused_fix_says_why(turned: tuple[str, str]) -> None:
    """A fix that mends but cannot be written is rejected with the format's reason."""
    analysis = analyse(*turned, options=Options(samples=4), rules=ours())
    trial = Trial(
        analysis.target,
        judge=None,  # type: ignore[arg-type]
        refusal=lambda *_: "the format has no word for it",
        localised=none,
    )

    tried = attempts.attempt(trial, analysis.report.findings)

    assert not tried.kept
    reasons = [outcome.reason for outcome in tried.outcomes.values()]
    assert all("the format has no word for it" in reason for reason in reasons)
    tries = [one for outcome in tried.outcomes.values() for one in outcome.attempts]
    assert {one.verdict for one in tries} == {TryVerdict.REJECTED}


def none(pivot: Pivot) -> tuple[()]:
    """Return no findings for any pivot."""
    del pivot
    return ()
