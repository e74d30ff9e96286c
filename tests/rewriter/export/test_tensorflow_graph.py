"""A pivot written as a TensorFlow program computes what ONNX Runtime computes."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.helper import make_node, make_tensor_value_info

from analyzer.core.errors import ExportError

tf = pytest.importorskip("tensorflow")

from rewriter.export.tensorflow_graph.entry import export  # noqa: E402  # needs TensorFlow
from rewriter.export.tensorflow_graph.module import Graph, Settings  # noqa: E402
from rewriter.export.tensorflow_graph.program import program  # noqa: E402
from rewriter.export.tensorflow_graph.table import table  # noqa: E402

RANDOM = np.random.default_rng(0)
FLOAT = onnx.TensorProto.FLOAT
Weights = dict[str, np.ndarray]
Shape = list[int | str | None]


def model(
    nodes: list[onnx.NodeProto], shape: Shape, weights: Weights, opset: int = 18
) -> onnx.ModelProto:
    """Return a model from x to y."""
    graph = onnx.helper.make_graph(
        nodes,
        "small",
        [make_tensor_value_info("x", FLOAT, shape)],
        [make_tensor_value_info("y", FLOAT, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [onnx.helper.make_opsetid("", opset)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)


def drawn(*shape: int) -> np.ndarray:
    """Return normal numbers."""
    return RANDOM.normal(size=shape).astype(np.float32)


def by_onnxruntime(made: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """Return what ONNX Runtime computes."""
    session = onnxruntime.InferenceSession(made.SerializeToString())
    return session.run(None, {"x": x})[0]


def by_tensorflow(made: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """Return what the traced program computes."""
    graph = Graph(program(made, table().keys()), Settings())
    return np.asarray(graph.concrete()(tf.constant(x))["y"])


def conv_net() -> onnx.ModelProto:
    """Return convolutions between the transposes that Keras's pivots have."""
    nodes = [
        make_node("Transpose", ["x"], ["first"], perm=[0, 3, 1, 2]),
        make_node("Conv", ["first", "w", "b"], ["a"], pads=[0, 0, 1, 1], strides=[2, 2]),
        make_node("BatchNormalization", ["a", "s", "t", "m", "v"], ["n"]),
        make_node("Clip", ["n", "low", "high"], ["r"]),
        make_node("Conv", ["r", "depth"], ["d"], group=4, pads=[1, 1, 1, 1]),
        make_node("Add", ["d", "r"], ["sum"]),
        make_node("Transpose", ["sum"], ["y"], perm=[0, 2, 3, 1]),
    ]
    four = {name: drawn(4) for name in "bstm"}
    ends = {"low": np.array(0, np.float32), "high": np.array(6, np.float32)}
    kernels = {"w": drawn(4, 3, 3, 3), "depth": drawn(4, 1, 3, 3)}
    weights = {**four, "v": abs(drawn(4)) + 1, **ends, **kernels}
    return model(nodes, ["batch", 8, 8, 3], weights)


RNN = {"LSTM": 4, "GRU": 3, "RNN": 1}
CASES: dict[str, tuple[list[onnx.NodeProto], Shape, Weights]] = {
    "pool": (
        [make_node("AveragePool", ["x"], ["y"], kernel_shape=[3, 3], pads=[1, 0, 2, 1])],
        ["batch", 2, 7, 6],
        {},
    ),
    "grouped": (
        [make_node("Conv", ["x", "w"], ["y"], group=2, dilations=[2, 1])],
        ["batch", 4, 9, 8],
        {"w": drawn(6, 2, 3, 3)},
    ),
    "spread": (
        [make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], pads=[1, 0, 1, 1])],
        ["batch", 3, 5, 4],
        {"w": drawn(3, 2, 3, 3)},
    ),
    "cubic": (
        [make_node("Resize", ["x", "", "scales"], ["y"], mode="cubic")],
        [1, 2, 5, 4],
        {"scales": np.array([1, 1, 1.5, 2], np.float32)},
    ),
    "reshape": (
        [
            make_node("Shape", ["x"], ["shape"]),
            make_node("Gather", ["shape", "zero"], ["batch"]),
            make_node("Concat", ["batch", "rest"], ["wanted"], axis=0),
            make_node("Reshape", ["x", "wanted"], ["y"]),
        ],
        ["batch", 6, 4],
        {"zero": np.array([0]), "rest": np.array([3, 8])},
    ),
    "normalized": (
        [make_node("LayerNormalization", ["x", "w", "b"], ["y"])],
        ["batch", 3, 8],
        {"w": drawn(8), "b": drawn(8)},
    ),
    **{
        name.lower(): (
            [make_node(name, ["x", "w", "r", "b"], ["y"], hidden_size=4)],
            [6, 2, 3],
            {
                "w": drawn(1, 4 * gates, 3),
                "r": drawn(1, 4 * gates, 4),
                "b": drawn(1, 8 * gates),
            },
        )
        for name, gates in RNN.items()
    },
}


