"""A part of a model as IREE computes it."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from analyzer.compiled import compiled_values, is_installed

Net = Callable[..., onnx.ModelProto]


@pytest.mark.skipif(not is_installed(), reason="needs the extra mlir")
def test_part_is_compiled_and_run(net: Net) -> None:
    """Zeros around negative values stay zeros."""
    part = net(
        "(float[1,1,2,2] x) => (y) { p = Pad(x, w) y = MaxPool<kernel_shape=[2,2]>(p) }",
        w=np.int64([0, 0, 1, 1, 0, 0, 0, 0]),
    )
    found = compiled_values(part, {"x": np.float32([[[[-1, -2], [-3, -4]]]])})

    assert found is not None
    assert found["y"].tolist() == [[[[0, 0], [0, -1]]]]


@pytest.mark.skipif(not is_installed(), reason="needs the extra mlir")
def test_operator_that_is_not_lowered_has_no_vote(net: Net) -> None:
    """A vendor's operator is nobody else's."""
    part = net("(float[2] x) => (y) { y = Relu(x) }")
    part.graph.node[0].op_type = "Unheard"

    assert compiled_values(part, {"x": np.float32([1, 2])}) is None


def test_without_the_extra_there_is_no_vote(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is compiled, and nothing is missed."""
    monkeypatch.setattr("analyzer.compiled.is_installed", lambda: False)
    part = net("(float[2] x) => (y) { y = Relu(x) }")

    assert compiled_values(part, {"x": np.float32([1, 2])}) is None
