"""Keras models become pivots that compute the same and know their layers."""

import re
from collections.abc import Callable

import numpy as np
import onnx
import pytest

from analyzer.core.errors import LoadError
from analyzer.core.report import Verdict
from analyzer.core.types import Feeds, Pivot
from analyzer.diff import analyse_pivots
from analyzer.runtime.session import open_session

Load = Callable[..., Pivot]
Draw = Callable[..., Feeds]
ROUNDING = 1e-5
"""Float32 sums of a few hundred products, in another order."""


@pytest.mark.parametrize("name", ["network.keras", "network.h5"])
@pytest.mark.parametrize("batch", [1, 3])
def test_pivot_computes_what_keras_computes(
    load: Load, draw: Draw, name: str, batch: int
) -> None:
    """Both formats give the native outputs, for any batch."""
    model = load(name)
    feeds = draw(model, batch=batch)

    native = model.run_native(feeds)["scores"]
    assert native.shape == (batch, 3)
    np.testing.assert_allclose(
        open_session(model.model, model.folder).run(feeds)["scores"], native, rtol=ROUNDING
    )


def test_inputs_and_outputs_keep_their_keras_names(load: Load) -> None:
    """Users name tensors on the command line as they named them in Keras."""
    model = load("two_ends.keras")

    assert {spec.name for spec in model.inputs} == {"left", "right"}
    assert [spec.name for spec in model.outputs] == ["total", "share"]


def test_sequential_model_gives_its_last_layers_name(load: Load, draw: Draw) -> None:
    """It has no output names of its own."""
    model = load("chain.keras")
    feeds = draw(model)

    (expected,) = model.run_native(feeds).values()
    observed = open_session(model.model, model.folder).run(feeds)["last"]
    np.testing.assert_allclose(observed, expected, rtol=ROUNDING, atol=ROUNDING)


def test_inputs_by_name_reach_the_right_end(load: Load, draw: Draw) -> None:
    """A dictionary of inputs is not mixed up on its way to the framework."""
    model = load("two_ends.keras")
    feeds = draw(model)

    pivot = open_session(model.model, model.folder).run(feeds)
    for name, value in model.run_native(feeds).items():
        np.testing.assert_allclose(pivot[name], value, rtol=ROUNDING)


def test_batch_norm_stays_an_operator_with_the_users_values(load: Load) -> None:
    """Neither tf2onnx nor TensorFlow folds the variables away."""
    model = load("network.keras").model

    (norm,) = (node for node in model.graph.node if node.op_type == "BatchNormalization")
    epsilon = next(item.f for item in norm.attribute if item.name == "epsilon")
    assert epsilon == pytest.approx(1e-3)


def test_every_operator_knows_its_layer(load: Load) -> None:
    """Layers go by the user's names, whatever suffix the trace gave them."""
    model = load("network.keras")

    found = {_op(node): _layer(model, node) for node in model.model.graph.node}
    assert found["Conv stem"] == "stem"
    assert found["Conv depth_1"] == "depth_1"
    assert {"norm", "clip", "gelu", "pool", "scores"} <= set(found.values())


def _layer(model: Pivot, node: onnx.NodeProto) -> str | None:
    layer = model.layers.get(node.output[0])
    return layer.name if layer else None


def _op(node: onnx.NodeProto) -> str:
    named = [part for part in ("stem", "depth_1") if part in node.name]
    return " ".join([node.op_type, *named])


def test_layer_within_a_model_within_goes_by_its_path(load: Load) -> None:
    """A nested layer is found again by the path from the outermost model."""
    model = load("two_ends.keras")

    found = {layer.name for layer in model.layers.values()}
    assert found >= {"inner/deep", "shared", "both"}


def test_operation_unknown_to_the_converter_is_named(load: Load) -> None:
    """The pivot that tf2onnx writes all the same does not load: the blame goes there."""
    refusal = load("unsupported.keras").refusal

    assert refusal is not None
    assert re.match(
        "tf2onnx made a pivot that does not load at operator .*/Erfinv", refusal.problem
    )


def test_model_without_a_pivot_is_compared_natively(load: Load) -> None:
    """Nothing can be located, which is inconclusive; its outputs are compared anyhow."""
    model = load("unsupported.keras")

    report = analyse_pivots(model, model).report
    assert report.verdict is Verdict.INCONCLUSIVE
    assert [pair.within for pair in report.outputs] == [True]
    assert "Erfinv" in report.coverage.not_compared[0].why


def test_lambda_layer_runs_only_when_trusted(load: Load, draw: Draw) -> None:
    """A Lambda layer is Python bytecode from the file."""
    with pytest.raises(LoadError, match=r"with_code\.keras"):
        load("with_code.keras")
    model = load("with_code.keras", trust_code=True)
    feeds = draw(model)

    np.testing.assert_allclose(model.run_native(feeds)["twice"], 2 * feeds["value"])