@pytest.mark.parametrize("name", CASES)
def test_operator_computes_the_same(name: str) -> None:
    """A traced operator gives ONNX Runtime's numbers, its batch known or not."""
    nodes, shape, weights = CASES[name]
    made = model(nodes, shape, weights)
    x = drawn(*(2 if isinstance(size, str) else int(size or 0) for size in shape))

    assert by_tensorflow(made, x) == pytest.approx(by_onnxruntime(made, x), abs=1e-5)


def test_savedmodel_has_names_and_weights(tmp_path: Path) -> None:
    """A SavedModel keeps the ends' names, the open batch, and its weights' names."""
    made = conv_net()
    onnx.save(made, tmp_path / "m.onnx")

    notes = export(str(tmp_path / "m.onnx"), str(tmp_path / "saved"), names={"y": "out"})

    loaded = tf.saved_model.load(str(tmp_path / "saved"))  # it owns the variables
    signature = loaded.signatures["serving_default"]
    x = drawn(2, 8, 8, 3)
    got = np.asarray(signature(x=tf.constant(x))["out"])
    assert notes == []
    assert {"w:0", "depth:0"} <= {variable.name for variable in signature.variables}
    assert got == pytest.approx(by_onnxruntime(made, x), abs=1e-4)


def test_frozen_graph_ends_in_the_users_name(tmp_path: Path) -> None:
    """A frozen graph has no variable, and its last node is the output by its name."""
    onnx.save(conv_net(), tmp_path / "m.onnx")

    export(str(tmp_path / "m.onnx"), str(tmp_path / "m.pb"))

    graph = tf.compat.v1.GraphDef.FromString((tmp_path / "m.pb").read_bytes())
    kinds = {node.op for node in graph.node}
    assert graph.node[-1].name == "y"
    assert not {"VarHandleOp", "ReadVariableOp", "Transpose"} & kinds


def test_tflite_has_no_transpose(tmp_path: Path) -> None:
    """Transposes round a channels-first network cancel, and TFLite keeps the numbers."""
    interpreters = pytest.importorskip("ai_edge_litert.interpreter")
    made = conv_net()
    onnx.save(made, tmp_path / "m.onnx")

    export(str(tmp_path / "m.onnx"), str(tmp_path / "m.tflite"))

    lite = interpreters.Interpreter(str(tmp_path / "m.tflite"))
    lite.allocate_tensors()
    (given,), (result,) = lite.get_input_details(), lite.get_output_details()
    x = drawn(1, 8, 8, 3)
    lite.set_tensor(given["index"], x)
    lite.invoke()
    kinds = Counter(one["op_name"] for one in lite._get_ops_details())
    assert (given["name"], result["name"]) == ("x", "y")
    assert kinds["TRANSPOSE"] == 0
    expected = by_onnxruntime(made, x)
    assert lite.get_tensor(result["index"]) == pytest.approx(expected, abs=1e-4)


