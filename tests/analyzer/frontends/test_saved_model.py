"""SavedModels become pivots that compute the same, under the names of their signature."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer import pivot
from analyzer.core.errors import LoadError, PivotfixError
from analyzer.core.types import Feeds, Pivot
from analyzer.frontends.hints import Hints
from analyzer.runtime.session import open_session

Load = Callable[..., Pivot]
Draw = Callable[..., Feeds]
ROUNDING = 1e-5
"""Float32 sums of a few hundred products, in another order."""


def deviation(model: Pivot, feeds: Feeds) -> float:
    """Return the largest difference of a pivot from its native runtime on one sample."""
    observed, expected = (
        open_session(model.model, model.folder).run(feeds),
        model.run_native(feeds),
    )
    return max(
        float(np.abs(observed[name] - value).max()) for name, value in expected.items()
    )


@pytest.mark.parametrize(
    "name",
    ["network_saved", "two_ends_saved", "chain_saved", "signed_saved", "capturing_saved"],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_pivot_computes_what_tensorflow_computes(
    load: Load, draw: Draw, name: str, batch: int
) -> None:
    """Convolutions, two ends, a recurrence, TensorFlow 1, a captured tensor: any batch."""
    model = load(name)
    feeds = draw(model, batch=batch)

    assert {len(value) for value in model.run_native(feeds).values()} == {batch}
    assert deviation(model, feeds) <= ROUNDING


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("two_ends_saved", {"left", "right"}, ["output_0", "output_1"]),
        ("signed_saved", {"x"}, ["scores"]),
    ],
)
def test_inputs_and_outputs_are_called_as_in_the_signature(
    load: Load, name: str, inputs: set[str], outputs: list[str]
) -> None:
    """The tensors' own names are TensorFlow's, and nobody knows them."""
    model = load(name)

    assert {spec.name for spec in model.inputs} == inputs
    assert [spec.name for spec in model.outputs] == outputs


def test_every_variable_stands_in_the_pivot(load: Load) -> None:
    """No batch norm is folded: each variable is there by value, but for its axes' order."""
    model, keras = load("network_saved"), load("network.keras")

    assert stored(model) == stored(keras)
    assert {node.op_type for node in model.model.graph.node} >= {"BatchNormalization"}


def stored(model: Pivot) -> set[tuple[float, ...]]:
    """Return the sorted values of every parameter of a pivot, names and axes apart."""
    return {
        tuple(np.sort(np.frombuffer(tensor.raw_data, np.float32)))
        for tensor in model.model.graph.initializer
        if tensor.data_type == 1 and len(tensor.raw_data) > 4  # no scalars
    }


def test_every_operator_knows_its_layer(load: Load) -> None:
    """The scopes of the call, of the model and of the trace are no part of the name."""
    model = load("network_saved")

    found = {layer.name for layer in model.layers.values()}
    assert found == {"stem", "norm", "clip", "depth_1", "gelu", "pool", "scores"}


def test_parameters_are_called_after_their_variables(load: Load) -> None:
    """What TensorFlow calls ``unknown_3`` in the graph is a variable with a name."""
    names = {tensor.name for tensor in load("network_saved").model.graph.initializer}

    assert {"norm/gamma:0", "norm/moving_mean:0"} <= names


def test_layer_within_a_model_within_goes_by_its_path(load: Load) -> None:
    """A nested layer is found again by the path from the outermost model."""
    found = {layer.name for layer in load("two_ends_saved").layers.values()}

    assert found >= {"inner/deep", "shared", "both"}


@pytest.mark.parametrize(
    ("name", "hints", "words", "hint"),
    [
        (
            "signatures_saved",
            Hints(),
            "has 2 signatures, embed, score, and none is called serving_default",
            "choose one: --signature embed",
        ),
        (
            "signatures_saved",
            Hints(signature="rank"),
            "has no signature rank, only embed, score",
            "name one of them: --signature embed",
        ),
        ("unsigned_saved", Hints(), "has no signature", "save it with signatures"),
    ],
)
def test_signature_that_cannot_be_chosen_is_asked_for(
    load: Load, name: str, hints: Hints, words: str, hint: str
) -> None:
    """Nothing is guessed where two are as good as each other, or none is there."""
    with pytest.raises(PivotfixError, match=words) as refusal:
        load(name, hints=hints)

    assert refusal.value.hint.startswith(hint)


@pytest.mark.parametrize(("name", "operator"), [("score", "Add"), ("embed", "Mul")])
def test_signature_is_the_one_that_the_user_chooses(
    load: Load, draw: Draw, name: str, operator: str
) -> None:
    """What is imported is what runs, and the other one is told."""
    model = load("signatures_saved", hints=Hints(signature=name))

    assert operator in {node.op_type for node in model.model.graph.node}
    assert deviation(model, draw(model)) <= ROUNDING
    assert f"{name} is compared, not" in model.notes[0]


def test_signature_that_is_left_out_is_told(load: Load) -> None:
    """Keras writes two; the user hears which one is compared."""
    (note,) = load("network_saved").notes

    assert note == "Of its signatures, serving_default is compared, not serve."


@pytest.mark.parametrize(
    ("holds", "words"),
    [
        ("notes.txt", "a folder without saved_model.pb"),
        ("saved_model.pbtxt", "holds its graph as saved_model.pbtxt"),
        ("saved_model.cpb", "holds its graph as saved_model.cpb"),
    ],
)
def test_folder_without_a_graph_is_refused(tmp_path: Path, holds: str, words: str) -> None:
    """Each is one message, before TensorFlow starts."""
    (tmp_path / holds).write_text("nothing")

    with pytest.raises(LoadError, match=words):
        pivot.load(str(tmp_path), trust_code=False)


def test_missing_variables_are_one_message(
    models: Path, tmp_path: Path, load: Load
) -> None:
    """A folder that was copied without its variables is said to be unreadable."""
    copy = tmp_path / "copy"
    shutil.copytree(models / "network_saved", copy)
    shutil.rmtree(copy / "variables")

    with pytest.raises(LoadError, match="cannot be read by its own framework") as refusal:
        load(str(copy))
    assert "Traceback" not in refusal.value.problem


def test_digest_tells_one_folder_from_another(load: Load) -> None:
    """All files of the folder count: two models may have one graph."""
    assert load("network_saved").sha256 != load("two_ends_saved").sha256
