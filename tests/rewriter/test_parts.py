"""What edits reach into gives way to its parts; every other fused node stays."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from analyzer.core.options import Options
from analyzer.core.report import Report, Verdict
from analyzer.core.types import Edit, RemoveNode, SetAttribute, SetConstant
from analyzer.runtime.session import open_session
from rewriter.repair import repair
from rewriter.surgeon import apply
from rules.discovery import ours

FEW = Options(samples=4)
HEAD = '<ir_version: 9, opset_import: ["": 18, "com.microsoft": 1, "mine": 1]>'
PLAIN = """{head} tiny (float[3,8] x) => (float[3,4] y) {{
  [g1] a = Gemm(x, w1, b1) [act] h = LeakyRelu<alpha=0.2>(a)
  [g2] c = Gemm(h, w2, b2) [act2] y = Tanh(c) }}"""
FUSED = """{head} tiny (float[3,8] x) => (float[3,4] y) {{
  [f1] h = com.microsoft.FusedGemm<{held}>(x, w1, b1)
  [f2] y = com.microsoft.FusedGemm<activation="Tanh">(h, w2, b2) }}"""
CALLING = """{head} tiny (float[3,8] x) => (float[3,4] y) {{
  [f1] h = mine.dense(x, w1, b1) [f2] t = mine.dense(h, w2, b2) y = {end}(t) }}
<domain: "mine", opset_import: ["": 18]>
dense (x, w, b) => (y) {{
  [product] m = Gemm(x, w, b) [act] y = LeakyRelu<alpha=0.2>(m) }}"""


def net(text: str, **words: object) -> onnx.ModelProto:
    """Return the model of a text with seeded weights."""
    random = np.random.default_rng(0)
    model = parser.parse_model(text.format(head=HEAD, **words))
    sizes = {"w1": (8, 16), "b1": (16,), "w2": (16, 4), "b2": (4,)}
    model.graph.initializer.extend(
        numpy_helper.from_array(random.normal(size=size).astype(np.float32), name)
        for name, size in sizes.items()
    )
    return model


def fused(op: str = "LeakyRelu", alpha: float = 0.2) -> onnx.ModelProto:
    """Return the network as ONNX Runtime fuses it."""
    settings = f'activation="{op}", activation_alpha={alpha}'
    return net(FUSED, held=settings)


def operators(model: onnx.ModelProto) -> list[str]:
    """Return the operator types of a model."""
    return [node.op_type for node in model.graph.node]


def mended(
    source: onnx.ModelProto, target: onnx.ModelProto, folder: Path
) -> tuple[Report, onnx.ModelProto]:
    """Return the report of a repair and what it wrote."""
    paths = [folder / f"{name}.onnx" for name in ("source", "target", "out")]
    onnx.save(source, paths[0])
    onnx.save(target, paths[1])
    result = repair(str(paths[0]), str(paths[1]), paths[2], options=FEW, rules=ours())
    return result, onnx.load(paths[2])


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (SetConstant("f2", 2, np.zeros(4, np.float32)), ["FusedGemm", "FusedGemm"]),
        (SetAttribute("f1/LeakyRelu", "alpha", 0.5), ["Gemm", "LeakyRelu", "FusedGemm"]),
        (RemoveNode("f2/Tanh"), ["FusedGemm", "Gemm"]),
    ],
    ids=["the fused node", "a part", "a part that goes"],
)
def test_only_the_node_an_edit_reaches_into_is_opened(
    edit: Edit, expected: list[str]
) -> None:
    """An edit that names a fused node leaves it; one that names a part opens it."""
    assert operators(apply(fused(), Path(), [edit])) == expected


def test_a_weight_is_mended_inside_the_fused_node(tmp_path: Path) -> None:
    """The user's fused node stays and reads the right weight."""
    target = fused()
    wrong = numpy_helper.to_array(target.graph.initializer[0]) * np.float32(1.5)
    target.graph.initializer[0].CopyFrom(numpy_helper.from_array(wrong, "w1"))
    report, out = mended(net(PLAIN), target, tmp_path)

    assert report.verdict is Verdict.REPAIRED
    assert [finding.target_nodes for finding in report.findings] == [("f1",)]
    assert report.findings[0].target_tensors == ("h",)
    assert "f1/Gemm" in report.findings[0].message
    assert operators(out) == ["FusedGemm", "FusedGemm"]