def test_gelu_spelled_with_erf_is_one_operator() -> None:
    """The products round Erf, in whatever order, become a single GELU."""
    nodes = [
        make_node("Div", ["x", "root"], ["a"]),
        make_node("Erf", ["a"], ["e"]),
        make_node("Add", ["e", "one"], ["p"]),
        make_node("Mul", ["x", "half"], ["h"]),
        make_node("Mul", ["h", "p"], ["y"]),
    ]
    numbers = {"root": 2**0.5, "one": 1.0, "half": 0.5}
    weights = {name: np.array(one, np.float32) for name, one in numbers.items()}
    made = model(nodes, [2, 3], weights)

    found = program(made, table().keys())

    assert "Gelu" in {node.op_type for node in found.graph.node}
    x = drawn(2, 3)
    assert by_tensorflow(made, x) == pytest.approx(by_onnxruntime(made, x), abs=1e-6)


def test_loop_of_computed_length_runs() -> None:
    """A loop whose condition depends on values stays a loop."""
    body = onnx.helper.make_graph(
        [
            make_node("Add", ["state", "state"], ["twice"]),
            make_node("ReduceMax", ["twice"], ["top"], keepdims=0),
            make_node("Less", ["top", "limit"], ["on"]),
            make_node("Identity", ["twice"], ["row"]),
        ],
        "body",
        [
            make_tensor_value_info("i", onnx.TensorProto.INT64, []),
            make_tensor_value_info("go", onnx.TensorProto.BOOL, []),
            make_tensor_value_info("state", FLOAT, [3]),
        ],
        [
            make_tensor_value_info("on", onnx.TensorProto.BOOL, []),
            make_tensor_value_info("twice", FLOAT, [3]),
            make_tensor_value_info("row", FLOAT, [3]),
        ],
    )
    nodes = [make_node("Loop", ["", "yes", "x"], ["last", "y"], body=body)]
    weights = {"yes": np.array(1, bool), "limit": np.array(50, np.float32)}
    made = model(nodes, [3], weights)
    x = np.array([1, 2, 3], np.float32)

    assert by_tensorflow(made, x).tolist() == by_onnxruntime(made, x).tolist()


def test_missing_operators_are_named() -> None:
    """A model with operators that the table lacks is refused, each by its name."""
    nodes = [
        make_node("TfIdfVectorizer", ["x"], ["a"]),
        make_node("DeformConv", ["a", "a", "a"], ["y"]),
    ]

    with pytest.raises(ExportError, match=r"DeformConv, TfIdfVectorizer") as refusal:
        program(model(nodes, [1], {}), table().keys())

    assert ".onnx" in refusal.value.hint


def test_tflite_keeps_the_order_of_outputs(tmp_path: Path) -> None:
    """Outputs stand in the model's order, not in that of their names."""
    interpreters = pytest.importorskip("ai_edge_litert.interpreter")
    made = model([make_node("Neg", ["x"], ["y"]), make_node("Exp", ["x"], ["b"])], [2], {})
    made.graph.output.append(make_tensor_value_info("b", FLOAT, None))
    onnx.save(made, tmp_path / "m.onnx")

    export(str(tmp_path / "m.onnx"), str(tmp_path / "m.tflite"))

    lite = interpreters.Interpreter(str(tmp_path / "m.tflite"))
    assert [one["name"] for one in lite.get_output_details()] == ["y", "b"]


def test_layout_of_an_input_is_the_users(tmp_path: Path) -> None:
    """An input that the user's file stores channels last is declared and read so."""
    made = model([make_node("GlobalAveragePool", ["x"], ["y"])], [1, 3, 4, 5], {})
    onnx.save(made, tmp_path / "m.onnx")
    x = drawn(1, 3, 4, 5)

    export(str(tmp_path / "m.onnx"), str(tmp_path / "out"), layouts={"x": [0, 2, 3, 1]})

    signature = tf.saved_model.load(str(tmp_path / "out")).signatures["serving_default"]
    got = np.asarray(signature(x=tf.constant(x.transpose(0, 2, 3, 1)))["y"])
    assert got == pytest.approx(by_onnxruntime(made, x), abs=1e-6)
