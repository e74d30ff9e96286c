"""A repair is no worse where half precision alone explains what it leaves."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from analyzer.core.options import Options
from analyzer.core.types import Array, Pivot
from analyzer.pivot import load
from rewriter.heldout import HeldOut, half_floors
from rewriter.verify import judgement

PROBES = tuple({"x": np.float32([[1.0, k, -k, 0.5]])} for k in range(4))


@pytest.fixture
def weight() -> Array:
    """A square matrix of float32."""
    return np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)


def product(folder: Path, weight: Array) -> Pivot:
    """Return a product with a weight."""
    text = "<ir_version: 9, opset_import: ['': 17]> g (float[1,4] x) => (float[1,4] y)"
    model = onnx.parser.parse_model(f"{text} {{ y = MatMul(x, w) }}".replace("'", '"'))
    model.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    path = folder / "model.onnx"
    onnx.save(model, path)
    return load(str(path), trust_code=False)


def rounded(weight: Array) -> Array:
    """Return a weight as float16 holds it, in float32."""
    return weight.astype(np.float16).astype(np.float32)


def test_drift_that_grows_within_half_precision_is_no_harm(
    tmp_path: Path, weight: Array
) -> None:
    """What is computed again rounds otherwise; a wrong weight is worse."""
    half, luckier, wrong = rounded(weight), rounded(weight), rounded(weight)
    luckier[0] = weight[0]
    wrong[0] *= 1.05
    source, target, other, bad = (
        product(tmp_path, one) for one in (weight, luckier, half, wrong)
    )
    unseen = judgement(source, PROBES, Options())
    floors = half_floors(source, other, PROBES, 0)
    known = HeldOut((unseen,), (unseen.outputs(target),), floors)

    assert HeldOut((unseen,), known.before, {}).harm(other)
    assert not known.harm(other)
    assert "y is off by" in known.harm(bad)


def test_pairs_of_as_many_bits_have_no_floor_of_half_precision(
    tmp_path: Path, weight: Array
) -> None:
    """Neither two floats nor two halves excuse anything."""
    whole, half = product(tmp_path, weight), product(tmp_path, rounded(weight))

    assert half_floors(whole, whole, PROBES, 0) == {}
    assert half_floors(half, half, PROBES, 0) == {}
