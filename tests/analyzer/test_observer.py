"""The part of a model that an optimizer changes is found by bisection."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from analyzer.observer import changed_part, first_window

Net = Callable[..., onnx.ModelProto]
DEEP = (
    "(float[1,2,6,6] x) => (y) { r = Relu(x) n = Neg(r) p = Pad(n, pads) s = Sigmoid(n)"
    " m = MaxPool<kernel_shape=[3,3]>(p) c = Tanh(m) d = Exp(m) e = Add(c, d)"
    " g = GlobalAveragePool(s) y = Add(e, g) }"
)


@pytest.mark.parametrize(("first", "end"), [(0, 1), (4, 7), (9, 10), (0, 10)])
def test_shortest_stretch_is_found(first: int, end: int) -> None:
    """A stretch deviates where it holds all of the guilty one."""

    def deviates(start: int, stop: int) -> bool:
        return start <= first and end <= stop

    assert first_window(10, deviates) == (first, end)


def test_first_of_two_is_found() -> None:
    """What comes first is no consequence of what comes later."""

    def deviates(start: int, stop: int) -> bool:
        return start <= 2 < stop or start <= 7 < stop

    assert first_window(10, deviates) == (2, 3)


def test_whole_that_agrees_has_no_part() -> None:
    """Nothing is looked for."""
    assert first_window(10, lambda start, stop: stop < start) is None


def test_wrong_fusion_is_found_among_branches(net: Net, rng: np.random.Generator) -> None:
    """Only the two nodes that are fused are left, whatever lies between them."""
    model = net(DEEP, pads=np.int64([0, 0, 1, 1, 0, 0, 1, 1]))
    feeds = {"x": rng.uniform(1, 2, size=(1, 2, 6, 6)).astype(np.float32)}
    part = changed_part(model, Path(), feeds)

    assert part is not None
    assert [node.op_type for node in part.nodes] == ["Pad", "MaxPool"]
    assert part.tensor == "m"
    assert part.by_reference is not None
    assert part.by_reference[0] < 1e-6 < part.by_reference[1]


def test_model_that_is_not_changed_has_no_part(net: Net) -> None:
    """Fusing without a difference is what an optimizer is for."""
    model = net("(float[4] x) => (y) { a = Mul(x, x) b = Relu(a) y = Add(b, x) }")

    assert changed_part(model, Path(), {"x": np.float32([1, 2, 3, -4])}) is None
