"""Two files that are not the same model are said to be two, and nothing is mended."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from analyzer.core.options import Options
from analyzer.core.report import Verdict
from analyzer.diff import diff
from rewriter.repair import repair
from rules.discovery import ours

FEW = Options(samples=4)
BRANCHED = """<ir_version: 8, opset_import: ["" : 17]>
    classifier (float[N,3,12,12] x) => (float[N,5] y) {
        a = Conv <kernel_shape = [3,3], pads = [1,1,1,1]> (x, a0) b = Relu (a)
        c = Conv <kernel_shape = [3,3]> (b, b0) d = Relu (c)
        g = GlobalAveragePool (d) f = Flatten (g) y = MatMul (f, c0)
    }"""
STRAIGHT = """<ir_version: 8, opset_import: ["" : 17]>
    perceptron (float[N,3,12,12] x) => (float[N,5] y) {
        f = Flatten (x) a = MatMul (f, d0) b = Tanh (a) c = Mul (b, b) s = Sqrt (c)
        d = MatMul (s, e0) y = Softmax <axis = -1> (d)
    }"""
WEIGHTS = {
    "a0": (8, 3, 3, 3),
    "b0": (6, 8, 3, 3),
    "c0": (6, 5),
    "d0": (432, 16),
    "e0": (16, 5),
}


def saved(text: str, path: Path, spoilt: str = "") -> str:
    """Return where a model lies, its weights seeded by their names.

    Args:
        text: In ONNX's own form.
        path: Where it goes.
        spoilt: The weight that is drawn anew.
    """
    model = onnx.parser.parse_model(text)
    for name, shape in WEIGHTS.items():
        seed = sum(map(ord, name)) + (name == spoilt)
        weight = np.random.default_rng(seed).standard_normal(shape)
        tensor = numpy_helper.from_array(weight.astype(np.float32), name)
        if f"{name})" in text:
            model.graph.initializer.append(tensor)
    onnx.save(model, path)
    return str(path)


def test_two_networks_are_said_to_be_two(tmp_path: Path) -> None:
    """One finding counts what they have in common; no layer is blamed for the others."""
    both = saved(BRANCHED, tmp_path / "a.onnx"), saved(STRAIGHT, tmp_path / "b.onnx")
    report = diff(*both, options=FEW, rules=ours())

    assert report.verdict is Verdict.DIVERGENT
    assert [one.rule for one in report.findings] == ["unrelated-models"]
    assert "0 of its 3 layers occur" in report.findings[0].message


def test_nothing_is_invented_between_two_networks(tmp_path: Path) -> None:
    """To write the source over another model is no repair of it."""
    both = saved(BRANCHED, tmp_path / "a.onnx"), saved(STRAIGHT, tmp_path / "b.onnx")
    report = repair(*both, tmp_path / "out.onnx", options=FEW, rules=ours())

    assert report.verdict is Verdict.UNREPAIRED
    assert not (tmp_path / "out.onnx").exists()


def test_other_inputs_do_not_hide_that_they_are_two(tmp_path: Path) -> None:
    """What the other file takes is not corrected either."""
    text = STRAIGHT.replace("float[N,3,12,12] x", "float[N,432] x")
    text = text.replace("f = Flatten (x)", "f = Identity (x)")
    both = saved(BRANCHED, tmp_path / "a.onnx"), saved(text, tmp_path / "b.onnx")
    report = repair(*both, tmp_path / "out.onnx", options=FEW, rules=ours())

    assert report.verdict is Verdict.UNREPAIRED
    assert "unrelated-models" in {one.rule for one in report.findings}


@pytest.mark.parametrize("weight", ["a0", "b0", "c0"])
def test_one_wrong_layer_makes_no_stranger(weight: str, tmp_path: Path) -> None:
    """The other layers say that it is the same model."""
    both = (
        saved(BRANCHED, tmp_path / "a.onnx"),
        saved(BRANCHED, tmp_path / "b.onnx", spoilt=weight),
    )
    report = diff(*both, options=FEW, rules=ours())

    assert [one.rule for one in report.findings] == ["weight-differs"]
