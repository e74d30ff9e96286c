"""onnxsim as an optional first pass."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from analyzer import simplify as stage
from analyzer.core.errors import LoadError
from analyzer.core.types import NativeLayer, Pivot
from analyzer.pivot import load
from analyzer.runtime.session import open_session


@pytest.fixture
def made(tmp_path: Path) -> Pivot:
    """A pivot with an Identity that onnxsim takes out, and a layer that goes with it."""
    nodes = [
        helper.make_node("Identity", ["x"], ["same"], "identity"),
        helper.make_node("Mul", ["same", "w"], ["y"], "mul"),
    ]
    weight = numpy_helper.from_array(np.arange(600, dtype=np.float32), "w")
    ends = [helper.make_tensor_value_info(end, TensorProto.FLOAT, [1, 600]) for end in "xy"]
    graph = helper.make_graph(nodes, "tiny", ends[:1], ends[1:], [weight])
    opsets = [helper.make_opsetid("", 18)]
    path = tmp_path / "tiny.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    layers = {"same": NativeLayer("skip"), "y": NativeLayer("scale")}
    return replace(load(str(path), trust_code=False), layers=layers)


def test_the_graph_is_simpler_and_computes_the_same(made: Pivot) -> None:
    """An Identity is gone, the output is not changed, inputs keep their names."""
    simple = stage.simplify(made)
    feeds = {"x": np.random.default_rng(0).random((1, 600), np.float32)}

    assert [node.op_type for node in simple.model.graph.node] == ["Mul"]
    assert simple.inputs == made.inputs
    once, again = (
        open_session(one.model, one.folder).run(feeds)["y"] for one in (made, simple)
    )
    assert np.array_equal(once, again)


def test_lost_layers_are_said(made: Pivot) -> None:
    """A layer whose tensors are gone is named in a note; the others keep theirs."""
    simple = stage.simplify(made)

    assert simple.layers == {"y": NativeLayer("scale")}
    assert simple.notes[-1].endswith("and no tensor of skip")
    assert "onnxsim left 1 of the 2 operators" in simple.notes[-1]


def test_a_missing_onnxsim_is_named(made: Pivot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, --simplify says how to install it."""
    monkeypatch.setattr(stage, "find_spec", lambda _: None)

    with pytest.raises(LoadError, match="needs onnxsim") as refusal:
        stage.simplify(made)

    assert "[optimize]" in refusal.value.hint
