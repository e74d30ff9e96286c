"""A bias is read by its input's scale times its weight's, whatever the file says."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from analyzer.core.options import Options
from analyzer.core.report import Report, Verdict
from analyzer.diff import diff
from rewriter.repair import repair
from rules.discovery import ours

SOURCE = """<ir_version: 8, opset_import: ["": 17]>
net (float[1,32] x) => (float[1,4] y) { y = Gemm<transB=1>(x, w, b) }"""
TARGET = """<ir_version: 8, opset_import: ["": 17]>
net (float[1,32] x) => (float[1,4] y)
    { q = QuantizeLinear(x, sx, zx)
      d = DequantizeLinear(q, sx, zx)
      w = DequantizeLinear(wi, sw, zw)
      b = DequantizeLinear(bi, sb, zb)
      c = Gemm<transB=1>(d, w, b)
      r = QuantizeLinear(c, sy, zy)
      y = DequantizeLinear(r, sy, zy) }"""
STEP = np.float32(8 / 255)


def saved(text: str, folder: Path, name: str, **weights: object) -> str:
    """Return the path of a model written as text, with its weights."""
    model = parser.parse_model(text)
    tensors = (numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items())
    model.graph.initializer.extend(tensors)
    onnx.save(model, folder / name)
    return str(folder / name)


def pair(folder: Path, times: int) -> tuple[str, str]:
    """Return a dense layer, and its target with a bias in steps so many times as large."""
    random = np.random.default_rng(0)
    kernel = random.normal(size=(4, 32)).astype(np.float32) / 5
    bias = np.array([0.5, -1.0, 1.5, 0.8], np.float32)
    scale = np.float32(np.abs(kernel).max() / 127)
    step = np.float32(STEP * scale * times)
    source = saved(SOURCE, folder, "source.onnx", w=kernel, b=bias)
    target = saved(
        TARGET, folder, "target.onnx",
        sx=STEP, zx=np.int8(0), sy=STEP, zy=np.int8(0),
        wi=np.round(kernel / scale).astype(np.int8), sw=scale, zw=np.int8(0),
        bi=np.round(bias / step).astype(np.int32), sb=step, zb=np.int32(0),
    )  # fmt: skip
    np.savez(folder / "probes.npz", x=random.uniform(-2, 2, (6, 1, 32)).astype("f4"))
    return source, target


@pytest.fixture
def options(tmp_path: Path) -> Options:
    """Probes that the grids hold."""
    return Options(inputs=tmp_path / "probes.npz")


def mended(paths: tuple[str, str], options: Options, out: Path) -> Report:
    """Return what a repair says."""
    return repair(*paths, out, options=options, rules=ours())


def test_a_bias_on_another_grid_is_rounded_anew(tmp_path: Path, options: Options) -> None:
    """As written the model is right; the kernel takes a sixth of the bias."""
    report = mended(pair(tmp_path, 6), options, tmp_path / "out.onnx")
    first = report.findings[0]

    assert report.verdict is Verdict.REPAIRED
    assert first.rule == "quantization-scale"
    assert "the bias b" in first.message
    assert report.outputs[0].relative_error < 0.03


def test_a_bias_on_its_kernel_s_grid_is_no_fault(tmp_path: Path, options: Options) -> None:
    """The very scale that the kernel takes for granted leaves rounding alone."""
    report = diff(*pair(tmp_path, 1), options=options, rules=ours())

    assert report.verdict is Verdict.EQUIVALENT
