"""An ONNX file is its own pivot."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from analyzer.core.errors import LoadError, RunError
from analyzer.core.types import Pivot, TensorSpec
from analyzer.frontends.onnx_file import FRONTEND, native_layers, tensor_spec

ONE = np.float32([[1.0]])


def doubling() -> onnx.ModelProto:
    """Return ``y = x * w``, its weight also listed among the inputs as old files do."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"], name="/block/block.0/scale/Mul")],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1]),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [1]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", -1])],
        [numpy_helper.from_array(np.float32([2.0]), "w")],
    )
    imports = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


def load(model: onnx.ModelProto, folder: Path) -> Pivot:
    """Return a model as it loads from a file."""
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return FRONTEND.load(str(path), trust_code=False)


def test_only_onnx_files_are_claimed() -> None:
    """The suffix decides, in any case."""
    assert FRONTEND.claims("a/B.ONNX")
    assert not FRONTEND.claims("model.tflite")


def test_pivot_declares_what_must_be_fed(tmp_path: Path) -> None:
    """A weight among the inputs is none, and a negative size is unknown."""
    pivot = load(doubling(), tmp_path)

    assert pivot.inputs == (TensorSpec("x", "float32", ("n", 1)),)
    assert pivot.outputs == (TensorSpec("y", "float32", ("n", None)),)
    assert pivot.framework == "onnx"


def test_pivot_runs_natively(tmp_path: Path) -> None:
    """ONNX Runtime is the native runtime, twice over the same session."""
    pivot = load(doubling(), tmp_path)

    assert pivot.run_native({"x": ONE})["y"] == 2.0
    assert pivot.run_native({"x": ONE + 1})["y"] == 4.0


def test_digest_is_that_of_the_file(tmp_path: Path) -> None:
    """The same bytes have the same digest."""
    assert load(doubling(), tmp_path).sha256 == load(doubling(), tmp_path).sha256
    assert len(load(doubling(), tmp_path).sha256) == 64


def test_model_that_does_not_run_still_loads(tmp_path: Path) -> None:
    """Only its first sample shows that the runtime refuses it, naming the node."""
    model = doubling()
    model.graph.node[0].op_type = "Unheard"
    pivot = load(model, tmp_path)

    with pytest.raises(RunError) as caught:
        pivot.run_native({"x": ONE})
    assert caught.value.node == "/block/block.0/scale/Mul"


def test_opset_of_the_future_is_refused(tmp_path: Path) -> None:
    """The message has the opset, the newest readable one and the next step."""
    model = doubling()
    model.opset_import[0].version = 999

    with pytest.raises(LoadError, match=r"opset 999 of ai\.onnx") as caught:
        load(model, tmp_path)
    assert "newer onnxruntime" in caught.value.hint


def test_values_that_are_no_tensors_have_no_shape() -> None:
    """A sequence is declared as unknown."""
    value = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None)

    assert tensor_spec(value) == TensorSpec("s", "unknown", None)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("/layer1/layer1.0/conv1/Conv", "layer1.0.conv1"),
        ("/features/features.1/conv/conv.0/conv.0.0/Conv", "features.1.conv.0.0"),
        ("model/conv1/BiasAdd", "conv1"),
        ("model/relu/Relu;model/conv1/Conv2D", "relu"),
        ("conv1/Conv2D", "conv1"),
    ],
)
def test_layer_is_read_from_a_node_path(name: str, layer: str) -> None:
    """Torch's older exporter and TensorFlow write paths as names."""
    model = doubling()
    model.graph.node[0].name = name

    assert native_layers(model)["y"].name == layer


@pytest.mark.parametrize("name", ["", "Conv_0", "/Conv"])
def test_plain_name_gives_no_layer(name: str) -> None:
    """A name that is no path says nothing about the user's layers."""
    model = doubling()
    model.graph.node[0].name = name

    assert native_layers(model) == {}


def noted(**notes: str) -> onnx.ModelProto:
    """Return the model with notes of torch's exporter on its node."""
    model = doubling()
    for key, value in notes.items():
        model.graph.node[0].metadata_props.add(key=f"pkg.torch.onnx.{key}", value=value)
    return model


def test_layer_is_the_innermost_module() -> None:
    """The last scope is the operator itself."""
    model = noted(name_scopes="['', 'features', 'features.0', 'conv2d']")

    assert native_layers(model)["y"].name == "features.0"


def test_operator_of_the_outermost_module_keeps_its_own_name() -> None:
    """A call in the model's own forward has no layer but itself."""
    assert native_layers(noted(name_scopes="['', 'mean']"))["y"].name == "mean"


def test_broken_scopes_are_passed_over() -> None:
    """A note that does not parse leaves the node's own path."""
    layer = native_layers(noted(name_scopes="['', "))["y"]

    assert layer.name == "block.0.scale"


def test_location_is_the_innermost_line_of_the_user() -> None:
    """Frames inside torch are not the user's code, and folders are not shown."""
    trace = (
        'File "project/nets.py", line 137, in forward\n  y = self.conv(x)\n'
        'File "lib/site-packages/torch/nn/modules/conv.py", line 565, in forward\n'
    )

    assert native_layers(noted(stack_trace=trace))["y"].location == "nets.py:137"
