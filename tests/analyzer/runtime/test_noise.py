"""The floor is what rounding does, and grows where rounding hurts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from analyzer.core.errors import RunError
from analyzer.runtime import noise
from analyzer.runtime.noise import noise_floor
from analyzer.runtime.perturbation import PERIOD, gridded, perturbed
from analyzer.runtime.session import Session, open_session

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
    floor = noise_floor(chain, HERE, [{"b": np.float32([1e6 + 0.5])}], ["y"])

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


def test_whole_numbers_stay() -> None:
    """What was counted or compared was not rounded."""
    counts, shares = np.float32([-3, 0, 5]), np.float32([-3, 0, 5.5])
    rng = np.random.default_rng(0)

    assert np.array_equal(perturbed(counts, None, rng), counts)
    assert not np.array_equal(perturbed(shares, None, rng), shares)


@pytest.mark.parametrize(("last", "is_moved"), [("Tanh", True), ("Floor", False)])
def test_whole_inputs_move_where_nothing_decides_by_them(last: str, is_moved: bool) -> None:  # noqa: FBT001 - pytest names it
    """A variance of pixels cancels as one of any numbers does; a floor of them is exact."""
    model = onnx.parser.parse_model(f"""<ir_version: 8, opset_import: ["": 17]>
        net (float[1,64] x) => (float[1,64] y) {{
          m = ReduceMean <axes = [1]> (x)  d = Sub(x, m)  y = {last}(d) }}""")
    pixels = np.arange(1000, 1064, dtype=np.float32).reshape(1, 64)
    floors = noise_floor(model, HERE, [{"x": pixels}], ["y"])

    assert (floors["y"] > 0) == is_moved


def test_signs_repeat_along_a_large_tensor() -> None:
    """A tensor longer than the pattern is perturbed to its end."""
    long = np.full(PERIOD * 2 + 1, 1.5, np.float32)
    moved = perturbed(long, None, np.random.default_rng(0))

    assert (moved != 1.5).all()


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


def test_grid_moves_by_half_a_step_at_most() -> None:
    """Rounding to 255 levels between -1 and 1 errs by half of their distance."""
    moved = gridded(
        np.linspace(-1, 1, 1000, dtype=np.float32), 255, np.random.default_rng(0)
    )
    errors = np.abs(moved - np.linspace(-1, 1, 1000, dtype=np.float32))

    assert errors.max() <= 1 / 255 + 1e-6
    assert errors.mean() == pytest.approx(0.5 / 255, rel=0.1)


def test_grid_includes_zero() -> None:
    """An integer grid can say zero, so values from 9 to 10 share one of ten steps."""
    moved = gridded(
        np.linspace(9, 10, 1000, dtype=np.float32), 10, np.random.default_rng(0)
    )

    assert np.abs(moved - np.linspace(9, 10, 1000)).max() == pytest.approx(0.5, rel=0.1)


def test_grid_leaves_what_does_not_round() -> None:
    """Integers and empty arrays are what they were."""
    rng = np.random.default_rng(0)
    indices, empty = np.arange(3), np.zeros(0, np.float32)

    assert gridded(indices, 255, rng) is indices
    assert gridded(empty, 255, rng) is empty


def test_floor_of_a_quantized_region_is_that_of_its_grid(build: Build) -> None:
    """Sixty-four levels are far coarser than float32."""
    model = build([helper.make_node("Relu", ["x"], ["y"])])
    floor = noise_floor(model, HERE, [{"x": ROW}], ["y"], levels=64)

    assert floor["y"] == pytest.approx(0.5 / 64, rel=0.1)


def test_weight_in_a_constant_node_is_moved_too(build: Build) -> None:
    """Where a weight stands says nothing about its rounding."""
    value = helper.make_tensor("v", onnx.TensorProto.FLOAT, [64], (1e4 * ROW).tolist())
    constant = helper.make_node("Constant", [], ["w"], value=value)
    gap = helper.make_node("Sub", ["w", "near"], ["y"])
    near = (1e4 * ROW).astype(np.float32) - np.float32(1)
    moved = noise_floor(
        build([constant, gap], inputs=["near"]), HERE, [{"near": near}], ["y"]
    )

    assert moved["y"] > 1000 * SINGLE


def test_weight_that_must_be_constant_is_moved_in_copies(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runtime that refuses a weight as input is given models with other weights."""

    def picky(model: onnx.ModelProto, folder: Path) -> Session:
        if len(model.graph.input) > 1:
            raise RunError("w must be constant", hint="make it an initializer")
        return open_session(model, folder)

    model = build([helper.make_node("Sub", ["w", "x"], ["y"])], w=ROW)
    sample = {"x": ROW - np.float32(1e-4)}
    fed = noise_floor(model, HERE, [sample], ["y"])
    monkeypatch.setattr(noise, "open_session", picky)
    copied = noise_floor(model, HERE, [sample], ["y"])

    assert fed["y"] > 1000 * SINGLE
    assert copied["y"] == pytest.approx(fed["y"], rel=0.5)


def test_largest_tables_stay_as_they_are(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An embedding of more elements than are worth moving costs nothing."""
    model = build([helper.make_node("Sub", ["w", "x"], ["y"])], w=np.float32(1e4) * ROW)
    sample = {"x": np.zeros_like(ROW)}
    monkeypatch.setattr(noise, "LARGEST_WEIGHT", ROW.size - 1)

    assert noise_floor(model, HERE, [sample], ["y"]) == {"y": 0.0}


def test_not_a_number_does_not_spoil_the_perturbation() -> None:
    """A mask of minus infinity stays one."""
    array = np.float32([-np.inf, np.nan, 1.0])
    moved = perturbed(array, None, np.random.default_rng(0))

    assert moved[0] == -np.inf
    assert np.isnan(moved[1])
    assert moved[2] != 1.0


def test_the_number_of_masked_places_stays(rng: np.random.Generator) -> None:
    """-1e9 has a rounding error of 64, and stands there exactly; the others move."""
    array = np.array([-1e9, 0.3, -1e9, 1.7], np.float32)
    moved = perturbed(array, None, rng)

    np.testing.assert_array_equal(moved[[0, 2]], array[[0, 2]])
    assert np.all(moved[[1, 3]] != array[[1, 3]])