def test_a_setting_is_mended_inside_the_fused_node(tmp_path: Path) -> None:
    """The activation's alpha is an attribute of the fused node under another name."""
    report, out = mended(net(PLAIN), fused(alpha=0.5), tmp_path)

    assert report.verdict is Verdict.REPAIRED
    assert [finding.target_nodes for finding in report.findings] == [("f1",)]
    assert operators(out) == ["FusedGemm", "FusedGemm"]


def test_another_operator_takes_the_place_of_a_part(tmp_path: Path) -> None:
    """What the fused node cannot say is written with the parts of that node alone."""
    report, out = mended(net(PLAIN), fused(op="Relu"), tmp_path)

    assert report.verdict is Verdict.REPAIRED
    assert [finding.target_nodes for finding in report.findings] == [("f1",)]
    assert operators(out) == ["Gemm", "LeakyRelu", "FusedGemm"]


def test_a_call_of_a_function_is_mended_like_a_fused_node(tmp_path: Path) -> None:
    """The weight is the call's own operand; every call keeps its function."""
    source, target = net(CALLING, end="Tanh"), net(CALLING, end="Tanh")
    wrong = numpy_helper.to_array(target.graph.initializer[2]) * np.float32(1.5)
    target.graph.initializer[2].CopyFrom(numpy_helper.from_array(wrong, "w2"))
    report, out = mended(source, target, tmp_path)

    assert report.verdict is Verdict.REPAIRED
    assert [finding.target_nodes for finding in report.findings] == [("f2/product",)]
    assert "f2/product" in report.findings[0].message
    assert operators(out) == ["dense", "dense", "Tanh"]


def test_a_fault_in_a_function_is_mended_in_each_call_of_it(tmp_path: Path) -> None:
    """The body is right for no call, so that each call gets parts of its own."""
    source, target = net(CALLING, end="Tanh"), net(CALLING, end="Tanh")
    target.functions[0].node[1].attribute[0].f = 0.5
    report, out = mended(source, target, tmp_path)

    assert report.verdict is Verdict.REPAIRED
    assert {node for one in report.findings for node in one.target_nodes} == {
        "f1/act",
        "f2/act",
    }
    assert operators(out) == ["Gemm", "LeakyRelu", "Gemm", "LeakyRelu", "Tanh"]


def test_a_part_of_joined_weights_is_set_by_itself() -> None:
    """Attention joins three weights; one of them is replaced, the others stay cut out."""
    text = """{head} tiny (float[1,3,4] x) => (float[1,3,4] y) {{
      [mix] y = com.microsoft.Attention<num_heads=2>(x, w, b) }}"""
    model = parser.parse_model(text.format(head=HEAD))
    random = np.random.default_rng(0)
    joined = {"w": random.normal(size=(4, 12)), "b": random.normal(size=12)}
    for name, array in joined.items():
        model.graph.initializer.append(
            numpy_helper.from_array(array.astype(np.float32), name)
        )
    keys = random.normal(size=(4, 4)).astype(np.float32)
    expected = joined["w"].astype(np.float32)
    expected[:, 4:8] = keys
    right = onnx.ModelProto()
    right.CopyFrom(model)
    right.graph.initializer[0].CopyFrom(numpy_helper.from_array(expected, "w"))
    edited = apply(model, Path(), [SetConstant("mix/MatMul_2", 1, keys)])
    feeds = {"x": random.normal(size=(1, 3, 4)).astype(np.float32)}
    given, wanted = (
        open_session(one, Path()).run(feeds, ["y"])["y"] for one in (edited, right)
    )

    np.testing.assert_allclose(given, wanted, rtol=1e-5, atol=1e-6)
