"""Small models with everything on them that an edit must not lose."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from analyzer.frontends.child.client import WarmChildren, warm_children

HERE = Path(__file__).resolve().parent

Model = onnx.ModelProto


def value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    """Return a declared float tensor."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def weight(name: str, *shape: int, seed: int = 0) -> onnx.TensorProto:
    """Return a seeded float initializer with a doc string and metadata."""
    array = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    tensor = numpy_helper.from_array(array, name)
    tensor.doc_string = f"{name} of the user"
    tensor.metadata_props.add(key="layer", value=name)
    return tensor


def decorate(model: Model) -> Model:
    """Return the model with metadata, doc strings and annotations on every part."""
    model.metadata_props.add(key="author", value="someone")
    model.doc_string = "a model"
    model.producer_version = "7.8.9"
    model.model_version = 4
    model.graph.doc_string = "a graph"
    model.graph.metadata_props.add(key="kind", value="graph")
    for node in model.graph.node:
        node.doc_string = f"computes {node.output[0]}"
        node.metadata_props.add(key="namespace", value=f"net/{node.output[0]}")
    for info in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        info.doc_string = f"tensor {info.name}"
        info.metadata_props.add(key="seen", value=info.name)
    note = model.graph.quantization_annotation.add(tensor_name="conv_out")
    note.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="unread")
    return model


def twice() -> onnx.FunctionProto:
    """Return a model-local function that doubles its input."""
    node = helper.make_node("Add", ["value", "value"], ["double"])
    return helper.make_function(
        "local", "Twice", ["value"], ["double"], [node], [helper.make_opsetid("", 17)]
    )


@pytest.fixture
def network() -> Model:
    """Conv, Relu, Conv that shares its bias, and a local function at the end."""
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["conv_out"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv_out"], ["relu_out"], "relu"),
        helper.make_node("Conv", ["relu_out", "w2", "b"], ["last"], "conv2"),
        helper.make_node("Twice", ["last"], ["y"], "twice", domain="local"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [value("x", "N", 3, 8, 8)],
        [value("y", "N", 4, 8, 8)],
        [
            weight("unread", 2),
            weight("w", 4, 3, 3, 3),
            weight("b", 4, seed=1),
            weight("w2", 4, 4, 1, 1, seed=2),
        ],
        value_info=[
            value("conv_out", "N", 4, 8, 8),
            value("relu_out", "N", 4, 8, 8),
            value("last", "N", 4, 8, 8),
        ],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    return decorate(
        helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=[twice()])
    )


@pytest.fixture
def branching() -> Model:
    """An If whose branches read an outer tensor, and an outer constant that is shared."""
    branches = {
        side: helper.make_graph(
            [helper.make_node(op, ["h", "k"], [f"{side}_out"], f"{side}_node")],
            side,
            [],
            [value(f"{side}_out", 2)],
        )
        for side, op in (("then_branch", "Add"), ("else_branch", "Sub"))
    }
    nodes = [
        helper.make_node("Constant", [], ["k"], "constant", value_floats=[1.0, 2.0]),
        helper.make_node("Mul", ["x", "k"], ["m"], "mul"),
        helper.make_node("Neg", ["m"], ["h"], "neg"),
        helper.make_node("If", ["c"], ["y"], "if", **branches),
    ]
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    graph = helper.make_graph(nodes, "net", [value("x", 2), condition], [value("y", 2)])
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )


@pytest.fixture
def names() -> Callable[[Model], list[str]]:
    """Return a model's node names in order."""
    return lambda model: [node.name for node in model.graph.node]


@pytest.fixture(scope="session")
def keras_folder(build: Callable[..., Path]) -> Path:
    """A folder with net and head, each .keras and as TensorFlow's converter makes it."""
    return build(HERE / "build_keras.py")


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmChildren]:
    """Children that all tests of a session share, since an import takes seconds."""
    with warm_children() as children:
        yield children
