"""Tiny models, written in ONNX's own textual form, that the tests of the analysis share."""

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from analyzer.core.types import Array, Fault, Feeds, Pivot, Status, TensorPair
from analyzer.isolation import kinds
from analyzer.judge import Judged
from analyzer.localize import faults
from analyzer.matching.operators import operator_pairs
from analyzer.matching.tensors import Link, linked
from analyzer.pivot import load
from analyzer.runtime.dump import dump, instrument
from analyzer.runtime.session import open_session
from analyzer.samples import Probe, local_errors
from analyzer.sides import Side
from analyzer.view import View, view_of

Net = Callable[..., onnx.ModelProto]
EMPTY: Feeds = MappingProxyType({})


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
def bench(side: Callable[..., Side]) -> Callable[..., SimpleNamespace]:
    """Both sides of a pair, what they give for one input ``x``, and how they are paired."""

    def build(
        source: str, target: str, x: Array, ours: Feeds = EMPTY, theirs: Feeds = EMPTY
    ) -> SimpleNamespace:
        left, right = side(source, **ours), side(target, **{**ours, **theirs})
        feeds = {"x": x}
        given, seen = (
            dump(open_session(instrument(one.model), one.folder), feeds)
            for one in (left, right)
        )
        operators = operator_pairs(left.view, right.view, {"x": "x"})
        ends = {"x": Link(TensorPair("x", "x", exact=True), 1.0, ("name",))}
        ends |= {
            name: Link(TensorPair(name, name), 1.0, ("output",))
            for name in left.view.outputs
        }
        return SimpleNamespace(
            source=left,
            target=right,
            feeds=feeds,
            given=given,
            seen=seen,
            operators=operators,
            ends=ends,
            links=linked(left.view, right.view, given, seen, operators, ends),
            known=kinds(seen),
        )

    return build


@pytest.fixture
def located() -> Callable[..., tuple[Fault, ...]]:
    """The faults of a bench under one floor for all regions; the second sample is clean."""

    def find(one: SimpleNamespace, floor: float = 1e-5) -> tuple[Fault, ...]:
        probe = Probe(one.given, one.feeds)
        errors, _, _ = local_errors(one.target, one.links, probe, one.known)
        wrong = [
            Judged(name, error, floor, Status.FAULT)
            for name, error in errors.items()
            if error > floor
        ]
        samples = [errors, {}]
        return faults(one.source, one.target, one.links, wrong, samples, [probe], one.known)

    return find


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
