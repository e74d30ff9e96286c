"""The user's own layer is named also for the nodes an importer added."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from analyzer.core.types import NativeLayer, Pivot
from analyzer.view import View
from analyzer.view.provenance import layer_of, nearest_layer

TEXT = "(float[4] x) => (y) { a = Relu(x) b = Neg(a) y = Exp(b) }"
LAYER = NativeLayer("features.0", "model.py:12")


@pytest.fixture
def named(pivot: Callable[..., Pivot]) -> Pivot:
    """A pivot in which only the rectifier's layer is known."""
    return replace(pivot(TEXT), layers={"a": LAYER})


def test_layer_of_a_tensor_is_known_by_its_name(named: Pivot) -> None:
    """The first tensor that has a layer tells it."""
    assert layer_of(("y", "a"), named) == LAYER
    assert layer_of(("y",), named) is None


def test_unnamed_node_serves_the_layer_it_follows(
    named: Pivot, view: Callable[..., View]
) -> None:
    """Two nodes behind the last named layer still have it."""
    look = view(TEXT)

    assert nearest_layer(look.giver["y"], named, look.giver) == LAYER


def test_node_before_every_layer_has_none(named: Pivot, view: Callable[..., View]) -> None:
    """Nothing is made up."""
    look = view(TEXT)

    assert nearest_layer(look.giver["a"], replace(named, layers={}), look.giver) is None
