"""Drawn values: different, asymmetric, and in the range their input is used in."""

from collections.abc import Callable

import numpy as np
import pytest
from onnx import TensorProto, helper

from analyzer.core.errors import UsageError
from analyzer.core.options import Options
from analyzer.core.types import Array, Feeds, Pivot, TensorSpec
from analyzer.probes.synthetic import draw_synthetic

Made = Callable[..., Pivot]
IDS = TensorSpec("ids", "int64", (1, 12))
MASK = TensorSpec("mask", "int64", (1, 12))
TABLE = np.zeros((7, 3), np.float32)


def pooled(feeds: tuple[Feeds, ...], name: str) -> Array:
    """Return every value drawn for an input."""
    return np.concatenate([one[name].reshape(-1) for one in feeds])


def test_samples_are_neither_constant_nor_symmetric(pivot: Made, image: TensorSpec) -> None:
    """A wrong perm or flip cannot hide behind its probe."""
    for one in draw_synthetic(pivot(image), Options(), count=8):
        value = one["image"]
        assert not np.array_equal(value, value.transpose(0, 1, 3, 2))
        assert not np.array_equal(value, value[..., ::-1])


def test_samples_differ_and_fit_the_input(pivot: Made, image: TensorSpec) -> None:
    """Each sample is another, of batch one and the declared dtype."""
    feeds = draw_synthetic(pivot(image), Options(), count=4)

    assert {one["image"].shape for one in feeds} == {(1, 3, 4, 4)}
    assert {one["image"].dtype for one in feeds} == {np.dtype("float32")}
    assert len({one["image"].tobytes() for one in feeds}) == 4


def test_floats_hold_negatives_zeros_duplicates_and_heavy_values(
    pivot: Made, image: TensorSpec
) -> None:
    """Normal values alone would miss faults of sign, rounding and order."""
    values = pooled(draw_synthetic(pivot(image), Options(), count=8), "image")

    assert values.min() < -4
    assert values.max() > 4
    assert (values == 0).any()
    assert len(np.unique(values)) < len(values)


def test_an_index_stays_within_its_table(pivot: Made) -> None:
    """What chooses rows of a table of seven is drawn from zero to six."""
    gather = helper.make_node("Gather", ["table", "ids"], ["rows"])
    source = pivot(IDS, nodes=[gather], constants={"table": TABLE})
    values = pooled(draw_synthetic(source, Options(), count=8), "ids")

    assert set(values) == set(range(7))


def test_an_index_given_as_float_is_whole(pivot: Made) -> None:
    """Keras declares token inputs as float and casts them: they are indices still."""
    ids = TensorSpec("ids", "float32", (1, 12))
    cast = helper.make_node("Cast", ["ids"], ["whole"], to=TensorProto.INT32)
    gather = helper.make_node("Gather", ["table", "whole"], ["rows"])
    source = pivot(ids, nodes=[cast, gather], constants={"table": TABLE})
    values = pooled(draw_synthetic(source, Options(), count=8), "ids")

    assert set(values) <= set(range(7))


def test_a_mask_is_zeros_and_ones(pivot: Made) -> None:
    """What is cast to bool is drawn as zeros and ones, both present in each sample."""
    cast = helper.make_node("Cast", ["mask"], ["kept"], to=TensorProto.BOOL)
    feeds = draw_synthetic(pivot(MASK, nodes=[cast]), Options(), count=4)

    assert all(set(one["mask"].flat) == {0, 1} for one in feeds)


def test_a_divisor_is_never_zero(pivot: Made) -> None:
    """An integer division by zero ends a runtime's process."""
    divide = helper.make_node("Div", ["mask", "ids"], ["quotient"])
    source = pivot(MASK, IDS, nodes=[divide])
    values = pooled(draw_synthetic(source, Options(), count=8), "ids")

    assert 0 not in values
    assert values.min() < 0 < values.max()


def test_unknown_integers_have_both_signs(pivot: Made) -> None:
    """Negative values matter to division, modulo, shifts and clips."""
    values = pooled(draw_synthetic(pivot(IDS), Options(), count=4), "ids")

    assert values.min() < 0 < values.max()


def test_bytes_use_their_whole_range(pivot: Made) -> None:
    """An uint8 input is a picture: 0 to 255."""
    spec = TensorSpec("pixels", "uint8", (1, 64, 64))
    values = pooled(draw_synthetic(pivot(spec), Options(), count=1), "pixels")

    assert (values.min(), values.max()) == (0, 255)


def test_pixels_are_known_by_their_normalisation(pivot: Made, image: TensorSpec) -> None:
    """An input that is divided by 255 first is drawn as pixels."""
    divide = helper.make_node("Div", ["image", "scale"], ["unit"])
    source = pivot(image, nodes=[divide], constants={"scale": np.float32([255])})
    values = pooled(draw_synthetic(source, Options(), count=4), "image")

    assert values.min() >= 0
    assert 200 < values.max() <= 255


def test_booleans_are_both(pivot: Made) -> None:
    """A boolean input sees True and False."""
    spec = TensorSpec("flag", "bool", (1, 5))
    one = draw_synthetic(pivot(spec), Options(), count=1)[0]["flag"]

    assert one.dtype == np.bool_
    assert set(one.flat) == {True, False}


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_the_user_chooses_a_range(pivot: Made, dtype: str) -> None:
    """--val-range bounds what is drawn, in the input's dtype."""
    spec = TensorSpec("x", dtype, (1, 200))
    source = pivot(spec)
    feeds = draw_synthetic(source, Options(val_range={"x": (3.0, 5.0)}), count=2)
    values = pooled(feeds, "x")

    assert 3 <= values.min() < values.max() <= 5
    assert str(values.dtype) == dtype


def test_a_range_without_a_value_is_refused(pivot: Made) -> None:
    """No whole number lies between 0.2 and 0.8."""
    with pytest.raises(UsageError, match="holds no int64 value"):
        draw_synthetic(pivot(IDS), Options(val_range={"ids": (0.2, 0.8)}), count=1)


@pytest.mark.parametrize(
    "options", [Options(val_range={"y": (0, 1)}), Options(input_shapes={"y": (1,)})]
)
def test_an_option_for_no_input_is_refused(pivot: Made, options: Options) -> None:
    """A misspelt input is told, with the inputs there are."""
    with pytest.raises(UsageError, match="names y, which is no input") as refusal:
        draw_synthetic(pivot(IDS), options, count=1)

    assert "ids" in refusal.value.hint


def test_strings_are_not_drawn(pivot: Made) -> None:
    """A text input wants the user's own samples."""
    with pytest.raises(UsageError, match="takes string values") as refusal:
        draw_synthetic(pivot(TensorSpec("text", "string", (1,))), Options(), count=1)

    assert "--inputs" in refusal.value.hint


def test_tame_integers_are_tried_where_the_source_refuses(pivot: Made) -> None:
    """A model that takes zeros and ones alone gets zeros and ones."""
    source = pivot(IDS, refuses=lambda feeds: bool(feeds["ids"].min() < 0))
    values = pooled(draw_synthetic(source, Options(), count=4), "ids")

    assert set(values) == {0, 1}


def test_usual_sizes_are_tried_where_the_source_refuses(pivot: Made) -> None:
    """A model that calls its picture's sides open and takes 224 alone gets 224."""
    spec = TensorSpec("image", "float32", ("N", 3, "H", "W"))
    source = pivot(spec, refuses=lambda feeds: feeds["image"].shape[2:] != (224, 224))
    feeds = draw_synthetic(source, Options(), count=1)

    assert feeds[0]["image"].shape == (1, 3, 224, 224)
