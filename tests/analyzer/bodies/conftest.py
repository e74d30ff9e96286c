"""Pairs of models with a body each, spelt differently on the two sides."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from analyzer.core.options import Options
from analyzer.core.report import Report
from analyzer.core.types import Array
from analyzer.diff import analyse
from rules.discovery import ours

HEAD = '<ir_version: 8, opset_import: ["": 17, "mine": 1]>'
Model = Callable[..., onnx.ModelProto]
Save = Callable[[onnx.ModelProto, str], str]


@pytest.fixture
def built() -> Model:
    """Builds a model from text and constants; those in `inner` stand in its bodies."""

    def build(text: str, inner: str = "", **constants: Array) -> onnx.ModelProto:
        model = parser.parse_model(f"{HEAD} {text}")
        tensors = [
            numpy_helper.from_array(np.asarray(value), name)
            for name, value in constants.items()
        ]
        own = inner.split()
        model.graph.initializer.extend(one for one in tensors if one.name not in own)
        for attribute in (one for node in model.graph.node for one in node.attribute):
            if attribute.HasField("g"):
                attribute.g.initializer.extend(one for one in tensors if one.name in own)
        return model

    return build


@pytest.fixture
def told(saved: Save) -> Callable[[onnx.ModelProto, onnx.ModelProto], Report]:
    """The report on a source and a target, by all rules."""

    def run(source: onnx.ModelProto, target: onnx.ModelProto) -> Report:
        paths = saved(source, "source"), saved(target, "target")
        return analyse(*paths, options=Options(samples=6), rules=ours).report

    return run


@pytest.fixture
def w(rng: np.random.Generator) -> Array:
    """A weight of eight by eight that neither shrinks nor grows what it is applied to."""
    return (rng.normal(size=(8, 8)) / 3.0).astype(np.float32)


@pytest.fixture
def b(rng: np.random.Generator) -> Array:
    """A bias of eight."""
    return rng.normal(size=8).astype(np.float32)


@pytest.fixture
def flipped(w: Array) -> Array:
    """The weight with one of its channels' sign wrong."""
    wrong = w.copy()
    wrong[:, 2] *= -1
    return wrong
