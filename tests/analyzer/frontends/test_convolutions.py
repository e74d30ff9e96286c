"""Convolutions of TensorFlow become pivots that compute the same."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer import pivot
from analyzer.core.types import Pivot

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def convolutions(build: Callable[..., Path]) -> Path:
    """A folder of convolutions that Keras itself has saved."""
    return build(HERE / "build_convolutions.py")


def gap_and_floor(model: Pivot) -> tuple[float, float]:
    """Return the fidelity gap of a pivot on one image, and its floor."""
    (spec,) = model.inputs
    assert spec.shape is not None
    shape = [size if isinstance(size, int) else 1 for size in spec.shape]
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    return pivot.fidelity_gap(model, [{spec.name: image}])


def groups(model: Pivot) -> list[int]:
    """Return the groups of every Conv, in order."""
    every = [one.attribute for one in model.model.graph.node if one.op_type == "Conv"]
    return [item.i for each in every for item in each if item.name == "group"]


@pytest.mark.parametrize(
    "name",
    ["grouped.keras", "grouped.h5", "grouped_saved", "grouped.pb", "volumes.keras"],
)
@pytest.mark.usefixtures("warm")
def test_grouped_convolution_is_one_operator(convolutions: Path, name: str) -> None:
    """Keras compiles it as a function of its own; the pivot has a Conv of two groups."""
    model = pivot.load(str(convolutions / name), trust_code=False)

    assert model.refusal is None
    assert groups(model) == [2]
    gap, floor = gap_and_floor(model)
    assert gap <= floor


@pytest.mark.usefixtures("warm")
def test_channels_with_several_results_stay_depthwise(convolutions: Path) -> None:
    """Each of four channels is its own group, of two and of three results."""
    model = pivot.load(str(convolutions / "depthwise.keras"), trust_code=False)

    assert groups(model) == [4, 1, 4]
    gap, floor = gap_and_floor(model)
    assert gap <= floor


@pytest.mark.usefixtures("warm")
def test_padding_layer_leaves_a_convolution_its_own_pads(convolutions: Path) -> None:
    """Of a dilated one, tf2onnx would keep the layer's alone."""
    model = pivot.load(str(convolutions / "padded.keras"), trust_code=False)

    assert "Pad" in {node.op_type for node in model.model.graph.node}
    gap, floor = gap_and_floor(model)
    assert gap <= floor
