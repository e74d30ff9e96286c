"""An output that only the target has is taken out, whatever else is wrong."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from analyzer.core.options import Options
from analyzer.core.report import Verdict
from analyzer.core.types import TryVerdict
from rewriter.repair import repair
from rules.discovery import ours

FEW = Options(samples=4)


def network(outputs: str = "float[N,3] y", alpha: float = 0.1) -> onnx.ModelProto:
    """Return two products with a LeakyRelu of some slope between them."""
    model = onnx.parser.parse_model(f"""<ir_version: 8, opset_import: ["" : 17]>
        net (float[N,6] x) => ({outputs}) {{
            a = MatMul (x, w) b = LeakyRelu <alpha = {alpha}> (a) y = MatMul (b, v)
        }}""")
    rng = np.random.default_rng(0)
    for name, shape in (("w", (6, 8)), ("v", (8, 3))):
        weight = rng.standard_normal(shape).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(weight, name))
    return model


@pytest.mark.parametrize("alpha", [0.1, 0.4], ids=["alone", "beside a fault"])
@pytest.mark.parametrize(
    "outputs", ["float[N,3] y, float[N,8] b", "float[N,8] b, float[N,3] y"]
)
def test_extra_output_is_taken_out(outputs: str, alpha: float, tmp_path: Path) -> None:
    """The mended model gives what the source gives, and nothing more."""
    paths = tmp_path / "source.onnx", tmp_path / "target.onnx"
    onnx.save(network(), paths[0])
    onnx.save(network(outputs, alpha), paths[1])
    out = tmp_path / "out.onnx"
    report = repair(*map(str, paths), out, options=FEW, rules=ours())
    told = {one.rule: one.outcome.verdict for one in report.findings if one.outcome}

    assert report.verdict is Verdict.REPAIRED
    assert told["interface-differs"] is TryVerdict.KEPT
    assert [one.name for one in onnx.load(out).graph.output] == ["y"]
