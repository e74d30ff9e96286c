"""Fused operators and local functions are opened, and known by the node that holds them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, parser

from analyzer.core.types import Array
from analyzer.runtime.session import open_session
from analyzer.view.inline import opened

HEAD = '<ir_version: 9, opset_import: ["": 18, "com.microsoft": 1, "mine": 1]>'
WITH_FUNCTION = f"""
{HEAD}
tiny (float[4] x) => (float[4] y) {{ [call] y = mine.block(x) }}
<domain: "mine", opset_import: ["": 18]>
block (p) => (q) {{ [first] r = Relu(p) q = Neg(r) }}
"""
FUSED = f"""
{HEAD}
tiny (float[2,4] x, float[4,3] w, float[3] b) => (float[2,3] y) {{
  [fused] h = com.microsoft.FusedGemm<activation="Tanh">(x, w, b)
  [other] g = com.microsoft.FusedGemm<activation="Relu">(x, w, b)
  y = Add(h, g)
}}
"""


def read(text: str) -> onnx.ModelProto:
    """Return the model of a text."""
    return parser.parse_model(text)


def operators(model: onnx.ModelProto) -> list[str]:
    """Return the operator types of a model's main graph."""
    return [node.op_type for node in model.graph.node]


def test_function_is_replaced_by_its_body() -> None:
    """The nodes inside are there to be compared; the tensors around keep their names."""
    model = opened(read(WITH_FUNCTION)).model

    assert operators(model) == ["Relu", "Neg"]
    assert model.graph.node[-1].output[0] == "y"


def test_users_own_proto_keeps_its_functions() -> None:
    """Only what is analysed is opened up."""
    model, plain = (
        read(WITH_FUNCTION),
        read(f"{HEAD} tiny (float[4] x) => (y) {{ y = Relu(x) }}"),
    )

    assert not opened(model).model.functions
    assert len(model.functions) == 1
    assert opened(plain).model is plain


def test_parts_are_known_by_the_node_that_holds_them() -> None:
    """Each inner name leads to a node and a tensor of the user's file."""
    fused, call = opened(read(FUSED)), opened(read(WITH_FUNCTION))

    assert fused.node("fused/Tanh") == fused.node("fused/Gemm") == "fused"
    assert fused.tensor("fused/gemm") == "h"
    assert fused.node("y") == "y"
    assert call.node("call/first") == "call"
    assert call.tensor("call/r") == "y"


def test_only_the_nodes_asked_for_are_opened() -> None:
    """A repair that reaches into one fused node leaves the others as the user has them."""
    one, every = opened(read(FUSED), {"h"}), opened(read(FUSED))

    assert operators(one.model) == ["Gemm", "Tanh", "FusedGemm", "Add"]
    assert one.parts.keys() < every.parts.keys()


def test_inner_names_give_way_to_those_of_the_file() -> None:
    """A tensor or a node that is called like a part keeps its name, and its values."""
    text = FUSED.replace(
        "y = Add(h, g)", '["fused/Gemm"] "fused/gemm" = Neg(h) y = Add("fused/gemm", g)'
    )
    model = opened(read(text)).model
    names = [node.name or node.output[0] for node in model.graph.node]
    outputs = [name for node in model.graph.node for name in node.output]

    assert len(set(names)) == len(names)
    assert len(set(outputs)) == len(outputs)
    assert {"fused/gemm", "fused/gemm_2"} <= set(outputs)


def test_outputs_named_within_the_node_stay() -> None:
    """Exporters name a node's result after the node; it is no inner tensor of it."""
    text = FUSED.replace("h = ", '"fused/Tanh:0" = ').replace("(h,", '("fused/Tanh:0",')
    model = opened(read(text)).model

    assert model.graph.node[1].output[0] == "fused/Tanh:0"
    assert model.graph.node[-1].input[0] == "fused/Tanh:0"


