"""Two regions whose fixes are right only together are mended together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from analyzer.core.options import Options
from analyzer.core.types import (
    Array,
    Fault,
    Finding,
    Fix,
    Pivot,
    Region,
    ReplaceRegion,
    Sample,
    TryVerdict,
)
from analyzer.diff import analyse
from rewriter.attempts import attempt
from rewriter.kept import Trial
from rewriter.neighbours import joined
from rules.discovery import ours
from tests.rewriter.told import fault, never

NETWORK = """<ir_version: 8, opset_import: ["": 17]>
net (float[1,4,4] x) => (float[1,4,4] y) {
  t = LeakyRelu<alpha = ALPHA>(x)  y = MatMul(t, w) }"""

TURNING = {
    "t": """part (float[1,4,4] x) => (float[1,4,4] t) {
        a = LeakyRelu<alpha = 0.1>(x)  t = Transpose<perm = [0,2,1]>(a) }""",
    "y": """part (float[1,4,4] t) => (float[1,4,4] y) {
        b = Transpose<perm = [0,2,1]>(t)  y = MatMul(b, w) }""",
}
"""What computes each tensor as the source does, if `t` lies in another layout between."""


def weight(scale: float = 1.0) -> onnx.TensorProto:
    """Return a kernel, its first row scaled."""
    array = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    array[0] *= scale
    return numpy_helper.from_array(array, "w")


def between(name: str, given: dict[str, Array], made: dict[str, Array]) -> Fault:
    """Return the fault of the region that gives one tensor of another, as recorded."""
    sample = Sample(given, made, given, made, made)
    region = Region((), tuple(given), (name,))
    return replace(fault(name), source=region, target=region, recorded=(sample,))


@pytest.fixture
def target(tmp_path: Path) -> tuple[Pivot, Finding]:
    """A network with a wrong slope and a wrong kernel behind it, and a finding of it."""
    for name, alpha, scale in (("source", "0.1", 1.0), ("target", "0.5", 3.0)):
        model = parser.parse_model(NETWORK.replace("ALPHA", alpha))
        model.graph.initializer.append(weight(scale))
        onnx.save(model, tmp_path / f"{name}.onnx")
    paths = (str(tmp_path / f"{name}.onnx") for name in ("source", "target"))
    analysis = analyse(*paths, options=Options(samples=2), rules=ours())
    return analysis.target, analysis.report.findings[0]


@pytest.fixture
def faults() -> tuple[Fault, Fault]:
    """The faults of both operators, each by the source's values of one sample."""
    x = np.random.default_rng(1).normal(size=(1, 4, 4)).astype(np.float32)
    t = np.where(x < 0, x * np.float32(0.1), x)
    y = t @ numpy_helper.to_array(weight())
    return between("t", {"x": x}, {"t": t}), between("y", {"t": t}, {"y": y})


def turning(finding: Finding, one: Fault) -> Finding:
    """Return a finding with one half of the cure."""
    (name,) = one.target.outputs
    graph = parser.parse_graph(TURNING[name])
    if name == "y":
        graph.initializer.append(weight())
    fix = Fix(f"turn {name}", (ReplaceRegion((name,), graph, 17),))
    return replace(finding, id=name, fault=one, fix=fix, alternatives=())


def test_fixes_of_neighbours_that_help_only_together_are_kept(
    target: tuple[Pivot, Finding], faults: tuple[Fault, Fault]
) -> None:
    """Each alone leaves its region wrong; both are tried over the two regions as one."""
    pivot, finding = target
    halves = [turning(finding, one) for one in faults]
    trial = Trial(pivot, None, lambda *_: "", never)  # type: ignore[arg-type]

    done = attempt(trial, halves)

    assert [[fix.title for _, fix in one.fixes] for one in done.kept] == [
        ["turn t", "turn y"]
    ]
    for name in ("t", "y"):
        outcome = done.outcomes[name]
        assert outcome.verdict is TryVerdict.KEPT
        assert [len(one.titles) for one in outcome.attempts] == [1, 2]


def test_regions_that_do_not_touch_are_not_joined(faults: tuple[Fault, Fault]) -> None:
    """Without a tensor that passes between them there is no region of both."""
    front, _ = faults

    assert joined(front, front) is None
