"""A tensor carries the model's values, or only its shapes, or only its constants."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import parser

from analyzer.core.graph import constants
from analyzer.core.types import Feeds
from analyzer.view.classes import (
    Steps,
    dangling_tensors,
    rounded_tensors,
    static_names,
    steps_of,
    waves,
    without_type_casts,
)

Net = Callable[..., onnx.ModelProto]
HERE = Path()
ONE = np.float32([1.0])


def read(model: onnx.ModelProto) -> tuple[Steps, Steps, frozenset[str], Feeds]:
    """Return a model's steps, those that compute, their tensors, and its constants."""
    values = constants(model, HERE)
    steps = steps_of(model, values)
    return steps, *waves([one.name for one in model.graph.input], steps, values), values


def test_shape_arithmetic_is_not_dynamic(net: Net) -> None:
    """What is computed from a shape alone holds none of the model's values."""
    model = net(
        "(float[n,4] x) => (y) { s = Shape(x) t = Mul(s, two) y = Expand(x, t) }",
        two=np.int64([2, 1]),
    )

    _, _, dynamic, _ = read(model)

    assert dynamic == {"x", "y"}


def test_tensor_that_nobody_gives_is_dynamic(net: Net) -> None:
    """What should have given it did compute."""
    model = net("(float[4] x) => (y) { a = Relu(ghost) y = Add(x, a) }")
    _, _, dynamic, _ = read(model)

    assert dangling_tensors(model) == {"ghost"}
    assert dynamic == {"x", "ghost", "a", "y"}


def test_random_numbers_are_dynamic(net: Net) -> None:
    """A draw is no constant, although it reads nothing."""
    model = net("(float[4] x) => (y) { r = RandomUniform<shape=[4]>() y = Add(x, r) }")
    _, _, dynamic, _ = read(model)

    assert "r" in dynamic


def test_type_operand_of_castlike_carries_no_values(net: Net) -> None:
    """A constant cast to an input's type stays a constant."""
    model = net("(float[1] x) => (y) { c = CastLike(one, x) y = Add(x, c) }", one=ONE)
    steps, _, dynamic, values = read(model)

    assert dynamic == {"x", "y"}
    assert static_names(steps, values) == ("c",)


def test_file_may_list_its_nodes_in_any_order(net: Net) -> None:
    """A reader that stands before its giver depends on the input all the same."""
    model = net("(float[4] x) => (y) { y = Relu(a) a = Abs(x) }")
    steps, _, dynamic, _ = read(model)

    assert [step.node.op for step in steps] == ["Abs", "Relu"]
    assert dynamic == {"x", "a", "y"}


def test_only_constants_that_are_read_are_computed(net: Net) -> None:
    """Of a chain of constant nodes, the end that meets the input is wanted."""
    model = net(
        "(float[1] x) => (y) { a = Neg(one) b = Exp(a) lost = Exp(b) y = Mul(x, b) }",
        one=ONE,
    )
    steps, _, _, values = read(model)

    assert static_names(steps, values) == ("b",)


@pytest.mark.parametrize(
    ("body", "rounded"),
    [
        ("w = DequantizeLinear(q, scale) y = Mul(x, w)", {"w"}),
        ("a = DequantizeLinear(q, scale) w = Identity(a) y = Mul(x, w)", {"a", "w"}),
        ("a = QuantizeLinear(x, scale) y = DequantizeLinear(a, scale)", set()),
        (
            "a = DequantizeLinear(q, scale) w = Concat<axis=0>(a, a) y = Gather(w, x)",
            {"a", "w"},
        ),
    ],
)
def test_only_stored_integers_stand_on_a_grid(
    net: Net, body: str, rounded: set[str]
) -> None:
    """A dequantized weight is rounded; an activation's rounding is the model's own."""
    model = net(
        f"(float[2] x) => (y) {{ {body} }}", q=np.uint8([1, 2]), scale=np.float32(1)
    )
    steps, _, dynamic, _ = read(model)

    assert rounded_tensors(steps, dynamic) == rounded


def test_nodes_are_sorted_as_their_values_flow(net: Net) -> None:
    """Every tensor is given before it is read; else the file's order stays."""
    model = net("(float[4] x) => (y) { y = Add(a, c) b = Relu(a) c = Neg(b) a = Abs(x) }")
    _, ordered, _, _ = read(model)

    assert [step.node.op for step in ordered] == ["Abs", "Relu", "Neg", "Add"]


def test_what_waits_for_itself_carries_no_values(net: Net) -> None:
    """A cycle never runs, and nothing hangs on it."""
    model = net("(float[4] x) => (y) { a = Add(x, b) b = Relu(a) y = Abs(x) }")
    _, ordered, _, _ = read(model)

    assert [step.node.op for step in ordered] == ["Abs"]


def test_type_casts_go_from_a_copy(net: Net) -> None:
    """The user's model keeps its CastLike; a model without one is not copied."""
    model = net("(float[1] x) => (y) { c = CastLike(one, x) y = Add(x, c) }", one=ONE)
    plain = net("(float[1] x) => (y) { y = Relu(x) }")

    assert [node.op_type for node in without_type_casts(model).graph.node] == [
        "Identity",
        "Add",
    ]
    assert model.graph.node[0].op_type == "CastLike"
    assert without_type_casts(plain) is plain


def test_cast_to_the_type_of_a_constant_stays() -> None:
    """A range counts in integers that a constant's type alone says."""
    model = parser.parse_model("""<ir_version: 9, opset_import: ["": 18]>
        g (float[2] x) => (float[2] y) {
          one = Constant<value = float {1.0}>()  whole = Constant<value = int64 {3}>()
          count = CastLike(one, whole)  same = CastLike(one, x)  y = Mul(x, same)
        }""")
    operators = [node.op_type for node in without_type_casts(model).graph.node]

    assert operators == ["Constant", "Constant", "CastLike", "Identity", "Mul"]
