"""What the source computes is carried over once, also where its region is fed it."""

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from analyzer.core.report import Verdict
from rewriter.repair import repair
from rules.discovery import ours


def residuals(path: Path, *, soft: bool) -> str:
    """Write two convolutions, each added to what it reads, behind a GELU or not."""
    random, nodes, last = np.random.default_rng(1), [], "x"
    held = {"root": np.float32(2**0.5), "one": np.float32(1)}
    for p in "ab":
        held[f"w{p}"] = random.normal(0, 0.2, (4, 4, 3, 3)).astype(np.float32)
        nodes.append(helper.make_node("Conv", [last, f"w{p}"], [f"c{p}"], pads=[1] * 4))
        gelu = [
            helper.make_node("Div", [f"c{p}", "root"], [f"d{p}"]),
            helper.make_node("Erf", [f"d{p}"], [f"e{p}"]),
            helper.make_node("Add", [f"e{p}", "one"], [f"f{p}"]),
            helper.make_node("Mul", [f"c{p}", f"f{p}"], [f"g{p}"]),
        ]
        nodes += gelu if soft else []
        given = nodes[-1].output[0]
        nodes.append(helper.make_node("Add", [given, last], [f"s{p}"]))
        last = f"s{p}"
    ends = [helper.make_tensor_value_info(one, 1, (1, 4, 8, 8)) for one in ("x", last)]
    fixed = [numpy_helper.from_array(np.asarray(v), k) for k, v in held.items()]
    graph = helper.make_graph(nodes, "residuals", ends[:1], ends[1:], fixed)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return str(path)


def test_missing_gelus_before_residual_sums_are_put_back(tmp_path: Path) -> None:
    """Each tensor is given by one node: the repaired model is valid and equivalent."""
    source = residuals(tmp_path / "source.onnx", soft=True)
    target = residuals(tmp_path / "target.onnx", soft=False)
    report = repair(source, target, tmp_path / "out.onnx", rules=ours())

    assert report.verdict is Verdict.REPAIRED
