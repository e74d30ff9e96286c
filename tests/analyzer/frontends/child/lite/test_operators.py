"""Every family of operators computes what the interpreter computes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer.core.types import Feeds, Pivot

ROUNDING = 3e-6
"""Sums of some dozen terms, in another order."""

FAMILIES = (
    *("activations", "arithmetic", "branches", "enlarged", "free", "groups", "images"),
    *("joins", "lookups", "products", "reductions", "resized", "slices", "unary"),
    *("volumes", "whole", "windows"),
)

Import = Callable[[Path], Pivot]
Run = Callable[[Pivot], tuple[Feeds, Feeds]]


@pytest.mark.parametrize("family", FAMILIES)
def test_family_computes_what_the_interpreter_computes(
    converted: Path, ours: Import, outputs: Run, family: str
) -> None:
    """Each output has the native dtype, shape and numbers."""
    native, drawn = outputs(ours(converted / f"{family}.tflite"))

    assert set(native) == set(drawn)
    for name, expected in native.items():
        assert (drawn[name].dtype, drawn[name].shape) == (expected.dtype, expected.shape)
        size = np.abs(expected).max(initial=1)
        np.testing.assert_allclose(drawn[name], expected, atol=ROUNDING * size)
