"""A product that is only split again is written apart, and computes the same."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from analyzer.core.options import Options
from analyzer.core.report import Verdict
from analyzer.diff import analyse
from analyzer.runtime.session import open_session
from analyzer.view.fused.products import SPLIT
from analyzer.view.inline import opened, opened_alike
from rewriter.repair import repair
from rules.discovery import all_rules

HEAD = '<ir_version: 9, opset_import: ["": 18]>'
ENDS = "(float[2,4] x) => (y)"
MERGED = f"""{HEAD} tiny {ENDS} {{ [merged] m = MatMul(x, w) [added] a = Add(m, b)
  [cut] p, q, r = Split<axis=-1, num_outputs=3>(a) s = Tanh(p) t = Mul(s, q)
  y = Add(t, r) }}"""
GEMM = f"""{HEAD} tiny {ENDS} {{ [merged] a = Gemm(x, w, b)
  [cut] p, q, r = Split<axis=1>(a, sizes) s = Tanh(p) t = Mul(s, q) y = Add(t, r) }}"""
THREE = f"""{HEAD} tiny {ENDS} {{ k = MatMul(x, w0) p = Add(k, b0) l = MatMul(x, w1)
  q = Add(l, b1) n = MatMul(x, w2) r = Add(n, b2) s = Tanh(p) t = Mul(s, q)
  y = Add(t, r) }}"""
RANDOM = np.random.default_rng(0)
WEIGHT = RANDOM.normal(size=(4, 9)).astype(np.float32)
BIAS = RANDOM.normal(size=9).astype(np.float32)
X = RANDOM.normal(size=(2, 4)).astype(np.float32)


def model_of(text: str, weight: np.ndarray = WEIGHT) -> onnx.ModelProto:
    """Return the model of a text with its share of the weight."""
    model = parser.parse_model(text)
    arrays = {"w": weight, "b": BIAS, "sizes": np.int64([3, 3, 3])}
    for place in range(3):
        columns = slice(3 * place, 3 * place + 3)
        arrays |= {f"w{place}": weight[:, columns], f"b{place}": BIAS[columns]}
    read = {name for node in model.graph.node for name in node.input}
    model.graph.initializer.extend(
        numpy_helper.from_array(array, name)
        for name, array in arrays.items()
        if name in read
    )
    return model


@pytest.fixture
def save(tmp_path: Path) -> Callable[[onnx.ModelProto, str], str]:
    """Writes a model under a name, and gives its path."""

    def write(model: onnx.ModelProto, name: str) -> str:
        onnx.save(model, tmp_path / name)
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize("text", [MERGED, GEMM])
def test_written_apart_it_computes_the_same(text: str) -> None:
    """Each part has its columns of the weight and of the bias."""
    model = model_of(text)
    side = opened(model, also=frozenset({SPLIT}))
    plain, apart = (
        open_session(one, Path()).run({"x": X})["y"] for one in (model, side.model)
    )

    assert all(node.op_type != "Split" for node in side.model.graph.node)
    np.testing.assert_allclose(apart, plain, rtol=1e-5)


def test_parts_are_called_by_the_product() -> None:
    """The Split is gone; what it gave is given by parts of the product and of the sum."""
    side = opened(model_of(MERGED), also=frozenset({SPLIT}))
    givers = {name: node.name for node in side.model.graph.node for name in node.output}

    assert [side.node(givers[name]) for name in "pqr"] == ["added"] * 3
    assert side.tensor("merged/product_1") == "m"


def test_product_that_both_sides_split_stays_whole() -> None:
    """Nothing is gained where both are spelled alike."""
    model = model_of(MERGED)

    assert [one.model for one in opened_alike(model, model)] == [model, model]


@pytest.mark.parametrize("text", [MERGED, GEMM])
def test_wrong_column_is_one_finding_and_mended_in_its_own_form(
    save: Callable[[onnx.ModelProto, str], str], text: str, tmp_path: Path
) -> None:
    """The node that holds the weight is named, and the mended model computes the source."""
    wrong = WEIGHT.copy()
    wrong[:, 4] *= 2
    source = save(model_of(THREE), "source.onnx")
    target = save(model_of(text, wrong), "target.onnx")
    (finding,) = analyse(
        source, target, options=Options(samples=4), rules=all_rules
    ).report.findings
    mended = repair(source, target, tmp_path / "mended.onnx", options=Options(samples=4),
                    rules=all_rules())  # fmt: skip

    assert finding.target_nodes == ("merged",)
    assert mended.verdict is Verdict.REPAIRED


def test_product_that_a_branch_reads_too_stays_whole() -> None:
    """What a branch captures would be given by nobody."""
    model = parser.parse_model(
        f"{HEAD} tiny (float[2,4] x, bool c) => (y) {{ m = MatMul(x, w)"
        " p, q, r = Split<axis=-1, num_outputs=3>(m) s = Add(p, q) t = Add(s, r)"
        " z = If(c) <then_branch = a () => (float[2,9] k) { k = Neg(m) },"
        " else_branch = b () => (float[2,9] l) { l = Abs(m) }> u = ReduceMax(z)"
        " y = Add(t, u) }}".replace("}}", "}")
    )
    model.graph.initializer.append(numpy_helper.from_array(WEIGHT, "w"))

    assert opened(model, also=frozenset({SPLIT})).model is model


@pytest.mark.parametrize(
    "nodes",
    [
        "m = MatMul(x) p, q, r = Split<axis=-1, num_outputs=3>(m) y = Add(p, q)",
        "m = MatMul(x, w) p, q = Split<axis=-1>(m, sizes) y = Add(p, q)",
    ],
)
def test_broken_product_stays_as_it_is(nodes: str) -> None:
    """An operand too few, or more sizes than parts: the run that follows names it."""
    model = parser.parse_model(f"{HEAD} tiny {ENDS} {{ {nodes} }}")
    arrays = {"w": WEIGHT, "sizes": np.int64([3, 3, 3])}
    model.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in arrays.items()
    )

    assert opened(model, also=frozenset({SPLIT})).model is model
