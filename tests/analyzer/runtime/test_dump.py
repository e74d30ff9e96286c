"""A dump holds every tensor of one run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from analyzer.runtime.dump import dump, instrument
from analyzer.runtime.session import open_session

Build = Callable[..., onnx.ModelProto]

HERE = Path()


def test_dump_holds_inputs_activations_and_outputs(chain: onnx.ModelProto) -> None:
    """All four dynamic tensors are there, weights are not."""
    tensors = dump(open_session(instrument(chain), HERE), {"x": np.float32([-1.0, 2.0])})

    assert {name: value.tolist() for name, value in tensors.items()} == {
        "x": [-1.0, 2.0],
        "a": [-2.0, 4.0],
        "b": [0.0, 4.0],
        "y": [1.0, 5.0],
    }


def test_wrong_declared_types_do_not_stop_a_dump(chain: onnx.ModelProto) -> None:
    """Neither a wrong value info nor a wrong output type reaches the runtime."""
    wrong = [helper.make_tensor_value_info("a", TensorProto.INT64, [9])]
    chain.graph.value_info.extend(wrong)
    chain.graph.output[0].type.CopyFrom(wrong[0].type)

    assert "a" in dump(open_session(instrument(chain), HERE), {"x": np.float32([1.0])})


def test_instrumenting_leaves_the_model_alone(chain: onnx.ModelProto) -> None:
    """The caller's proto keeps its outputs."""
    instrument(chain)

    assert [value.name for value in chain.graph.output] == ["y"]


def test_sequences_are_left_out_of_a_dump(build: Build) -> None:
    """No cut can go through a sequence."""
    nodes = [
        helper.make_node("SequenceConstruct", ["x", "x"], ["s"], name="pair"),
        helper.make_node("ConcatFromSequence", ["s"], ["y"], name="join", axis=0),
    ]
    session = open_session(instrument(build(nodes)), HERE)
    tensors = dump(session, {"x": np.ones(2, np.float32)})

    assert set(tensors) == {"x", "y"}
