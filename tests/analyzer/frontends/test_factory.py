"""Modules that the user's code builds become pivots, with the user's leave."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer import pivot
from analyzer.core.errors import LoadError, UsageError
from analyzer.core.types import Feeds, Pivot
from analyzer.frontends.needed import require
from analyzer.runtime.session import open_session

Draw = Callable[..., Feeds]
FILE = Path(__file__).resolve().parent / "factories.py"


@pytest.fixture
def build(warm: object) -> Callable[[str], Pivot]:
    """Load what a factory of the example file builds."""
    assert warm is not None
    return lambda name: pivot.load(f"{FILE}:{name}", trust_code=True)


def test_factory_runs_only_when_trusted() -> None:
    """The message says that it is code, and which flag allows it."""
    with pytest.raises(UsageError, match="is Python code") as refusal:
        pivot.load(f"{FILE}:network", trust_code=False)

    assert "--trust-code" in refusal.value.hint


def test_factory_hears_that_no_framework_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which of the two it uses, only its user knows; both pip lines are there."""
    monkeypatch.setattr("analyzer.frontends.factory.find_spec", lambda _: None)
    with pytest.raises(LoadError, match="needs torch or jax") as refusal:
        pivot.load(f"{FILE}:network", trust_code=True)

    assert "pip install 'pivotfix[torch]' or 'pivotfix[jax]'" in refusal.value.hint


def test_function_of_jax_needs_its_converter_too() -> None:
    """Where JAX is installed and jax2onnx is not, the one extra brings both."""
    with pytest.raises(LoadError, match="needs jax3onnx to be imported") as refusal:
        require("nets.py:net", ("numpy", "jax3onnx"), "jax")

    assert refusal.value.hint == "pip install 'pivotfix[jax]'"


def test_module_is_exported_for_evaluation_with_a_dynamic_batch(
    build: Callable[[str], Pivot], draw: Draw
) -> None:
    """Dropout is off, and any batch gives the native outputs."""
    model = build("network")
    feeds = draw(model, batch=5)

    (expected,) = model.run_native(feeds).values()
    (observed,) = open_session(model.model, model.folder).run(feeds).values()
    np.testing.assert_allclose(observed, expected, rtol=1e-5, atol=1e-6)
    assert {layer.name for layer in model.layers.values()} >= {"first"}
    assert model.framework == "torch"


def test_example_inputs_come_along_alike_in_every_run(
    build: Callable[[str], Pivot],
) -> None:
    """A factory that draws them draws the same ones twice."""
    once, again = build("stubborn").example, build("stubborn").example

    assert list(once) == ["value"]
    assert all(np.array_equal(value, again[name]) for name, value in once.items())


def test_module_that_refuses_other_batches_is_exported_as_it_is(
    build: Callable[[str], Pivot], draw: Draw
) -> None:
    """The pivot has the example's sizes, and a note says why."""
    model = build("stubborn")

    assert model.inputs[0].shape == (1, 2, 2)
    assert "batch size is fixed" in model.notes[0]
    assert model.run_native(draw(model))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a_number", "returns a int, not a module and example inputs"),
        ("fails", "fails with FileNotFoundError: no such checkpoint"),
        ("missing", "has no function missing"),
    ],
)
def test_factory_that_gives_no_module_is_explained(
    build: Callable[[str], Pivot], name: str, words: str
) -> None:
    """Each way to get it wrong has its own sentence."""
    with pytest.raises(LoadError, match=words):
        build(name)
