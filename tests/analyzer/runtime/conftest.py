"""Small models that the tests of the runtime share."""

from collections.abc import Callable, Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from analyzer.core.types import Array

Build = Callable[..., onnx.ModelProto]


def build(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[str] = ("x",),
    outputs: Sequence[str] = ("y",),
    *,
    opset: int = 18,
    ir_version: int = 9,
    **weights: Array,
) -> onnx.ModelProto:
    """Return a model of some nodes; its inputs are float32 of any shape."""
    kind = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    values = [onnx.ValueInfoProto(name=name, type=kind) for name in inputs]
    results = [onnx.ValueInfoProto(name=name) for name in outputs]
    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "tiny", values, results, constants)
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version)


@pytest.fixture(name="build")
def build_fixture() -> Build:
    """Builds a model from nodes, input names, output names and weights."""
    return build


@pytest.fixture
def chain() -> onnx.ModelProto:
    """The model ``y = relu(x * w) + b``, its nodes named scale, relu and shift."""
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["a"], name="scale"),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node("Add", ["b", "bias"], ["y"], name="shift"),
    ]
    return build(nodes, w=np.float32([2.0]), bias=np.float32([1.0]))


@pytest.fixture
def branching() -> onnx.ModelProto:
    """An If that captures ``a = -x``; it gives ``a + a`` where x's sum is positive."""
    then = helper.make_graph(
        [helper.make_node("Add", ["a", "a"], ["t"], name="twice")],
        "then",
        [],
        [onnx.ValueInfoProto(name="t")],
    )
    other = helper.make_graph(
        [helper.make_node("Identity", ["a"], ["e"], name="once")],
        "else",
        [],
        [onnx.ValueInfoProto(name="e")],
    )
    nodes = [
        helper.make_node("Neg", ["x"], ["a"], name="neg"),
        helper.make_node("ReduceSum", ["x"], ["s"], name="sum", keepdims=0),
        helper.make_node("Greater", ["s", "zero"], ["c"], name="positive"),
        helper.make_node(
            "If", ["c"], ["y"], name="if", then_branch=then, else_branch=other
        ),
    ]
    return build(nodes, zero=np.float32(0.0))
