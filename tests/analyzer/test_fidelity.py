"""A pivot that is not its native model is a finding, and says who made it so."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import pytest

from analyzer.core.report import Verdict
from analyzer.core.types import Array, Feeds, Pivot, Status, Where
from analyzer.diff import analyse
from analyzer.fidelity import fidelity_findings

Make = Callable[..., Pivot]
ROW: Feeds = {"x": np.float32([1.0, 2.0])}

PADDED = (
    "(float[1,2,6,6] x) => (y) { r = Relu(x) n = Neg(r) p = Pad(n, pads)"
    " m = MaxPool<kernel_shape=[3,3]>(p) c = Conv(m, k) y = Tanh(c) }"
)
"""Zeros around negative values: ONNX Runtime 1.31 moves them into the MaxPool, where they
are minus infinity."""


@pytest.fixture
def plain(pivot: Make) -> Pivot:
    """A model of one operator."""
    return pivot("(float[2] x) => (y) { y = Relu(x) }")


def test_faithful_pivots_are_no_finding(plain: Pivot) -> None:
    """A gap that rounding explains is none."""
    feeds = ([ROW], [ROW])

    assert list(fidelity_findings((plain, plain), ((0.0,), (1e-6,)), feeds, seed=0)) == []


@pytest.mark.parametrize(
    ("framework", "gaps", "rule", "where"),
    [
        ("keras", (0.5, 0.0), "unfaithful-import", Where.SOURCE_IMPORT),
        ("tflite", (0.0, 0.5), "unfaithful-import", Where.TARGET_IMPORT),
        ("onnx", (0.0, 0.5), "runtime-optimizer", Where.RUNTIME),
        ("onnx", (0.5, 0.0), "runtime-optimizer", Where.SOURCE_IMPORT),
    ],
)
def test_gap_is_blamed_on_who_made_it(
    plain: Pivot, framework: str, gaps: tuple[float, float], rule: str, where: Where
) -> None:
    """An importer's fault is not the conversion's; an optimizer's is the runtime's."""
    model = replace(plain, framework=framework)
    by_sample = (gaps[0],), (gaps[1],)
    (finding,) = fidelity_findings((model, model), by_sample, ([ROW], [ROW]), seed=0)

    assert (finding.rule, finding.where, finding.status) == (rule, where, Status.FAULT)
    assert "deviate by 0.5 of their largest value" in finding.message


def padded(rng: np.random.Generator, width: int) -> dict[str, Array]:
    """Return the kernel and the pads of `PADDED`."""
    kernel = rng.normal(size=(3, 2, 3, 3)).astype(np.float32)
    return {"k": kernel, "pads": np.int64([0, 0, width, width, 0, 0, width, width])}


def test_part_that_the_optimizer_changes_is_named(
    net: Callable[..., onnx.ModelProto],
    saved: Callable[[onnx.ModelProto, str], str],
    rng: np.random.Generator,
) -> None:
    """The nodes of the wrong fusion, by name, and whom onnx.reference backs."""
    path = saved(net(PADDED, **padded(rng, 1)), "padded")
    report = analyse(path, path, rules=()).report
    source, target = report.findings

    assert report.verdict is Verdict.EQUIVALENT
    assert source.status is target.status is Status.LATENT
    assert (source.where, target.where) == (Where.SOURCE_IMPORT, Where.RUNTIME)
    assert target.rule == "runtime-optimizer"
    assert target.target_tensors == source.source_tensors == ("m",)
    assert target.target_nodes == ("p", "m")
    assert "it changes m (Pad → MaxPool)" in target.message
    assert "onnx.reference computes that part as it is written" in target.message


def test_optimizer_that_changes_one_side_is_a_fault(
    net: Callable[..., onnx.ModelProto],
    saved: Callable[[onnx.ModelProto, str], str],
    rng: np.random.Generator,
) -> None:
    """A source that is spelled so that nothing is fused gives other values."""
    given = padded(rng, 1)
    spelled = PADDED.replace("p = Pad(n, pads)", "q = Pad(r, pads) p = Neg(q)")
    paths = saved(net(spelled, **given), "source"), saved(net(PADDED, **given), "target")
    report = analyse(*paths, rules=()).report
    (finding,) = report.findings

    assert report.verdict is Verdict.DIVERGENT
    assert (finding.rule, finding.status) == ("runtime-optimizer", Status.FAULT)


def test_sound_optimizer_is_no_finding(
    net: Callable[..., onnx.ModelProto],
    saved: Callable[[onnx.ModelProto, str], str],
    rng: np.random.Generator,
) -> None:
    """The same model without the pads is fused rightly."""
    path = saved(net(PADDED, **padded(rng, 0)), "unpadded")

    assert analyse(path, path, rules=()).report.findings == ()
