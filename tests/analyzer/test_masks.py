"""A deviation that one reader hides and another shows is a fault, and one all hide none."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from analyzer.core.types import Status
from analyzer.diff import diff
from rules.discovery import ours

NETWORK = """<ir_version: 8, opset_import: ["": 17]>
net (float[1,3,12,12] x) => (float[1,8,1,1] y) {
  a = Conv(x, w)  r = Relu(a)  p = Pad(r, pads, fill)
  m = MaxPool<kernel_shape = [3, 3], strides = [2, 2]>(p)
  c = Conv(m, u)  g = GlobalAveragePool(c)
  d = Conv(p, v)  t = Tanh(d)  h = GlobalAveragePool(t)  y = Concat<axis = 1>(g, h) }"""


def saved(path: Path, fill: float, louder: float) -> str:
    """Save a network with a filling of its pad, and two weights so much louder."""
    drawn = np.random.default_rng(0)
    weights = {
        name: drawn.normal(0, 0.3, (4, planes, 3, 3)).astype(np.float32)
        for name, planes in (("w", 3), ("u", 4), ("v", 4))
    }
    for name in ("w", "v"):
        weights[name] *= np.float32(louder)
    pads = np.int64([0, 0, 1, 1, 0, 0, 1, 1])
    model = parser.parse_model(NETWORK)
    constants = {**weights, "pads": pads, "fill": np.float32(fill)}
    model.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items()
    )
    onnx.save(model, path)
    return str(path)


@pytest.mark.parametrize(("fill", "told"), [(-3.0, True), (0.0, False)])
def test_filling_that_a_wrong_convolution_reads_is_a_fault(
    tmp_path: Path, fill: float, *, told: bool
) -> None:
    """A maximum of what a ReLU gives hides it; the convolution has a fault of its own."""
    right = saved(tmp_path / "right.onnx", 0.0, 1.0)
    wrong = saved(tmp_path / "wrong.onnx", fill, 1.4)

    report = diff(right, wrong, rules=ours())
    faults = [one for one in report.findings if one.status is Status.FAULT]
    assert any("p" in one.target_tensors for one in faults) == told
