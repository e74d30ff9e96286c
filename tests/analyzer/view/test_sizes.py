"""Weights laid out by a size that no sample changes are constants."""

from collections.abc import Callable

import numpy as np
import onnx

from analyzer.view import View
from analyzer.view.sizes import with_fixed_sizes

Net = Callable[..., onnx.ModelProto]
Look = Callable[..., View]

RECURRENT = (
    "(float[n,4] x) => (y) {{ s = Shape<start={axis}>(x) w = Slice(table, zero, s, zero)"
    " y = MatMul(x, w) }}"
)
"""A weight of which as many rows are read as an axis of the input is long."""

TABLE = np.arange(24, dtype=np.float32).reshape(6, 4)
ZERO = np.int64([0])


def test_weight_cut_by_a_fixed_size_is_a_constant(view: Look) -> None:
    """The second axis is four long for every sample."""
    look = view(RECURRENT.format(axis=1), table=TABLE, zero=ZERO)

    assert look.giver["y"].constants[1].tolist() == TABLE[:4].tolist()


def test_weight_cut_by_an_open_size_is_none(view: Look) -> None:
    """The batch is another one with every sample."""
    look = view(RECURRENT.format(axis=0).replace("Shape<start=0>", "Shape<end=1>"),
                table=TABLE, zero=ZERO)  # fmt: skip

    assert 1 not in look.giver["y"].constants


def test_model_without_such_weights_stays_as_it_is(net: Net) -> None:
    """Nothing is copied for shape arithmetic that serves shapes alone."""
    model = net("(float[n,4] x) => (y) { s = Shape(x) y = Reshape(x, s) }")

    assert with_fixed_sizes(model, {"x", "y"}) is model
