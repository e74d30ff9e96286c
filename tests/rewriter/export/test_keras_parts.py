"""Activations, windows, layers and gates between a pivot and Keras, each by itself."""

from collections.abc import Callable

import numpy as np
import pytest

from analyzer.core.types import Node
from rewriter.export.changes import ConstantChange
from rewriter.export.keras_activations import SOFTMAX, Activation, recognised
from rewriter.export.keras_file import Saved
from rewriter.export.keras_layers import Owners, layers_of
from rewriter.export.keras_structure import Made, inserted, ordered, reads, removed
from rewriter.export.keras_weights import new_values
from rewriter.export.keras_windows import window

Config = dict[str, object]


def node(op: str, reads: tuple[str, ...], gives: str, **more: object) -> Node:
    """Return a node of opset 18; numbers among what it reads come by slot in `numbers`."""
    numbers = more.pop("numbers", {})
    constants = {slot: np.array(value, np.float32) for slot, value in numbers.items()}
    return Node(gives, op, "", 18, reads, (gives,), more, constants)


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([], Activation("linear")),
        ([node("Relu", ("x",), "y")], Activation("relu", 0.0)),
        (
            [node("Clip", ("x", "low", "high"), "y", numbers={1: 0, 2: 6})],
            Activation("relu6", 0.0, 6.0),
        ),
        ([node("LeakyRelu", ("x",), "y", alpha=0.3)], Activation("", 0.3)),
        ([node("Elu", ("x",), "y", alpha=0.5)], Activation("elu", alpha=0.5)),
        ([node("Softmax", ("x",), "y", axis=-1)], SOFTMAX),
        (
            [node("Sigmoid", ("x",), "s"), node("Mul", ("x", "s"), "y")],
            Activation("silu"),
        ),
        (
            [node("Relu", ("x",), "r"), node("Min", ("r", "c"), "y", numbers={1: 2})],
            Activation("", 0.0, 2.0),
        ),
        ([node("Sigmoid", ("x",), "s"), node("Neg", ("s",), "y")], None),
    ],
)
def test_activation_is_told_by_what_it_computes(
    nodes: list[Node], expected: Activation | None
) -> None:
    """However operators spell it, it is the activation that Keras has; or it has none."""
    found = recognised(nodes, "x", "y" if nodes else "x")

    assert found == expected


def test_same_puts_the_odd_zero_behind() -> None:
    """A kernel of 3 with step 2 over 16 numbers has no zero before and one behind."""
    found = window(node("Conv", ("x", "w"), "y", strides=(2, 2), pads=(0, 0, 1, 1)), (3, 3))

    assert found.same((16, 16)) == ((0, 0), (1, 1))
    assert found.says("same", (16, 16))
    assert not found.says("same", (15, 15))
    assert not found.says("valid", (16, 16))


def entry(name: str, kind: str, *given: str) -> Config:
    """Return how a Functional model lists a layer that reads others."""
    tensors = [
        {"class_name": "__keras_tensor__", "config": {"keras_history": [one, 0, 0]}}
        for one in given
    ]
    return {
        "class_name": kind,
        "name": name,
        "config": {"name": name, "dtype": "float32"},
        "inbound_nodes": [{"args": [tensors], "kwargs": {}}] if given else [],
    }


@pytest.fixture
def branched() -> Config:
    """Two branches of an input, added."""
    return {
        "config": {
            "layers": [
                entry("image", "InputLayer"),
                entry("left", "Conv2D", "image"),
                entry("right", "Conv2D", "image"),
                entry("sum", "Add", "left", "right"),
            ],
            "output_layers": ["sum", 0, 0],
        }
    }


def test_layer_is_put_behind_another(branched: Config) -> None:
    """Its reader reads it, it reads the other, and Keras then has that branch first."""
    layers = layers_of(branched)

    new = inserted(layers["right"], Made("ReLU", {}, {}), ())

    assert reads(new) == ["right"]
    assert reads(layers["sum"]) == ["left", "re_lu"]
    assert ordered(branched["config"]) == ["image", "right", "left", "re_lu", "sum"]


def test_removed_output_leaves_the_layer_before_it(branched: Config) -> None:
    """A layer that gave the model's output is succeeded by one that it read."""
    removed(layers_of(branched)["sum"], "left")

    assert branched["config"]["output_layers"] == ["left", 0, 0]
    assert ordered(branched["config"]) == ["image", "left"]


def blocks(*values: int) -> np.ndarray:
    """Return one row of two numbers for each gate, told by its value."""
    return np.repeat(np.array(values, np.float32), 2)[:, None] * np.ones(3, np.float32)


@pytest.fixture
def held(tmp_path: object) -> Callable[..., Owners]:
    """Return the layers of a file that holds some weights of one layer."""

    def owners(**weights: np.ndarray) -> Owners:
        of = dict.fromkeys(weights, "lstm")
        return Owners(Saved(tmp_path, "", {}, weights, of, []), {}, {})

    return owners


def test_gates_are_put_into_the_order_of_keras(held: Callable[..., Owners]) -> None:
    """ONNX has input, output, forget, cell; Keras input, forget, cell, output."""
    own = held(kernel=blocks(1, 3, 4, 2).T)
    old, new = blocks(1, 2, 3, 4)[None], blocks(5, 6, 7, 8)[None]
    change = ConstantChange(node("LSTM", ("x", "w", "r"), "y"), 1, "w", old, new)

    assert np.array_equal(new_values(own, change)["kernel"], blocks(5, 7, 8, 6).T)
