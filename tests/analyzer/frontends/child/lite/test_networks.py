"""Whole networks in every precision: against the interpreter, and against tf2onnx."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer.core.graph import nodes
from analyzer.core.grids import READER, WRITER
from analyzer.core.types import Array, Feeds, Pivot
from analyzer.runtime.session import open_session

FLOATS = ("float", "half")
INTEGERS = ("int8", "uint8")
NETWORKS = ("images", "attention", "memory")
ROUNDING = 1e-5
STEP = 1
"""The interpreter rounds in integers, the pivot in floats: a half may go either way."""

Import = Callable[[Path], Pivot]
Run = Callable[[Pivot], tuple[Feeds, Feeds]]
Draw = Callable[..., Feeds]


def results(model: Pivot, feeds: Feeds) -> Array:
    """Return a pivot's one output."""
    (found,) = open_session(model.model, model.folder).run(feeds).values()
    return found


@pytest.mark.parametrize("precision", [*FLOATS, "dynamic"])
@pytest.mark.parametrize("network", NETWORKS)
def test_float_network_computes_as_natively(
    converted: Path, ours: Import, outputs: Run, network: str, precision: str
) -> None:
    """Weights of half precision are exact; these are too small to be put on a grid."""
    native, drawn = outputs(ours(converted / f"{network}-{precision}.tflite"))

    for name, expected in native.items():
        np.testing.assert_allclose(drawn[name], expected, atol=ROUNDING)


@pytest.mark.parametrize("precision", INTEGERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_integer_network_stays_within_a_step(
    converted: Path, ours: Import, outputs: Run, network: str, precision: str
) -> None:
    """The pivot takes and gives the integers of the file's own grids."""
    native, drawn = outputs(ours(converted / f"{network}-{precision}.tflite"))

    for name, expected in native.items():
        assert expected.dtype == drawn[name].dtype == np.dtype(precision)
        assert np.max(np.abs(drawn[name].astype(int) - expected)) <= STEP


@pytest.mark.parametrize("precision", [*FLOATS, "dynamic", *INTEGERS])
@pytest.mark.parametrize("network", NETWORKS)
def test_second_opinion_agrees(
    converted: Path, ours: Import, theirs: Import, feeds: Draw, network: str, precision: str
) -> None:
    """tf2onnx makes a pivot that computes the same, of all it can import."""
    file = converted / f"{network}-{precision}.tflite"
    first, second = ours(file), theirs(file)
    (drawn,) = feeds(first).values()
    found = results(first, {first.inputs[0].name: drawn}).astype(np.float64)
    expected = results(second, {second.inputs[0].name: drawn}).astype(np.float64)

    close = STEP if precision in INTEGERS else ROUNDING
    np.testing.assert_allclose(found, expected, atol=close)


def test_second_opinion_has_the_same_grids(
    converted: Path, ours: Import, theirs: Import
) -> None:
    """Both importers put the same scales on the same tensors of the flatbuffer."""
    file = converted / "images-int8.tflite"
    first, second = (
        {
            node.outputs[0]: (node.constants[1].item(), node.constants[2].item())
            for node in nodes(model.model, model.folder)
            if node.op == WRITER
        }
        for model in (ours(file), theirs(file))
    )

    assert first.keys() >= second.keys()
    assert all(first[name] == second[name] for name in second)


def test_weights_of_channels_keep_their_scales(converted: Path, ours: Import) -> None:
    """A kernel of [O, I, H, W] has its scales along axis 0, a weight of [I, O] along 1."""
    model = ours(converted / "images-int8.tflite")
    known = nodes(model.model, model.folder)
    givers = {one.outputs[0]: one for one in known if one.op == READER}
    axes = {
        one.op: givers[one.inputs[1]].attributes["axis"]
        for one in known
        if one.op in {"Conv", "ConvTranspose", "MatMul"}
    }

    assert axes == {"Conv": 0, "ConvTranspose": 1, "MatMul": 1}
