"""Operators respelled for another opset compute what they computed."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from analyzer.core.graph import nodes
from analyzer.core.spelling import spelled
from analyzer.core.types import Array
from analyzer.runtime.session import open_session

IMAGE = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
GRID = np.random.default_rng(2).uniform(-1, 1, size=(2, 3, 3, 2)).astype(np.float32)
ROWS = np.random.default_rng(1).integers(-3, 3, IMAGE.shape)


def model(
    protos: list[onnx.NodeProto], constants: dict[str, Array], opset: int
) -> onnx.ModelProto:
    """Return a model from ``x``, of the shape of `IMAGE`, to ``y``."""
    graph = helper.make_graph(
        protos,
        "spelling",
        [helper.make_tensor_value_info("x", 1, IMAGE.shape)],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=7)


def run(whole: onnx.ModelProto) -> Array:
    """Return what a model makes of `IMAGE`."""
    return open_session(whole, Path()).run({"x": IMAGE})["y"]


@pytest.mark.parametrize(
    ("op", "constants", "attributes", "old", "new"),
    [
        ("Softmax", (), {"axis": 1}, 17, 11),
        ("Softmax", (), {"axis": 1}, 11, 17),
        ("LogSoftmax", (), {"axis": -1}, 13, 9),
        ("ReduceMean", (np.asarray([2, 3]),), {"keepdims": 0}, 18, 13),
        ("ReduceMean", (), {"axes": [1], "keepdims": 1}, 13, 18),
        ("Unsqueeze", (np.asarray([0]),), {}, 13, 11),
        ("Clip", (np.float32(-0.5), np.float32(0.5)), {}, 13, 9),
        ("Clip", (), {"min": -0.5, "max": 0.5}, 9, 13),
        ("Pad", (np.asarray([0, 0, 1, 0, 0, 0, 0, 2]),), {"mode": "edge"}, 13, 9),
        ("Slice", (np.asarray([1]), np.asarray([3]), np.asarray([2])), {}, 13, 9),
        ("Dropout", (), {}, 12, 9),
        ("ScatterElements", (ROWS, IMAGE), {"axis": 1, "reduction": "add"}, 16, 13),
        ("ScatterElements", (ROWS, IMAGE), {"axis": 1, "reduction": "add"}, 18, 11),
        ("GridSample", (GRID,), {"mode": "bicubic"}, 17, 20),
        ("GridSample", (GRID,), {"mode": "cubic"}, 20, 17),
        ("GridSample", (GRID,), {"mode": "linear"}, 20, 16),
    ],
)
def test_another_opset_says_the_same(
    op: str, constants: tuple[Array, ...], attributes: dict[str, object], old: int, new: int
) -> None:
    """The respelled operator gives the very numbers of the first spelling."""
    named = {f"c{place}": np.asarray(value) for place, value in enumerate(constants)}
    proto = helper.make_node(op, ["x", *named], ["y"], **attributes)
    first = model([proto], named, old)
    (node,) = nodes(first, Path())
    spelling = spelled(node, new, rank=IMAGE.ndim)

    assert spelling is not None
    second = model(list(spelling.nodes), dict(spelling.constants), new)
    np.testing.assert_allclose(run(second), run(first), rtol=1e-5)


def test_what_an_opset_cannot_say_is_not_said() -> None:
    """An operator that an opset lacks has no spelling there, nor has an option it lacks."""
    gelu = helper.make_node("Gelu", ["x"], ["y"])
    (node,) = nodes(model([gelu], {}, 20), Path())

    assert spelled(node, 13) is None


def test_a_softmax_of_unknown_rank_has_no_other_spelling() -> None:
    """Where the last axis is not known, none can be put there."""
    softmax = helper.make_node("Softmax", ["x"], ["y"], axis=1)
    (node,) = nodes(model([softmax], {}, 17), Path())

    assert spelled(node, 11) is None
