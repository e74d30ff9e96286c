"""Tiny models, written in ONNX's own textual form, that the tests of the analysis share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from analyzer.core.types import Array, Pivot
from analyzer.isolation import Side
from analyzer.pivot import load
from analyzer.view import View, view_of

Net = Callable[..., onnx.ModelProto]


def net_of(text: str, *, opset: int = 18, **weights: Array) -> onnx.ModelProto:
    """Return the model ``tiny`` of a signature, a body in braces and initializers."""
    head = f'<ir_version: 9, opset_import: ["": {opset}]>'
    model = parser.parse_model(f"{head} tiny {text}")
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()
    )
    return model


@pytest.fixture
def net() -> Net:
    """Builds a model from text, such as ``(float[1,4] x) => (y) { y = Relu(x) }``."""
    return net_of


@pytest.fixture
def view() -> Callable[..., View]:
    """The macro graph over a model built from text."""
    return lambda text, **given: view_of(net_of(text, **given), Path())


@pytest.fixture
def side() -> Callable[..., Side]:
    """One model of a pair, built from text."""

    def build(text: str, **given: Array) -> Side:
        model = net_of(text, **given)
        return Side(model, Path(), view_of(model, Path()))

    return build


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[onnx.ModelProto, str], str]:
    """Writes a model under a name, and gives its path."""

    def save(model: onnx.ModelProto, name: str) -> str:
        path = tmp_path / f"{name}.onnx"
        onnx.save(model, path)
        return str(path)

    return save


@pytest.fixture
def pivot(saved: Callable[[onnx.ModelProto, str], str]) -> Callable[..., Pivot]:
    """The pivot of a model built from text and written to a file."""

    def build(text: str, name: str = "model", **given: Array) -> Pivot:
        return load(saved(net_of(text, **given), name), trust_code=False)

    return build


@pytest.fixture
def rng() -> np.random.Generator:
    """A source of numbers that is the same in every test."""
    return np.random.default_rng(0)
