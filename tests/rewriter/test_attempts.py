"""Fixes are kept on their own region's error: the least that mends, and no more."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from analyzer.core.options import Options
from analyzer.core.report import Verdict
from analyzer.core.types import (
    Edit,
    Fault,
    Fix,
    Pivot,
    Region,
    ReplaceRegion,
    SetAttribute,
)
from analyzer.diff import analyse
from rewriter import attempts
from rewriter.attempts import Kept, Trial
from rewriter.repair import repair
from rules.discovery import ours


def fault(name: str) -> Fault:
    """Return a fault of the region that gives one tensor."""
    region = Region((), (), (name,))
    return Fault(
        region,
        region,
        (),
        (),
        (),
        (),
        (),
        (),
        1.0,
        1e-6,
        1.0,
        1,
        1,
        (),
    )


def kept(name: str) -> Kept:
    """Return a kept fix for a region, which sets the attribute of its name."""
    fix = Fix(f"mend {name}", (SetAttribute("node", name, 1),))
    return Kept(((name, fix),), fault(name), 1.0, 0.0)


class Told:
    """A trial in which one edit mends a region that another one mends too."""

    def __init__(self, enough: dict[str, set[str]]) -> None:
        self.enough = enough

    def error(self, those: Sequence[Kept], edits: Sequence[Edit], region: Fault) -> float:
        """Return no error where an edit that is enough for the region is there."""
        everything = [*edits, *(edit for one in those for edit in one.edits)]
        done = {one.attribute for one in everything if isinstance(one, SetAttribute)}
        return 0.0 if self.enough[region.target.outputs[0]] & done else 1.0


def test_edit_that_another_makes_superfluous_is_dropped() -> None:
    """Where the first edit mends both regions, the second leaves again."""
    trial = Told({"a": {"a"}, "b": {"a", "b"}})

    left = attempts._ablated(trial, (kept("a"), kept("b")))  # type: ignore[arg-type]

    assert [one.fixes[0][0] for one in left] == ["a"]


def test_edits_that_are_needed_stay() -> None:
    """Where each region needs its own edit, both stay."""
    trial = Told({"a": {"a"}, "b": {"b"}})

    left = attempts._ablated(trial, (kept("a"), kept("b")))  # type: ignore[arg-type]

    assert [one.fixes[0][0] for one in left] == ["a", "b"]


def test_smaller_fix_is_tried_first() -> None:
    """Where setting an attribute mends too, no region is replaced."""
    graph = onnx.GraphProto()
    whole = Fix("replace", (ReplaceRegion(("node", "other"), graph, 18),))
    small = Fix("set", (SetAttribute("node", "a", 1),))

    assert sorted([whole, small], key=attempts._breadth) == [small, whole]


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
        refusal=lambda _: "the format has no word for it",
        localised=_none,
    )

    tried = attempts.attempt(trial, analysis.report.findings)

    assert not tried.kept
    reasons = [outcome.reason for outcome in tried.outcomes.values()]
    assert all("the format has no word for it" in reason for reason in reasons)


def _none(pivot: Pivot) -> tuple[()]:
    """Return no findings for any pivot."""
    del pivot
    return ()
