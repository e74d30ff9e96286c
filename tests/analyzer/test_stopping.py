"""Targets that stop at a node: named beside the source's node, and mended."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from analyzer.core.report import Report, Verdict
from analyzer.core.types import Array, FaultClass
from rewriter.repair import repair
from rules.discovery import ours

Net = Callable[..., onnx.ModelProto]
Save = Callable[[onnx.ModelProto, str], str]
Run = Callable[[str, str, dict[str, Array], dict[str, Array]], Report]

SHAPED = (
    "(float[N,3,4] x) => (y) { a = Tanh(x) s = Shape(a) n = Gather<axis=0>(s, zero) "
    "m = Unsqueeze(n, axes) t = Concat<axis=0>(m, rest) b = Reshape(a, t) "
    "c = MatMul(b, w) y = Neg(c) }"
)
SPELT = (
    "(float[N,3,4] x) => (y) { t1 = Tanh(x) t2 = Shape(t1) t3 = Gather<axis=0>(t2, zero) "
    "t4 = Unsqueeze(t3, axes) t5 = Concat<axis=0>(t4, rest) t6 = Reshape(t1, t5) "
    "t7 = MatMul(t6, w) y = Neg(t7) }"
)
WEIGHT = np.linspace(-1, 1, 24, dtype=np.float32).reshape(12, 2)
GIVEN = {
    "zero": np.int64(0),
    "axes": np.int64([0]),
    "rest": np.int64([12]),
    "w": WEIGHT,
}


@pytest.fixture
def mended(net: Net, saved: Save, tmp_path: Path) -> Run:
    """The report on the repair of a pair of texts with their constants."""

    def run(
        source: str, target: str, ours_: dict[str, Array], theirs: dict[str, Array]
    ) -> Report:
        paths = (
            saved(net(source, **ours_), "source"),
            saved(net(target, **theirs), "target"),
        )
        return repair(*paths, tmp_path / "out.onnx", rules=ours())

    return run


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("Concat<axis=0>", "Concat<axis=5>", "t5"),
        ("Concat<axis=0>", "Concat", "t5"),
        ("Unsqueeze(t3, axes)", "Unsqueeze<axes=[0]>(t3)", "t4"),
        ("Shape(t1)", "Shape(ghost)", "t2"),
        ("Reshape(t1, t5)", "Reshape(t1, ghost)", "t6"),
    ],
)
def test_node_that_computes_sizes_is_named_and_mended(
    mended: Run, old: str, new: str, place: str
) -> None:
    """The source's shape arithmetic is carried over with what reads it."""
    report = mended(SHAPED, SPELT.replace(old, new), GIVEN, GIVEN)
    first = report.findings[0]

    assert report.verdict is Verdict.REPAIRED, first.message
    assert place in first.target_tensors
    assert first.fault_class in {FaultClass.LOAD_FAILURE, FaultClass.RUNTIME}


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (WEIGHT.T, "input1 is float32 [2, 12], the source's float32 [12, 2]"),
        (WEIGHT.astype(np.float64), "input1 is float64 [12, 2], the source's float32"),
        (WEIGHT[:-1], "input1 is float32 [11, 2], the source's float32 [12, 2]"),
    ],
)
def test_weight_that_does_not_fit_is_told_in_numbers(
    mended: Run, weight: Array, words: str
) -> None:
    """Its shape and number type stand beside the source's, and it is restored."""
    report = mended(SHAPED, SPELT, GIVEN, {**GIVEN, "w": weight})
    first = report.findings[0]

    assert report.verdict is Verdict.REPAIRED
    assert first.rule == "node-stops"
    assert first.target_nodes == ("t7",)
    assert words in first.message


def test_wrong_constant_of_several_nodes_is_mended_at_each(mended: Run) -> None:
    """One stops behind the other: a fix that gets the target further is kept."""
    text = "(float[2,6] x) => (y) {" + "".join(
        f" a{n} = Tanh({f'b{n - 1}' if n else 'x'}) b{n} = Reshape(a{n}, s)"
        for n in range(6)
    )
    text += " y = Neg(b5) }"
    report = mended(text, text, {"s": np.int64([2, 6])}, {"s": np.int64([5, 7])})

    assert report.verdict is Verdict.REPAIRED


def test_tensor_missing_in_a_body_is_told_by_its_reader(mended: Run) -> None:
    """The node inside is named, and what the source's reads there."""
    body = "then_branch = g () => (float[1] t) { t = Mul(x, NAME) }"
    rest = "else_branch = h () => (float[1] t) { t = Neg(x) }"
    head = "(float[1] x) => (y) { m = ReduceSum<keepdims=0>(x) c = Greater(m, z)"
    text = f"{head} z1 = If(c) <{body}, {rest}> y = Neg(z1) }}"
    constants = {"z": np.float32(0), "w": np.float32([3])}
    report = mended(
        text.replace("NAME", "w"), text.replace("NAME", "ghost"), constants, constants
    )
    first = report.findings[0]

    assert report.verdict is Verdict.REPAIRED
    assert first.rule == "dangling-input"
    assert "reads ghost" in first.message
    assert "in its then_branch reads it; the source's Mul t reads w there" in first.message
