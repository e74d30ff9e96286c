"""What folds into the operator it serves, and what keeps a place of its own."""

from collections.abc import Callable

import numpy as np
import pytest

from analyzer.view import View
from analyzer.view.absorb import label

Look = Callable[..., View]
WEIGHTS = {
    "zero": np.float32(0.0),
    "six": np.float32(6.0),
    "low": np.float32(-1.0),
    "w": np.ones((4, 4), np.float32),
    "v": np.ones(4, np.float32),
    "shape": np.int64([1, 4]),
    "pads": np.int64([0, 1, 0, 1]),
}


def shown(view: View) -> list[str]:
    """Return the names of a view's macro operators, its input left out."""
    return [operator.op for operator in view.operators[1:]]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("y = Clip(x, zero, six)", "Relu"),
        ("y = Clip(x, low, six)", "Clip"),
        ("y = Gemm(x, w)", "MatMul"),
        ("y = MatMul(x, w)", "MatMul"),
        ("y = GlobalAveragePool(x)", "ReduceMean"),
        ("y = Relu(x)", "Relu"),
    ],
)
def test_two_spellings_share_a_label(view: Look, body: str, name: str) -> None:
    """An operator is looked for under one name, whoever wrote it."""
    look = view(f"(float[1,4] x) => (y) {{ {body} }}", **WEIGHTS)

    assert label(look.nodes[0]) == name


def test_old_clip_says_its_bounds_as_attributes(view: Look) -> None:
    """A Clip from opset 6 that starts at zero is a rectifier too."""
    look = view("(float[1,4] x) => (y) { y = Clip<min=0.0, max=6.0>(x) }", opset=6)

    assert label(look.nodes[0]) == "Relu"


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("a = MatMul(x, w) y = Transpose<perm=[1,0]>(a)", ["MatMul"]),
        ("a = MatMul(x, w) y = Reshape(a, shape)", ["MatMul"]),
        ("a = MatMul(x, w) y = Add(a, v)", ["MatMul"]),
        ("a = MatMul(x, w) y = Pad(a, pads)", ["MatMul"]),
        ("a = MatMul(x, w) y = BatchNormalization(a, v, v, v, v)", ["MatMul"]),
        ("a = MatMul(x, w) y = Relu(a)", ["MatMul", "Relu"]),
        ("a = MatMul(x, w) y = Add(a, x)", ["MatMul", "Add"]),
        ("a = MatMul(x, w) b = Add(a, v) y = Sub(a, b)", ["MatMul", "Add", "Sub"]),
    ],
)
def test_layout_and_affine_nodes_fold_into_their_operator(
    view: Look, body: str, left: list[str]
) -> None:
    """A node folds where one input moves, arithmetic only where nobody else reads."""
    look = view(f"(float[4,4] x) => (y) {{ {body} }}", **WEIGHTS)

    assert shown(look) == left


def test_layout_of_the_input_folds_into_the_input(view: Look) -> None:
    """A transpose at the entrance is no operator."""
    look = view("(float[1,4] x) => (y) { a = Transpose<perm=[1,0]>(x) y = Relu(a) }")

    assert shown(look) == ["Relu"]
    assert look.operators[0].tensors == ("x", "a")
