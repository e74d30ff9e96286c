"""A region computes what the whole model would, from the caller's values."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from analyzer.core.types import Feeds, Sample
from analyzer.runtime.region import extract, region_error, run_region

Build = Callable[..., onnx.ModelProto]

HERE = Path()


def test_region_starts_at_the_tensors_it_is_fed(chain: onnx.ModelProto) -> None:
    """The shift alone runs on a value that the relu never gave."""
    assert run_region(chain, HERE, {"b": np.float32([10.0])}, ["y"])["y"] == 11.0


def test_region_keeps_only_what_it_needs(chain: onnx.ModelProto) -> None:
    """Cut at b, neither the scale nor its weight is left."""
    part = extract(chain, ["b"], ["y"])

    assert [node.name for node in part.graph.node] == ["shift"]
    assert [weight.name for weight in part.graph.initializer] == ["bias"]


def test_tensor_that_is_fed_and_wanted_is_computed(chain: onnx.ModelProto) -> None:
    """The tensor b is read from the caller, and still given as the relu gives it."""
    fed = {"x": np.float32([3.0]), "b": np.float32([10.0])}
    given = run_region(chain, HERE, fed, ["b", "y"])

    assert given["b"] == 6.0
    assert given["y"] == 11.0


def test_region_takes_what_a_subgraph_captures(branching: onnx.ModelProto) -> None:
    """The branch reads the caller's value of the captured tensor."""
    fed = {"c": np.array(1, dtype=bool), "a": np.float32([4.0])}

    assert run_region(branching, HERE, fed, ["y"])["y"] == 8.0


def test_captured_tensor_that_is_not_cut_is_computed(branching: onnx.ModelProto) -> None:
    """The producer of a captured tensor belongs to the region."""
    fed = {"c": np.array(1, dtype=bool), "x": np.float32([4.0])}

    assert run_region(branching, HERE, fed, ["y"])["y"] == -8.0


def test_unsorted_nodes_make_no_difference(chain: onnx.ModelProto) -> None:
    """A region is found by its edges, not by the order of the file."""
    nodes = list(chain.graph.node)[::-1]
    backwards = onnx.ModelProto()
    backwards.CopyFrom(chain)
    del backwards.graph.node[:]
    backwards.graph.node.extend(nodes)

    assert run_region(backwards, HERE, {"x": np.float32([1.0])}, ["y"])["y"] == 3.0


def test_region_types_come_from_the_model_without_arrays(chain: onnx.ModelProto) -> None:
    """A region cut by names alone still declares what it reads."""
    part = extract(chain, ["b"], ["y"])

    assert part.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT


def test_constant_nodes_come_along(build: Build) -> None:
    """A weight in a Constant node is part of the region."""
    value = onnx.numpy_helper.from_array(np.float32([3.0]))
    nodes = [
        helper.make_node("Constant", [], ["k"], name="k", value=value),
        helper.make_node("Relu", ["x"], ["r"], name="relu"),
        helper.make_node("Mul", ["r", "k"], ["y"], name="scale"),
    ]

    assert run_region(build(nodes), HERE, {"r": np.float32([2.0])}, ["y"])["y"] == 6.0


def sample(inputs: Feeds, expected: Feeds) -> Sample:
    """Return one sample of a target region."""
    return Sample(
        source_inputs={}, source_outputs={}, inputs=inputs, expected=expected, observed={}
    )


def test_region_error_is_that_of_the_worst_sample(chain: onnx.ModelProto) -> None:
    """Right on one sample, off by a tenth on another."""
    right = sample({"b": np.float32([1.0])}, {"y": np.float32([2.0])})
    wrong = sample({"b": np.float32([8.0])}, {"y": np.float32([10.0])})

    assert region_error(chain, HERE, [right], ["y"]) == 0.0
    assert region_error(chain, HERE, [right, wrong], ["y"]) == np.float32(0.1)


def test_region_that_does_not_run_is_infinitely_wrong(build: Build) -> None:
    """A node that fails leaves no doubt."""
    model = build([helper.make_node("Reshape", ["x", "to"], ["y"])], to=np.int64([7, 7]))
    probe = sample({"x": np.float32([1.0])}, {"y": np.float32([1.0])})

    assert region_error(model, HERE, [probe], ["y"]) == np.inf
