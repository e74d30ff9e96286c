"""What is said of parts is said in the names of the user's file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from analyzer.core.options import Options
from analyzer.core.report import Coverage, NotCompared, Report, Verdict
from analyzer.diff import analyse
from analyzer.naming import coverage_in_file
from analyzer.view.inline import Opened, opened
from rules.discovery import ours

HEAD = '<ir_version: 9, opset_import: ["": 18, "com.microsoft": 1]>'
FUSED = f"""{HEAD} tiny (float[3,8] x) => (float[3,4] y) {{
  [one] h = com.microsoft.FusedGemm<activation="Tanh">(x, w1, b1)
  [two] g = com.microsoft.FusedGemm<activation="Relu">(h, w2, b2)
  [last] y = Neg(g) }}"""
PLAIN = f"""{HEAD} tiny (float[3,8] x) => (float[3,4] y) {{
  [a] a = Gemm(x, w1, b1) [b] b = Tanh(a) [c] c = Gemm(b, w2, b2) [d] d = Relu(c)
  [e] y = Neg(d) }}"""
SIZES = {"w1": (8, 16), "b1": (16,), "w2": (16, 4), "b2": (4,)}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes a model of a text with seeded weights, some of them scaled."""

    def save(text: str, **scales: float) -> str:
        random = np.random.default_rng(0)
        model = parser.parse_model(text)
        for name, size in SIZES.items():
            array = random.normal(size=size).astype(np.float32)
            array[0] *= np.float32(scales.get(name, 1.0))
            model.graph.initializer.append(numpy_helper.from_array(array, name))
        path = tmp_path / f"{'fused' if 'Fused' in text else 'plain'}.onnx"
        onnx.save(model, path)
        return str(path)

    return save


def said(source: str, target: str) -> Report:
    """Return the report on a pair, without any rule."""
    return analyse(source, target, options=Options(samples=4), rules=()).report


@pytest.fixture
def side() -> Opened:
    """A model of two fused operators and a plain one, opened."""
    return opened(parser.parse_model(FUSED))


def test_healthy_fused_pair_is_silent_and_wholly_compared(
    write: Callable[..., str],
) -> None:
    """Each part has its counterpart; nothing is left over."""
    report = said(write(PLAIN), write(FUSED))

    assert report.verdict is Verdict.EQUIVALENT
    assert report.findings == ()
    assert report.coverage.pairs == 5
    assert report.coverage.unpaired_source == report.coverage.unpaired_target == ()


@pytest.mark.parametrize("fused_is_target", [True, False])
def test_a_fault_in_a_part_is_named_by_the_fused_node(
    write: Callable[..., str], *, fused_is_target: bool
) -> None:
    """The names are those of the file; the message says which part of the node it is."""
    if fused_is_target:
        (finding,) = said(write(PLAIN), write(FUSED, w2=3.0)).findings
        nodes, tensors, part = finding.target_nodes, finding.target_tensors, "two/"
    else:
        (finding,) = said(write(FUSED), write(PLAIN, w2=3.0)).findings
        nodes, tensors, part = finding.source_nodes, finding.source_tensors, "c"

    assert nodes == ("two",)
    assert tensors == ("g",)
    assert part in finding.message


def test_coverage_names_the_nodes_of_the_file(side: Opened) -> None:
    """Two parts of one node are one node; what was not compared is named once."""
    why = "nothing that was compared depends on it"
    missed = tuple(NotCompared(what, why) for what in ("one/Gemm", "one/gemm", "last"))
    plain = opened(parser.parse_model(f"{HEAD} p (float[3] x) => (y) {{ y = Neg(x) }}"))
    coverage = Coverage(3, ("y",), ("one/Gemm", "one/Tanh", "last"), missed)
    found = coverage_in_file(coverage, plain, side)

    assert found.unpaired_source == ("y",)
    assert found.unpaired_target == ("one", "last")
    assert found.not_compared[0].what == "one"
    assert [one.what for one in found.not_compared].count("last") == 1


LAYER = """<ir_version: 8, opset_import: ["": 17, "mine": 1]>
g (float[2,4] x) => (float[2,4] y) {
  [one] h = mine.layer(x, w, b)  [two] k = mine.layer(h, v, b)  y = Tanh(k) }
<domain: "mine", opset_import: ["": 17]>
layer (a, ww, bb) => (o) {
  [product] m = MatMul(a, ww)  [sum] n = Add(m, bb)  [bend] o = LeakyRelu<alpha = 0.2>(n) }
"""
FLAT = """<ir_version: 8, opset_import: ["": 17]>
g (float[2,4] x) => (float[2,4] y) {
  q1 = Gemm(x, w, b)  q2 = LeakyRelu<alpha = 0.2>(q1)
  r1 = Gemm(q2, v, b)  r2 = LeakyRelu<alpha = 0.2>(r1)  y = Tanh(r2) }
"""
Told = Callable[..., Report]


@pytest.fixture
def told(saved: Callable[[onnx.ModelProto, str], str], rng: np.random.Generator) -> Told:
    """The report on two texts; the target's constants may be changed by factors."""
    sizes = {"w": (4, 4), "v": (4, 4), "b": (4,)}
    right = {name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}

    def run(source: str, target: str, **factors: float) -> Report:
        models = parser.parse_model(source), parser.parse_model(target)
        for model, scale in zip(models, ({}, factors), strict=True):
            model.graph.initializer.extend(
                numpy_helper.from_array(value * np.float32(scale.get(name, 1.0)), name)
                for name, value in right.items()
            )
        paths = saved(models[0], "source"), saved(models[1], "target")
        return analyse(*paths, options=Options(samples=3), rules=ours).report

    return run


def test_function_against_its_body_is_the_same(told: Told) -> None:
    """Either side may have it."""
    assert told(LAYER, FLAT).findings == ()
    assert told(FLAT, LAYER).findings == ()


def test_weight_inside_a_function_is_named_by_its_inner_node(told: Told) -> None:
    """By the call and the name that the node has there, and by what the call gives."""
    (finding,) = told(FLAT, LAYER, v=2.0).findings

    assert (finding.target_nodes, finding.target_tensors) == (("two/product",), ("k",))


def test_weight_on_the_flat_side_names_the_function_of_the_other(told: Told) -> None:
    """The source's node is the one inside."""
    (finding,) = told(LAYER, FLAT, v=2.0).findings

    assert finding.target_tensors == ("r1",)
    assert finding.source_nodes[0] == "two/product"


def test_attribute_inside_a_function_is_named_at_each_call(told: Told) -> None:
    """One node of the file, two of the model."""
    found = told(FLAT, LAYER.replace("0.2", "0.6")).findings

    assert {one.target_nodes for one in found} == {("one/bend",), ("two/bend",)}


def test_operator_missing_in_a_function_is_named_by_its_edge(told: Told) -> None:
    """There is no node to name."""
    found = told(FLAT, LAYER.replace("LeakyRelu<alpha = 0.2>", "Identity")).findings

    assert {one.rule for one in found} == {"operator-missing"}
    assert {one.target_tensors[0] for one in found} == {"h", "k"}


def test_constant_inside_a_function_is_named(told: Told) -> None:
    """A bias that the function itself holds."""
    held = "c = Constant<value = float {0.5}>()  [sum] n = Add(m, c)"
    source = LAYER.replace("[sum] n = Add(m, bb)", held)
    found = told(source, source.replace("{0.5}", "{0.75}")).findings

    assert {one.target_nodes for one in found} == {("one/sum",), ("two/sum",)}
