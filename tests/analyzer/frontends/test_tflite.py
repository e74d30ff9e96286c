"""TFLite models become pivots that compute the same and know their layers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer import pivot as pivots
from analyzer.core.errors import LoadError, RunError
from analyzer.core.types import Feeds, Pivot
from analyzer.layerwise import in_steps
from analyzer.runtime.session import open_session

Load = Callable[..., Pivot]
Draw = Callable[..., Feeds]
ROUNDING = 1e-5


def test_pivot_computes_what_the_interpreter_computes(load: Load, draw: Draw) -> None:
    """A float model with a fused activation and a gelu gives the native outputs."""
    model = load("network.tflite")
    feeds = draw(model)

    (expected,) = model.run_native(feeds).values()
    (observed,) = open_session(model.model, model.folder).run(feeds).values()
    np.testing.assert_allclose(observed, expected, rtol=ROUNDING, atol=ROUNDING)


def test_int8_model_takes_and_gives_integers(load: Load, draw: Draw) -> None:
    """A quantized pivot has native dtypes, stays within a step, and says what it is."""
    model = load("int8.tflite")
    feeds = draw(model)

    (expected,) = model.run_native(feeds).values()
    (observed,) = open_session(model.model, model.folder).run(feeds).values()
    assert expected.dtype == observed.dtype == np.int8
    assert np.max(np.abs(observed.astype(int) - expected)) <= 1
    assert "quantized" in model.notes[0]


def test_two_inputs_reach_the_right_end(load: Load, draw: Draw) -> None:
    """The interpreter's order of inputs need not be the pivot's."""
    model = load("two_ends.tflite")
    feeds = draw(model)

    pivot = open_session(model.model, model.folder).run(feeds)
    for name, value in model.run_native(feeds).items():
        np.testing.assert_allclose(pivot[name], value, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("name", ["two_loops.tflite", "two_loops_half.tflite"])
def test_loop_behind_a_loop_reads_its_whole_sequence(
    load: Load, draw: Draw, name: str
) -> None:
    """The second body takes what the flatbuffer says, not what tf2onnx takes it for."""
    model = load(name)
    feeds = draw(model)

    (expected,) = model.run_native(feeds).values()
    (observed,) = open_session(model.model, model.folder).run(feeds).values()
    np.testing.assert_allclose(observed, expected, rtol=ROUNDING, atol=ROUNDING)


def test_quantized_weights_are_announced(load: Load) -> None:
    """Where only weights are quantized, the pivot's activations are not the runtime's."""
    assert "Only weights are quantized" in load("weights.tflite").notes[0]


def test_layers_are_read_from_fused_names(load: Load) -> None:
    """The operator goes by the layer with the weights, its fused activation by its own."""
    model = load("network.tflite")

    layers = {
        node.op_type: model.layers[node.output[0]].name
        for node in model.model.graph.node
        if node.op_type in {"Conv", "Clip", "Erf"} and node.output[0] in model.layers
    }
    assert layers["Clip"] == "clip"
    assert {"stem", "depth_1", "gelu"} <= {layer.name for layer in model.layers.values()}


def test_wrong_shape_is_refused_with_both_shapes(load: Load) -> None:
    """The message says what the model takes and what it was given."""
    model = load("network.tflite")
    (name,) = (spec.name for spec in model.inputs)

    with pytest.raises(RunError, match=r"\(-?1, 8, 8, 3\), not \(1, 9, 9, 3\)"):
        model.run_native({name: np.zeros((1, 9, 9, 3), np.float32)})


@pytest.mark.usefixtures("warm")
def test_another_file_of_that_name_is_refused(tmp_path: Path) -> None:
    """A flatbuffer says what it is in its fifth to eighth byte."""
    file = tmp_path / "text.tflite"
    file.write_text("this is no model")

    with pytest.raises(LoadError, match="is not a TFLite model"):
        pivots.load(str(file), trust_code=False)


@pytest.mark.usefixtures("warm")
def test_reference_to_a_missing_tensor_is_refused(tmp_path: Path, models: Path) -> None:
    """Native code would read beyond the end of the file's tables."""
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers import Builder

    content = bytearray((models / "network.tflite").read_bytes())
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    tree.subgraphs[0].operators[0].inputs[0] = 999
    builder = Builder(1024)
    builder.Finish(tree.Pack(builder), b"TFL3")
    file = tmp_path / "dangling.tflite"
    file.write_bytes(bytes(builder.Output()))

    with pytest.raises(LoadError, match=r"operator 0 reads tensor 999 of \d+"):
        pivots.load(str(file), trust_code=False)


def test_quantized_layers_are_told_in_steps(load: Load, draw: Draw) -> None:
    """Fed LiteRT's own integers, no layer is off by more than a rounding to a side."""
    model = load("int8.tflite")
    assert model.remake is not None
    looked = model.remake([draw(model, seed=seed) for seed in range(2)])

    assert looked is not None
    assert looked.wrong == ()
    assert "fed LiteRT's own integers, its layers are off by" in looked.layerwise
    assert max(alone for alone, _ in looked.steps.values()) <= 1
    assert set(in_steps(model).steps) == set(looked.steps)
    assert "at most 2" not in looked.layerwise.partition(";")[0]


def test_hybrid_model_is_not_looked_into(load: Load) -> None:
    """What it computes of activations is not what its flatbuffer says."""
    assert load("weights.tflite").remake is None
