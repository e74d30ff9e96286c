"""What one side writes as one operator is spelled out where the other spells it."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper, parser

from analyzer.core.options import Options
from analyzer.core.report import Verdict
from analyzer.diff import analyse
from analyzer.runtime.session import open_session
from analyzer.view.fused import SPELLED
from analyzer.view.inline import opened, opened_alike

HEAD = '<ir_version: 10, opset_import: ["": 20]>'
ROWS = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
ULPS = 32 * float(np.finfo(np.float32).eps)
"""The parts round between themselves."""

WHOLE = f"{HEAD} tiny (float[3,8] x) => (float[3,8] y) {{ [g] g = Gelu(x) [n] y = Neg(g) }}"
SPELLED_GELU = f"""{HEAD} tiny (float[3,8] x) => (float[3,8] y) {{ [d] d = Div(x, root)
  [e] e = Erf(d) [a] a = OP(e, one) [m] m = Mul(x, a) [h] g = Mul(m, half)
  [n] y = Neg(g) }}"""


def one_node(op: str, opset: int = 20, **settings: object) -> onnx.ModelProto:
    """Return a model of one operator over the last axis of a matrix."""
    scale = ["scale", "bias"] if op == "LayerNormalization" else []
    node = helper.make_node(op, ["x", *scale], ["y"], name="one", **settings)
    ends = [helper.make_tensor_value_info(name, 1, [3, 8]) for name in "xy"]
    weights = [
        numpy_helper.from_array(np.linspace(1, 2, 8, dtype=np.float32), name)
        for name in scale
    ]
    graph = helper.make_graph([node], "tiny", ends[:1], ends[1:], weights)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10
    )


@pytest.mark.parametrize(
    ("op", "settings"),
    [
        ("Gelu", {}),
        ("Gelu", {"approximate": "tanh"}),
        ("HardSwish", {}),
        ("LayerNormalization", {"epsilon": 1e-3}),
        ("Mish", {}),
        ("Swish", {"alpha": 1.5, "opset": 24}),
        ("Swish", {"opset": 24}),
    ],
)
def test_spelled_out_it_computes_the_same(op: str, settings: dict[str, object]) -> None:
    """The parts give what the operator gives, within rounding."""
    model = one_node(op, **settings)
    side = opened(model, also=frozenset({op}))
    plain, spelled = (
        open_session(one, Path()).run({"x": ROWS})["y"] for one in (model, side.model)
    )

    assert all(node.op_type != op for node in side.model.graph.node)
    np.testing.assert_allclose(spelled, plain, rtol=0, atol=ULPS * np.abs(plain).max())


def test_every_spelled_operator_is_one_of_onnx() -> None:
    """A name that ONNX does not know would never be opened."""
    known = {schema.name for schema in onnx.defs.get_all_schemas_with_history()}

    assert SPELLED.keys() <= known


def with_numbers(text: str) -> onnx.ModelProto:
    """Return the model of a text with the numbers that Gelu takes."""
    model = parser.parse_model(text)
    numbers = {"root": 2.0**0.5, "one": 1.0, "half": 0.5}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.float32(value), name)
        for name, value in numbers.items()
        if any(name in node.input for node in model.graph.node)
    )
    return model


def test_operator_that_both_sides_have_stays_whole() -> None:
    """A setting of it can then be named."""
    model = with_numbers(WHOLE)

    assert [one.model for one in opened_alike(model, model)] == [model, model]


def test_wrong_operator_in_a_spelled_gelu_is_named(tmp_path: Path) -> None:
    """The one node that differs is named, and not the five that spell the Gelu."""
    paths = tmp_path / "source.onnx", tmp_path / "target.onnx"
    onnx.save(with_numbers(WHOLE), paths[0])
    onnx.save(with_numbers(SPELLED_GELU.replace("OP", "Sub")), paths[1])
    report = analyse(*map(str, paths), options=Options(samples=4), rules=()).report
    (finding,) = report.findings

    assert report.verdict is Verdict.DIVERGENT
    assert finding.target_tensors == ("a",)
