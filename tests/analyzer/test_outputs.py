"""The verdict's evidence: what both native runtimes give."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from analyzer.core.errors import RunError
from analyzer.core.options import Options
from analyzer.core.report import OutputPair
from analyzer.core.types import Feeds, Pivot
from analyzer.judge import NEGLIGIBLE
from analyzer.matching.ends import input_pairs
from analyzer.outputs import NativeRuns, completed, native_runs, output_floors, output_pairs

Make = Callable[..., Pivot]
ROW: Feeds = {"x": np.float32([[1.0, 2.0, 4.0]])}
TEXT = "(float[1,3] x) => (y) {{ {} }}"


def compared(source: Pivot, target: Pivot, **tolerances: Mapping[str, float]) -> OutputPair:
    """Return the only output of two models, compared on one sample."""
    inputs = input_pairs(source, target)
    runs = native_runs(source, target, [ROW], inputs)
    (pair,) = output_pairs(source, target, runs, {}, Options(**tolerances), inputs)
    return pair


def test_equal_outputs_are_within(pivot: Make) -> None:
    """No deviation at all."""
    model = pivot(TEXT.format("y = Relu(x)"))

    assert compared(model, model) == OutputPair(
        "y", "y", None, 0.0, 0.0, NEGLIGIBLE, within=True, label_disagreement=0.0
    )


def test_deviation_is_measured_in_both_units(pivot: Make) -> None:
    """Absolute in the output's unit, relative to its largest value."""
    pair = compared(
        pivot(TEXT.format("y = Relu(x)"), "one"),
        pivot(TEXT.format("y = Add(x, one)"), "two", one=np.float32(1)),
    )

    assert (pair.max_abs_error, pair.relative_error, pair.within) == (1.0, 0.25, False)


def test_output_follows_the_layout_of_the_input(pivot: Make) -> None:
    """A target that takes other axes may give other axes."""
    pair = compared(
        pivot(TEXT.format("y = Neg(x)"), "one"),
        pivot("(float[3,1] x) => (y) { y = Neg(x) }", "two"),
    )

    assert pair.permutation == (1, 0)
    assert pair.within


def test_output_in_another_layout_than_the_input_is_wrong(pivot: Make) -> None:
    """Whoever reads it was not told of another order of its axes."""
    square = "(float[1,3] x) => (y) {{ a = MatMul(c, x) {} }}"
    column = {"c": np.float32([[1.0], [2.0], [5.0]])}
    pair = compared(
        pivot(square.format("y = Neg(a)"), "one", **column),
        pivot(square.format("b = Neg(a) y = Transpose<perm=[1,0]>(b)"), "two", **column),
    )

    assert pair.permutation is None
    assert not pair.within


@pytest.mark.parametrize(
    ("tolerances", "within"),
    [
        ({"atol": {"": 1.5}}, True),
        ({"atol": {"y": 0.5}}, False),
        ({"rtol": {"y": 1.0}}, True),
        ({"rtol": {"": 1.0, "y": 0.1}}, False),
        ({"rtol": {"other": 1.0}}, False),
    ],
)
def test_tolerance_of_the_user_replaces_the_floor(
    pivot: Make,
    tolerances: dict[str, Mapping[str, float]],
    within: bool,  # noqa: FBT001 - the expected answer
) -> None:
    """For the output it names, or for all."""
    pair = compared(
        pivot(TEXT.format("y = Relu(x)"), "one"),
        pivot(TEXT.format("y = Add(x, one)"), "two", one=np.float32(1)),
        **tolerances,
    )

    assert pair.within is within


def test_other_winner_is_a_label_disagreement(pivot: Make) -> None:
    """The arg-max moved on the only sample."""
    pair = compared(
        pivot(TEXT.format("y = Relu(x)"), "one"),
        pivot(TEXT.format("y = Neg(x)"), "two"),
    )

    assert pair.label_disagreement == 1.0


def test_target_that_refuses_gives_no_outputs(pivot: Make) -> None:
    """Its refusal is kept; the source's outputs are there."""
    source = pivot(TEXT.format("y = Relu(x)"))

    def refuse(feeds: Feeds) -> Feeds:
        raise RunError(f"it takes no {len(feeds)} inputs", hint="give it another")

    target = replace(source, run_native=refuse)
    runs = native_runs(source, target, [ROW], input_pairs(source, target))

    assert runs.target == ()
    assert "takes no 1 inputs" in str(runs.refusal)
    assert output_pairs(source, target, runs, {}, Options()) == ()
    assert np.array_equal(runs.source[0]["y"], ROW["x"])


def test_floor_is_that_of_the_noisier_model(pivot: Make) -> None:
    """Rounding of either side may show in the outputs."""
    quiet = pivot(TEXT.format("y = Neg(x)"), "one")
    near = ROW["x"] - np.float32(1e-3)
    loud = pivot(TEXT.format("a = Neg(x) y = Add(a, near)"), "two", near=near)
    floors = output_floors(quiet, loud, [ROW], [ROW], seed=0)

    assert output_floors(quiet, quiet, [ROW], [ROW], seed=0)["y"] < 1e-5
    assert floors["y"] > 1e-4


def test_measured_floor_admits_rounding(pivot: Make) -> None:
    """A deviation below the floor of its output is within."""
    model = pivot(TEXT.format("y = Relu(x)"))
    moved: Feeds = {"y": ROW["x"] * np.float32(1.001)}
    runs = NativeRuns(({"y": ROW["x"]},), (moved,), None)
    (narrow,) = output_pairs(model, model, runs, {}, Options())
    (wide,) = output_pairs(model, model, runs, {"y": 0.01}, Options())

    assert (narrow.within, wide.within) == (False, True)


def test_heavy_model_is_run_natively_once(pivot: Make) -> None:
    """What a file of its own format gives is seen again when its tensors are dumped."""
    weight = np.ones(1 << 18, np.float32)
    text = "(float[N] x) => (y, z) { y = Neg(x) z = ReduceSum<keepdims=0>(w) }"
    heavy, light = pivot(text, "heavy", w=weight), pivot(text, "light", w=weight[:4])
    rows = [{"x": np.float32([place])} for place in range(3)]
    inputs = input_pairs(heavy, heavy)
    runs = native_runs(heavy, heavy, rows, inputs)
    again = completed(runs, ([{"y": row["x"], "z": row["x"]} for row in rows],) * 2, None)

    assert len(runs.source) == len(runs.target) == 1
    assert [sample["y"] for sample in again.target] == [-0.0, 1.0, 2.0]
    assert len(native_runs(light, light, rows, inputs).target) == len(rows)


@pytest.mark.parametrize("framework", ["keras", "tflite", "torch"])
def test_other_runtimes_are_asked_every_time(pivot: Make, framework: str) -> None:
    """The pivot of another framework's model is not that model."""
    model = pivot("(float[N] x) => (y) { y = Mul(x, w) }", w=np.ones(1 << 19, np.float32))
    native = replace(model, framework=framework)
    rows = [{"x": np.float32([place])} for place in range(3)]
    runs = native_runs(native, native, rows, input_pairs(native, native))

    assert len(runs.source) == len(runs.target) == len(rows)


def test_strings_are_taken_from_every_native_run(pivot: Make) -> None:
    """No dump shows them."""
    text = "(float[N] x) => (y) { a = Add(x, w) y = Cast<to=8>(a) }"
    model = pivot(text, w=np.ones(1 << 18, np.float32))
    rows = [{"x": np.float32([place])} for place in range(2)]
    runs = native_runs(model, model, rows, input_pairs(model, model))

    assert len(runs.source) == len(rows)
