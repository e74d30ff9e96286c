"""Scales and shifts whose operator is not the source's."""

import numpy as np
import pytest
from onnx import helper

from analyzer.core.types import Aspect
from analyzer.differences import compare
from tests.analyzer.differences.build import DENSE, edge, model, one, pair

BIAS = np.random.default_rng(2).normal(size=5).astype(np.float32)


@pytest.mark.parametrize("op", ["Mul", "Div"])
def test_scale_in_the_place_of_a_bias_is_told_with_the_sum_it_should_be(op: str) -> None:
    """The source's Gemm holds the bias itself: the sum is written out for the target."""
    target = model(
        [
            helper.make_node("MatMul", ["x", "w"], ["m"], name="product"),
            helper.make_node(op, ["m", "b"], ["y"], name="scale"),
        ],
        {"w": DENSE, "b": BIAS},
    )
    found = compare(pair(one("Gemm", DENSE, BIAS), target), edge())
    (wrong,) = [each for each in found if each.aspect is Aspect.OPERATOR]

    assert (wrong.source, wrong.target) == ("Add", op)
    assert wrong.source_node is not None
    np.testing.assert_allclose(wrong.source_node.constants[1], BIAS)
