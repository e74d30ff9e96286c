"""The floor is what rounding does, and grows where rounding hurts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from analyzer.runtime.noise import PERIOD, noise_floor, perturbed

Build = Callable[..., onnx.ModelProto]
HERE = Path()
SINGLE = 2.0**-23
ROW = np.linspace(1.0, 2.0, 64, dtype=np.float32)


def test_moving_values_about_costs_one_rounding(build: Build) -> None:
    """A transpose passes the perturbation of its input on, and adds nothing."""
    model = build([helper.make_node("Transpose", ["x"], ["y"])])
    floor = noise_floor(model, HERE, [{"x": ROW.reshape(8, 8)}], ["y"])

    assert floor["y"] == pytest.approx(SINGLE, rel=0.01)


def test_cancellation_raises_the_floor(build: Build) -> None:
    """The difference of nearly equal numbers is mostly rounding."""
    nodes = [
        helper.make_node("Mul", ["x", "one"], ["a"]),
        helper.make_node("Sub", ["a", "near"], ["y"]),
    ]
    model = build(nodes, one=np.float32(1.0), near=ROW - np.float32(1e-4))

    assert noise_floor(model, HERE, [{"x": ROW}], ["y"])["y"] > 100 * SINGLE


def test_region_begins_at_the_tensors_of_the_sample(chain: onnx.ModelProto) -> None:
    """A floor is that of the part between cut and output."""
    floor = noise_floor(chain, HERE, [{"b": np.float32([1e6])}], ["y"])

    assert 0.0 < floor["y"] < 4 * SINGLE


def test_half_precision_has_its_own_unit() -> None:
    """The step follows the tensor's dtype."""
    rng = np.random.default_rng(0)
    half = perturbed(np.ones(100, np.float16), None, rng)

    assert half.dtype == np.float16
    assert set(half.tolist()) == {1 - 2.0**-10, 1 + 2.0**-10}


def test_unit_can_be_coarser_than_the_dtype(build: Build) -> None:
    """Weights that were once float16 move by float16's step."""
    model = build([helper.make_node("Relu", ["x"], ["y"])])
    floor = noise_floor(model, HERE, [{"x": ROW}], ["y"], unit=2.0**-10)

    assert floor["y"] == pytest.approx(2.0**-10, rel=0.01)


def test_integers_do_not_move() -> None:
    """Indices and shapes are exact."""
    indices = np.arange(5)

    assert perturbed(indices, None, np.random.default_rng(0)) is indices


def test_signs_repeat_along_a_large_tensor() -> None:
    """A tensor longer than the pattern is perturbed to its end."""
    moved = perturbed(np.ones(PERIOD * 2 + 1, np.float32), None, np.random.default_rng(0))

    assert (moved != 1.0).all()


def test_same_seed_gives_the_same_floor(chain: onnx.ModelProto) -> None:
    """A run can be repeated to the last bit."""
    samples = [{"x": ROW}]

    assert noise_floor(chain, HERE, samples, ["y"], seed=3) == noise_floor(
        chain, HERE, samples, ["y"], seed=3
    )


def test_settings_are_exact(build: Build) -> None:
    """A Resize's scales are no weights: moved, they would change its output's shape."""
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest")
    model = build([node], scales=np.float32([1, 1, 2, 2]))
    floor = noise_floor(model, HERE, [{"x": ROW.reshape(1, 1, 8, 8)}], ["y"])

    assert floor["y"] == pytest.approx(SINGLE, rel=0.01)


def test_region_that_does_not_run_has_no_floor(build: Build) -> None:
    """Nothing is measured, and nothing is made up."""
    model = build([helper.make_node("Unheard", ["x"], ["y"])])

    assert noise_floor(model, HERE, [{"x": ROW}], ["y"]) == {}
    assert noise_floor(model, HERE, [], ["y"]) == {}
