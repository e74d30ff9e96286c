"""A sequence that is not turned round before or behind a Loop is said to lack the turn."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from analyzer.core.options import Options
from analyzer.core.report import Verdict
from rewriter.repair import repair
from rules.discovery import ours

TURN = "ReverseSequence <batch_axis = 0, time_axis = 1>"
BODY = """<body = NAME (int64 i, bool go, float[N,3] h)
    => (bool on, float[N,3] k, float[N,3] o) {
    xi = Gather <axis = 1> (READ, i) a = MatMul (xi, WEIGHT) b = MatMul (h, u)
    c = Add (a, b) k = Tanh (c) o = Identity (k) on = Identity (go)
}>"""


def recurrent(read: str = "turned", given: str = "back") -> onnx.ModelProto:
    """Return a layer that reads a sequence in both directions, each by a Loop.

    Args:
        read: What the second Loop reads.
        given: What stands beside the first one's results.
    """
    bodies = [
        BODY.replace("NAME", name).replace("READ", sequence).replace("WEIGHT", weight)
        for name, sequence, weight in (("ahead", "x", "w"), ("astern", read, "v"))
    ]
    lines = [("turned", "x", read), ("back", "backward", given)]
    turns = [f"{y} = {TURN} ({x}, lengths)" if y == z else "" for y, x, z in lines]
    text = f"""<ir_version: 8, opset_import: ["" : 17]>
        net (float[N,5,4] x) => (float[N,5,6] y) {{
            batch = Shape <start = 0, end = 1> (x) size = Concat <axis = 0> (batch, three)
            zeros = ConstantOfShape (size) lengths = Expand (five, batch)
            hf, of = Loop {bodies[0]} (turns, , zeros)
            {turns[0]}
            hb, ob = Loop {bodies[1]} (turns, , zeros)
            forward = Transpose <perm = [1,0,2]> (of)
            backward = Transpose <perm = [1,0,2]> (ob)
            {turns[1]}
            y = Concat <axis = 2> (forward, {given})
        }}"""
    model = onnx.parser.parse_model(text)
    rng = np.random.default_rng(0)
    for name, size in (("w", 4), ("v", 4), ("u", 3)):
        weight = rng.standard_normal((size, 3)).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(weight, name))
    for name, value in (("three", [3]), ("five", [5]), ("turns", 5)):
        model.graph.initializer.append(numpy_helper.from_array(np.int64(value), name))
    return model


@pytest.mark.parametrize(
    ("lost", "where"),
    [({"read": "x"}, "x"), ({"given": "backward"}, "backward")],
    ids=["before", "behind"],
)
def test_lost_turn_is_a_missing_operator(
    lost: dict[str, str], where: str, tmp_path: Path
) -> None:
    """Its lengths are computed and its reader is a body; it is missing all the same."""
    paths = tmp_path / "source.onnx", tmp_path / "target.onnx"
    onnx.save(recurrent(), paths[0])
    onnx.save(recurrent(**lost), paths[1])
    out = tmp_path / "out.onnx"
    report = repair(*map(str, paths), out, options=Options(samples=4), rules=ours())

    assert report.verdict is Verdict.REPAIRED
    assert [one.rule for one in report.findings] == ["operator-missing"]
    assert report.findings[0].message == (
        f"{where}: the source's ReverseSequence is missing behind it"
    )
