"""Regions that are wrong for one reason are one fault."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from analyzer.core.options import Options
from analyzer.core.report import Verdict
from rewriter.repair import repair
from rules.discovery import ours

FEW = Options(samples=4)


def network(*weights: str) -> onnx.ModelProto:
    """Return layers of one shape between two others.

    Args:
        weights: The weight and the bias of each, one after the other.
    """
    w, b, v, c = weights
    model = onnx.parser.parse_model(f"""<ir_version: 8, opset_import: ["" : 17]>
        net (float[N,6] x) => (float[N,3] y) {{
            a = MatMul (x, first) p = Gemm (a, {w}, {b}) q = Tanh (p)
            r = Gemm (q, {v}, {c}) s = Tanh (r) y = MatMul (s, last)
        }}""")
    rng = np.random.default_rng(0)
    square = dict.fromkeys("wv", (8, 8)) | dict.fromkeys("bc", (8,))
    for name, shape in {"first": (6, 8), "last": (8, 3), **square}.items():
        weight = rng.standard_normal(shape).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(weight, name))
    return model


@pytest.mark.parametrize("moved", ["vbwc", "vcwb"], ids=["weights", "and biases"])
def test_exchanged_weights_are_one_finding(moved: str, tmp_path: Path) -> None:
    """It names both layers, and mends both at once."""
    paths = tmp_path / "source.onnx", tmp_path / "target.onnx"
    onnx.save(network(*"wbvc"), paths[0])
    onnx.save(network(*moved), paths[1])
    out = tmp_path / "out.onnx"
    report = repair(*map(str, paths), out, options=FEW, rules=ours())

    assert report.verdict is Verdict.REPAIRED
    assert [one.rule for one in report.findings] == ["weight-misplaced"]
    assert "Gemm p and Gemm r have exchanged weights" in report.findings[0].message
