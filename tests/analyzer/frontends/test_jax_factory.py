"""Functions of JAX that the user's code gives become pivots."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from analyzer import pivot
from analyzer.core.errors import LoadError
from analyzer.core.options import Options
from analyzer.core.report import Verdict
from analyzer.core.types import Feeds, Pivot
from analyzer.diff import diff
from analyzer.runtime.session import open_session

Draw = Callable[..., Feeds]
FILE = Path(__file__).resolve().parent / "jax_factories.py"

with_jax = pytest.mark.skipif(find_spec("jax2onnx") is None, reason="needs the extra jax")


@pytest.fixture
def build(warm: object) -> Callable[[str], Pivot]:
    """Load what a factory of the example file builds."""
    assert warm is not None
    return lambda name: pivot.load(f"{FILE}:{name}", trust_code=True)


def scaled(model: onnx.ModelProto, name: str, factor: float) -> onnx.ModelProto:
    """Return a copy in which one channel of an initializer is scaled."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    tensor = next(one for one in copy.graph.initializer if one.name == name)
    value = numpy_helper.to_array(tensor).copy()
    value[..., 0] *= factor
    tensor.CopyFrom(numpy_helper.from_array(value, name))
    return copy


@with_jax
def test_function_is_converted_with_a_dynamic_batch(
    build: Callable[[str], Pivot], draw: Draw
) -> None:
    """Any batch gives what JAX gives, and the input has the argument's name."""
    model = build("with_params")
    feeds = draw(model, batch=5)

    (expected,) = model.run_native(feeds).values()
    (observed,) = open_session(model.model, model.folder).run(feeds).values()
    np.testing.assert_allclose(observed, expected, rtol=1e-4, atol=1e-5)
    assert model.framework == "jax"
    assert [spec.name for spec in model.inputs] == ["image"]
    assert model.example["image"].shape[0] == 2


@with_jax
def test_parameters_go_by_their_paths(build: Callable[[str], Pivot]) -> None:
    """Every one is found, also biases that are all zeros."""
    names = {tensor.name for tensor in build("with_params").model.graph.initializer}

    assert names >= {"stem/kernel", "stem/bias", "head/kernel"}
    assert names >= {f"blocks/{n}/{kind}" for n in (0, 1) for kind in ("kernel", "bias")}


@with_jax
def test_layers_are_those_of_the_parameters(build: Callable[[str], Pivot]) -> None:
    """What reads no parameter goes by the user's function; lines have no folders."""
    layers = build("with_params").layers.values()

    assert {layer.name for layer in layers} == {
        "stem", "blocks/0", "blocks/1", "head", "network", "convolved",
    }  # fmt: skip
    assert {str(layer.location).partition(":")[0] for layer in layers} <= {
        "jax_factories.py", "None",
    }  # fmt: skip


@with_jax
def test_parameters_that_a_function_holds_are_found_too(
    build: Callable[[str], Pivot],
) -> None:
    """They go by the same paths, where their values tell them apart."""
    model = build("closure")

    names = {tensor.name for tensor in model.model.graph.initializer}
    assert names >= {"stem/kernel", "blocks/0/kernel", "blocks/1/kernel", "head/kernel"}
    assert [spec.name for spec in model.inputs] == ["picture"]


@with_jax
def test_module_of_flax_is_its_own_params(build: Callable[[str], Pivot]) -> None:
    """The class that holds each array is no part of its path."""
    names = [tensor.name for tensor in build("module").model.graph.initializer]

    assert "kernel" in names


@with_jax
def test_inputs_without_names_are_counted(build: Callable[[str], Pivot]) -> None:
    """Where the signature names none, the place does."""
    assert [spec.name for spec in build("any_number").inputs] == ["input_0", "input_1"]


@with_jax
def test_pair_is_judged_and_the_guilty_parameter_named(
    build: Callable[[str], Pivot], tmp_path: Path
) -> None:
    """A healthy conversion is equivalent; a scaled kernel is found in its layer."""
    healthy, broken = tmp_path / "healthy.onnx", tmp_path / "broken.onnx"
    onnx.save(build("closure").model, healthy)
    onnx.save(scaled(build("closure").model, "blocks/1/kernel", 1.5), broken)
    options = Options(samples=4, trust_code=True)
    source = f"{FILE}:with_params"
    equal, wrong = (diff(source, str(one), options=options) for one in (healthy, broken))

    assert equal.verdict is Verdict.EQUIVALENT
    assert wrong.verdict is Verdict.DIVERGENT
    assert [finding.rule for finding in wrong.findings] == ["weight-differs"]
    assert wrong.findings[0].native_source == "blocks/1"


@with_jax
def test_function_that_refuses_other_batches_is_converted_as_it_is(
    build: Callable[[str], Pivot], draw: Draw
) -> None:
    """The pivot has the example's sizes, and a note says why."""
    model = build("stubborn")

    assert model.inputs[0].shape == (1, 2, 2)
    assert "batch size is fixed" in model.notes[0]
    assert model.run_native(draw(model))


@with_jax
def test_conversion_leaves_jax_as_it_was(build: Callable[[str], Pivot]) -> None:
    """jax2onnx replaces jnp.cumsum, and what JAX computes is traced anew for a new size."""
    build("with_params")
    model = build("running_sum")

    (sums,) = model.run_native({"value": np.ones((3, 2), np.float32)}).values()
    assert sums.tolist() == [[1, 2], [1, 2], [1, 2]]


@with_jax
def test_form_that_is_wrong_on_the_examples_is_told(build: Callable[[str], Pivot]) -> None:
    """jax2onnx 0.17.1 rounds halves to even whatever it is asked."""
    assert any("not what JAX computes" in note for note in build("halves").notes)


@with_jax
def test_equation_that_is_translated_wrongly_is_named(
    build: Callable[[str], Pivot],
) -> None:
    """It deviates on what JAX gives before it; the function and the line are the user's."""
    model = build("half_steps")
    assert model.remake is not None
    anew = model.remake([{"value": np.linspace(-1, 2, 12, dtype=np.float32).reshape(3, 4)}])

    assert anew is not None
    (wrong,) = anew.wrong
    assert (wrong.operator, wrong.layer.name if wrong.layer else "") == ("round", "rounded")
    assert not wrong.mended


@with_jax
def test_function_that_is_translated_right_is_not_blamed(
    build: Callable[[str], Pivot], draw: Draw
) -> None:
    """No equation of it deviates by more than rounding."""
    model = build("with_params")
    assert model.remake is not None

    assert model.remake([draw(model, batch=2)]) is None


@with_jax
@pytest.mark.parametrize(
    ("name", "words", "hint"),
    [
        ("failing", "fails on its own example inputs", "called as function(value)"),
        ("beyond", "does not run on the function's own", "jax2onnx's, not the function's"),
        ("four_things", "returns 4 things, not a function", "into a tuple"),
    ],
)
def test_factory_that_gives_no_function_is_explained(
    build: Callable[[str], Pivot], name: str, words: str, hint: str
) -> None:
    """Each way to get it wrong has its own sentence, and its own next step."""
    with pytest.raises(LoadError, match=words) as refusal:
        build(name)

    assert hint in refusal.value.hint


@pytest.mark.skipif(find_spec("jax") is not None, reason="JAX is installed")
def test_factory_that_needs_jax_hears_how_to_install_it(
    build: Callable[[str], Pivot],
) -> None:
    """Where JAX is missing its file does not even import; the hint is the pip line."""
    with pytest.raises(LoadError, match="No module named 'jax'") as refusal:
        build("with_params")

    assert refusal.value.hint == "pip install 'pivotfix[jax]'"
