"""Values drawn for tensors inside a model."""

from math import inf
from pathlib import Path

import numpy as np
import pytest
from onnx import parser

from analyzer.probes.inside import draws
from analyzer.probes.intervals import reachable
from analyzer.probes.uses import InputUse, Use
from analyzer.view import View, view_of

HEAD = '<ir_version: 9, opset_import: ["": 18]>'


@pytest.fixture
def look() -> View:
    """A model whose tensors are bounded by what gives them."""
    text = (
        "(float[1,2,4,4] x) => (y) { r = Relu(x) p = GlobalAveragePool(r) n = Neg(p)"
        " s = Sigmoid(n) c = Concat<axis=1>(s, r) q = Mul(x, x) a = Add(q, s)"
        " z = Mul(x, s) d = Sub(s, s) y = Neg(c) }"
    )
    return view_of(parser.parse_model(f"{HEAD} net {text}"), Path())


@pytest.mark.parametrize(
    ("name", "interval"),
    [("x", (-inf, inf)), ("r", (0, inf)), ("p", (0, inf)), ("n", (-inf, 0)),
     ("s", (0, 1)), ("c", (0, inf)), ("q", (0, inf)), ("a", (0, inf)), ("z", (-inf, inf)),
     ("d", (-1, 1))],
)  # fmt: skip
def test_tensor_is_bounded_by_what_gives_it(
    look: View, name: str, interval: tuple[float, float]
) -> None:
    """What is made of tensors with bounds has bounds of its own."""
    assert reachable(look, name) == interval


def test_draws_have_both_signs_zeros_and_go_past_a_bound() -> None:
    """The first has the range seen; the others go past it, and past what they must."""
    seen = {"x": np.float32([[0.5] * 64])}
    first, second, _ = draws(seen, {}, {}, past=6.0)

    assert 0.4 < np.abs(first["x"]).max() < 0.6
    assert second["x"].min() < -6
    assert second["x"].max() > 6
    assert np.count_nonzero(second["x"] == 0)
    assert second["x"].shape == (1, 64)


def test_draws_stay_within_what_can_be() -> None:
    """A probability is never negative, an index always a row, a mask stays a mask."""
    seen = {
        "p": np.float32([0.1] * 64),
        "i": np.int64([3] * 64),
        "m": np.float32([0, -1e9]),
    }
    limits, uses = {"p": (0.0, 1.0)}, {"i": InputUse(Use.INDEX, 10)}
    for drawn in draws(seen, limits, uses, rows=np.array([9, 99])):
        assert drawn["p"].min() >= 0
        assert drawn["p"].max() <= 1
        assert set(drawn["m"]) == {0, np.float32(-1e9)}
        assert drawn["i"].max() == 9
