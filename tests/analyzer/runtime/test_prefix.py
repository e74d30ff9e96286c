"""A model that stops halfway still runs halfway."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from analyzer.runtime import prefix
from analyzer.runtime.prefix import safe_prefix

Build = Callable[..., onnx.ModelProto]
HERE = Path()
FEEDS = {"x": np.ones((2, 3), np.float32)}


def names(model: onnx.ModelProto) -> list[str]:
    """Return the names of a model's nodes."""
    return [node.name for node in model.graph.node]


def stopping(build: Build, bad: onnx.NodeProto) -> onnx.ModelProto:
    """Return a model with a side branch, and a bad node that its last node hangs on."""
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="before"),
        bad,
        helper.make_node("Relu", ["bad"], ["y"], name="behind"),
        helper.make_node("Neg", ["a"], ["side"], name="beside"),
    ]
    return build(nodes, outputs=("y", "side"), to=np.int64([7, 7]))


def test_node_that_fails_goes_with_what_hangs_on_it(build: Build) -> None:
    """The rest, and the outputs it gives, stay."""
    node = helper.make_node("Reshape", ["a", "to"], ["bad"], name="reshape")
    model, stopped = safe_prefix(stopping(build, node), HERE, FEEDS)

    assert stopped == ("reshape",)
    assert names(model) == ["before", "beside"]
    assert [value.name for value in model.graph.output] == ["side"]


def test_node_that_does_not_load_is_dropped(build: Build) -> None:
    """An unknown operator stops the whole model, but not what does not need it."""
    node = helper.make_node("Unheard", ["a"], ["bad"], name="unheard")
    model, stopped = safe_prefix(stopping(build, node), HERE, FEEDS)

    assert stopped == ("unheard",)
    assert names(model) == ["before", "beside"]


def test_node_without_its_input_is_dropped(build: Build) -> None:
    """A tensor nobody gives is found without the runtime."""
    node = helper.make_node("Add", ["a", "gone"], ["bad"], name="dangling")

    assert safe_prefix(stopping(build, node), HERE, FEEDS)[1] == ("dangling",)


def test_two_stops_are_both_named(build: Build) -> None:
    """Behind the first stop, the search goes on."""
    nodes = [
        helper.make_node("Unheard", ["x"], ["a"], name="first"),
        helper.make_node("Reshape", ["x", "to"], ["b"], name="second"),
        helper.make_node("Relu", ["x"], ["y"], name="sound"),
    ]
    broken = build(nodes, outputs=("a", "b", "y"), to=np.int64([7, 7]))
    model, stopped = safe_prefix(broken, HERE, FEEDS)

    assert set(stopped) == {"first", "second"}
    assert names(model) == ["sound"]


def test_refusal_without_a_name_is_pinned_down_by_halving(build: Build) -> None:
    """A transpose over a missing axis fails before any node runs, and names none."""
    node = helper.make_node("Transpose", ["a"], ["bad"], name="turn", perm=[0, 7])
    model, stopped = safe_prefix(stopping(build, node), HERE, FEEDS)

    assert stopped == ("turn",)
    assert names(model) == ["before", "beside"]


def test_sample_that_does_not_fit_blames_no_node(chain: onnx.ModelProto) -> None:
    """A wrong dtype is the sample's fault."""
    model, stopped = safe_prefix(chain, HERE, {"x": np.ones(2, np.int64)})

    assert stopped == ()
    assert names(model) == []


def test_output_that_nobody_gives_is_dropped(chain: onnx.ModelProto) -> None:
    """No node is to blame for it, and every other output stays."""
    chain.graph.output.append(onnx.ValueInfoProto(name="nobody"))
    model, stopped = safe_prefix(chain, HERE, FEEDS)

    assert stopped == ()
    assert [value.name for value in model.graph.output] == ["y"]


def test_search_has_an_end(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """With more stops than are looked for, nothing is said to run."""
    monkeypatch.setattr(prefix, "MOST_STOPS", 1)
    nodes = [helper.make_node("Unheard", ["x"], [out], name=out) for out in ("a", "b", "c")]
    model, stopped = safe_prefix(build(nodes, outputs=("a",)), HERE, FEEDS)

    assert len(stopped) == 1
    assert names(model) == []


def test_model_is_left_alone(build: Build) -> None:
    """The caller's proto keeps its bad node."""
    node = helper.make_node("Unheard", ["a"], ["bad"], name="unheard")
    model = stopping(build, node)
    safe_prefix(model, HERE, FEEDS)

    assert "unheard" in names(model)