def test_branches_are_opened_too(rng: np.random.Generator) -> None:
    """What stands in a branch of an If or in a loop's body is opened where it stands."""
    text = f"""
    {HEAD}
    tiny (bool c, float[2,4] x, float[4,4] w, float[4] b) => (y) {{
      y = If (c) <
        then_branch = one () => (t) {{
          t = com.microsoft.FusedGemm<activation="Tanh">(x, w, b)
        }},
        else_branch = two () => (e) {{ [call] e = mine.block(x) }}
      >
    }}
    <domain: "mine", opset_import: ["": 18]>
    block (p) => (q) {{ r = Relu(p) q = Neg(r) }}
    """
    model = read(text)
    feeds = {name: rng.normal(size=size).astype(np.float32)
             for name, size in {"x": (2, 4), "w": (4, 4), "b": (4,)}.items()}  # fmt: skip
    apart = opened(model).model
    branches = [attribute.g for attribute in apart.graph.node[0].attribute]

    assert [operators_of(graph) for graph in branches] == [
        ["Gemm", "Tanh"],
        ["Relu", "Neg"],
    ]
    for chosen in (True, False):
        given = {**feeds, "c": np.asarray(chosen)}
        whole, parts = (run(one, given) for one in (model, apart))
        np.testing.assert_array_equal(parts, whole)


def operators_of(graph: onnx.GraphProto) -> list[str]:
    """Return the operator types of a graph."""
    return [node.op_type for node in graph.node]


def run(model: onnx.ModelProto, feeds: dict[str, Array]) -> Array:
    """Return the first output of a model."""
    session = open_session(model, Path())
    return session.run(feeds, [model.graph.output[0].name])[model.graph.output[0].name]


def test_functions_inside_functions_and_defaults_hold(rng: np.random.Generator) -> None:
    """Attributes that a call leaves out have the function's default, nested calls too."""
    text = f"""
    {HEAD}
    tiny (float[2,3] x) => (y, z) {{ y = mine.outer(x) z = mine.outer<axis=0>(y) }}
    <domain: "mine", opset_import: ["": 18, "mine": 1]>
    outer <axis: int = 1> (p) => (q) {{
      r = Softmax<axis: int = @axis>(p) q = mine.inner(r)
    }}
    <domain: "mine", opset_import: ["": 18]>
    inner <alpha: float = 0.5> (p) => (q) {{
      r = Neg(p) q = LeakyRelu<alpha: float = @alpha>(r)
    }}
    """
    model = opened(read(text)).model
    x = rng.normal(size=(2, 3)).astype(np.float32)

    assert operators(model) == ["Softmax", "Neg", "LeakyRelu"] * 2
    soft = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(run(model, {"x": x}), -soft / 2, rtol=1e-5)


def test_types_are_inferred_where_the_file_does_not_state_them() -> None:
    """A chain of fused products is opened although no tensor between them has a type."""
    text = f"""
    {HEAD}
    tiny (float[2,4,4] x, float[4,4] w) => (y) {{
      a = MatMul(x, w)
      b = com.microsoft.FusedMatMul<transB=1, alpha=0.5>(a, a)
      c = com.microsoft.FusedMatMul<transA=1>(b, w)
      d = com.microsoft.Gelu(c)
      y = com.microsoft.FusedMatMul<transA=1, transB=1>(d, b)
    }}
    """
    model = opened(read(text)).model

    assert {node.domain for node in model.graph.node} == {""}
    perms = [
        node.attribute[0].ints for node in model.graph.node if node.op_type == "Transpose"
    ]
    assert all(list(perm) == [0, 2, 1] for perm in perms)


def test_what_the_table_lacks_stays(net: Callable[..., onnx.ModelProto]) -> None:
    """An operator without parts, and one too broken to have any, is left alone."""
    model = net("(float[2,4] x) => (y) { y = Relu(x) }")
    lacking = [
        helper.make_node("QuickGelu", [], ["y"], domain="com.microsoft"),
        helper.make_node("FusedGemm", ["x", "x"], ["y"], domain="com.microsoft"),
        helper.make_node("NhwcConv", ["x", "x"], ["y"], domain="com.microsoft"),
        helper.make_node("FusedMatMul", ["x"], ["y"], domain="com.microsoft"),
        helper.make_node("SkipLayerNormalization", ["x"], ["y"], domain="com.microsoft"),
    ]
    for node in lacking:
        model.graph.node[0].CopyFrom(node)

        assert opened(model).model is model
