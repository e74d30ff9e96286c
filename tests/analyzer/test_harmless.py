"""Differences that change nothing are told where they are asked for."""

from collections.abc import Callable
from dataclasses import replace

from analyzer.core.report import InputPair
from analyzer.core.types import Pivot, Status, TensorSpec
from analyzer.harmless import fixed_sizes

Make = Callable[..., Pivot]


def test_a_size_that_only_the_target_fixes_is_told(pivot: Make) -> None:
    """The batch is open in the source and one in the target, which still computes right."""
    plain = pivot("(float[2] x) => (y) { y = Relu(x) }")
    free = replace(plain, inputs=(TensorSpec("x", "float32", ("N", 3)),))
    fixed = replace(plain, inputs=(TensorSpec("x", "float32", (1, 3)),))
    inputs = (InputPair("x", "x", None, "name"),)

    (found,) = fixed_sizes(free, fixed, inputs)
    assert found.status is Status.HARMLESS
    assert "takes 1 along axis 0" in found.message
    assert list(fixed_sizes(fixed, free, inputs)) == []
