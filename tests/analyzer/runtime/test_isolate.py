"""In an isolated model every reader of a cut gets the caller's value."""

from pathlib import Path

import numpy as np
import onnx

from analyzer.runtime.isolate import isolate, isolation_feeds, without
from analyzer.runtime.session import open_session

HERE = Path()


def test_each_part_runs_on_its_own_cut(chain: onnx.ModelProto) -> None:
    """One run gives what each node makes of a right input."""
    feeds = {"x": np.float32([1.0])}
    cuts = {"a": np.float32([5.0]), "b": np.float32([7.0])}
    session = open_session(isolate(chain, cuts), HERE)

    assert session.run(isolation_feeds(cuts, feeds)) == {"a": 2.0, "b": 5.0, "y": 8.0}


def test_cut_input_keeps_its_name(chain: onnx.ModelProto) -> None:
    """A cut at the model's own input feeds that input."""
    cuts = {"x": np.float32([4.0])}
    session = open_session(isolate(chain, cuts), HERE)

    assert session.input_names == ("x",)
    assert session.run(isolation_feeds(cuts, {"x": np.float32([1.0])}))["a"] == 8.0


def test_captured_tensor_is_fed_inside_a_subgraph(branching: onnx.ModelProto) -> None:
    """The branch of an If reads the cut, not the tensor it captures."""
    cuts = {"a": np.float32([4.0])}
    session = open_session(isolate(branching, cuts), HERE)
    given = session.run(isolation_feeds(cuts, {"x": np.float32([1.0])}))

    assert given["a"] == -1.0
    assert given["y"] == 8.0


def test_isolating_leaves_the_model_alone(chain: onnx.ModelProto) -> None:
    """The caller's proto still reads its own tensors."""
    isolate(chain, {"a": np.float32([1.0])})

    assert chain.graph.node[1].input[0] == "a"
    assert len(chain.graph.input) == 1


def test_known_nodes_are_left_out(chain: onnx.ModelProto) -> None:
    """What reads their results is fed them, and gives what it gave."""
    rest = without(chain, {"a"})
    cuts = {"a": np.float32([5.0])}
    session = open_session(isolate(rest, cuts), HERE)

    assert [node.output[0] for node in rest.graph.node] == ["b", "y"]
    assert session.run(isolation_feeds(cuts, {"x": np.float32([1.0])})).keys() == {"b", "y"}
    assert len(chain.graph.node) == 3


def test_weight_that_is_an_input_too_is_left_out_as_well(chain: onnx.ModelProto) -> None:
    """Files of IR version 3 list every weight twice; nobody feeds it."""
    weight = onnx.numpy_helper.from_array(np.float32([2.0]), "w")
    chain.graph.node[0].input.append("w")
    chain.graph.initializer.append(weight)
    chain.graph.input.append(onnx.ValueInfoProto(name="w"))
    rest = without(chain, {"a"})

    assert [value.name for value in rest.graph.input] == ["x"]
    assert [one.name for one in rest.graph.initializer] == ["bias"]
