"""The user's own inputs: names, axes, dtypes, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer.core.errors import UsageError
from analyzer.core.types import Pivot, TensorSpec
from analyzer.probes import npz as npz_file
from analyzer.probes.npz import read_npz

Made = Callable[..., Pivot]
Saved = Callable[..., Path]
FIXED = TensorSpec("image", "float32", (1, 2))
OPEN = TensorSpec("image", "float32", ("batch", 2))
ONE = np.ones((1, 2), np.float32)
IDS = TensorSpec("ids", "int64", (1, 3))


def test_one_axis_more_holds_samples(pivot: Made, npz: Saved) -> None:
    """Samples lie along the first axis where an array has one axis more than its input."""
    feeds = read_npz(npz(image=np.ones((5, 1, 2), np.float32)), pivot(FIXED))

    assert [one["image"].shape for one in feeds] == [(1, 2)] * 5


def test_own_rank_with_fixed_batch_is_one_sample(pivot: Made, npz: Saved) -> None:
    """An array of the input's own rank is one sample where the batch size is fixed."""
    feeds = read_npz(npz(image=np.ones((1, 2), np.float32)), pivot(FIXED))

    assert [one["image"].shape for one in feeds] == [(1, 2)]


def test_own_rank_with_open_batch_is_one_sample_per_row(pivot: Made, npz: Saved) -> None:
    """An array of the input's own rank gives one sample per row where the batch is open."""
    feeds = read_npz(npz(image=np.arange(6, dtype=np.float32).reshape(3, 2)), pivot(OPEN))

    assert [one["image"].tolist() for one in feeds] == [[[0, 1]], [[2, 3]], [[4, 5]]]


@pytest.mark.parametrize("names", [("image", "ids"), ("arr_0", "arr_1"), ("in0", "in1")])
def test_arrays_go_by_name_or_by_position(
    pivot: Made, npz: Saved, names: tuple[str, str]
) -> None:
    """An array is named as its input, or numbered as the source's inputs are."""
    arrays = (np.ones((4, 1, 2), np.float32), np.ones((4, 1, 3), np.int64))
    feeds = read_npz(npz(**dict(zip(names, arrays, strict=True))), pivot(FIXED, IDS))

    assert len(feeds) == 4
    assert {name: value.shape for name, value in feeds[0].items()} == {
        "image": (1, 2),
        "ids": (1, 3),
    }


def test_a_lone_array_is_for_the_lone_input(pivot: Made, npz: Saved) -> None:
    """Where there is one input and one array, its name says nothing more."""
    feeds = read_npz(npz(picture=np.ones((1, 2), np.float32)), pivot(FIXED))

    assert [list(one) for one in feeds] == [["image"]]


@pytest.mark.parametrize("image", ["image", "image:0", "serving_default_image"])
def test_what_a_signature_puts_around_a_name_may_be_left_out(
    pivot: Made, npz: Saved, image: str
) -> None:
    """An array is named as the layer, or as the tensor that a signature feeds."""
    signed = TensorSpec("serving_default_image:0", "float32", (1, 2))
    arrays = {"ids": np.ones((1, 3), np.int64), image: np.ones((1, 2), np.float32)}
    feeds = read_npz(npz(**arrays), pivot(signed, IDS))

    assert [sorted(one) for one in feeds] == [["ids", "serving_default_image:0"]]


def test_a_bare_name_of_two_inputs_is_refused(pivot: Made, npz: Saved) -> None:
    """A name that two inputs have but for what a signature puts around it says neither."""
    both = [TensorSpec(f"image:{place}", "float32", (1, 2)) for place in (0, 1)]

    with pytest.raises(UsageError, match="array image that fits no input"):
        read_npz(npz(image=ONE, other=ONE), pivot(*both))


def test_unnamed_arrays_are_taken_in_order(pivot: Made, npz: Saved) -> None:
    """What numpy.savez writes without names goes by position."""
    path = npz(np.zeros((1, 2), np.float32), np.ones((1, 3), int))
    feeds = read_npz(path, pivot(FIXED, IDS))

    assert feeds[0]["ids"].tolist() == [[1, 1, 1]]


def test_wider_numbers_are_narrowed_where_nothing_is_lost(pivot: Made, npz: Saved) -> None:
    """A float64 array feeds a float32 input, an int32 array an int64 one."""
    path = npz(image=np.ones((1, 2)), ids=np.ones((1, 3), np.int32))
    feeds = read_npz(path, pivot(FIXED, IDS))

    assert {str(value.dtype) for value in feeds[0].values()} == {"float32", "int64"}


@pytest.mark.parametrize(
    ("arrays", "surprise"),
    [
        ({"image": ONE, "picture": ONE}, "array picture that fits no input"),
        ({"image": ONE, "arr_1": ONE}, "array arr_1 that fits no input"),
        ({}, "no array for input image"),
        ({"image": np.ones((1, 7), np.float32)}, r"\[1, 7\] for input image"),
        ({"image": np.ones((2, 2), np.float32)}, r"\[2, 2\] for input image"),
        ({"image": np.ones((1, 1, 1, 2), np.float32)}, "which declares"),
        ({"image": np.ones((1, 2), np.int64)}, "not all of them are float32"),
        ({"image": np.full((1, 2), 1e300)}, "not all of them are float32"),
        ({"image": np.array([["a", "b"]])}, "not all of them are float32"),
        ({"image": np.ones((0, 1, 2), np.float32)}, "holds no sample"),
        ({"image": np.full((1, 2), np.nan, np.float32)}, "no finite value"),
    ],
)
def test_what_does_not_fit_is_refused(
    pivot: Made, npz: Saved, arrays: dict[str, np.ndarray], surprise: str
) -> None:
    """Wrong names, shapes, dtypes and empty arrays each have their own message."""
    with pytest.raises(UsageError, match=surprise) as refusal:
        read_npz(npz(**arrays), pivot(FIXED))

    assert "inputs.npz" in refusal.value.problem
    assert refusal.value.hint


def test_integers_that_do_not_fit_are_refused(pivot: Made, npz: Saved) -> None:
    """A number beyond the input's dtype is not wrapped around."""
    byte = TensorSpec("byte", "uint8", (1,))

    with pytest.raises(UsageError, match="not all of them are uint8"):
        read_npz(npz(byte=np.array([256])), pivot(byte))


def test_unequal_counts_are_refused(pivot: Made, npz: Saved) -> None:
    """Every input has the same number of samples."""
    path = npz(image=np.ones((3, 1, 2)), ids=np.ones((2, 1, 3), int))

    with pytest.raises(UsageError, match="image 3, ids 2"):
        read_npz(path, pivot(FIXED, IDS))


def test_objects_are_refused_unread(pivot: Made, npz: Saved) -> None:
    """An object array would need pickle, which runs code: it is not read."""
    with pytest.raises(UsageError, match="it holds objects"):
        read_npz(npz(image=np.array([{}], dtype=object)), pivot(FIXED))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut short"])
def test_other_files_are_refused(pivot: Made, tmp_path: Path, content: bytes) -> None:
    """Anything but a readable archive of arrays is named as such."""
    path = tmp_path / "inputs.npz"
    path.write_bytes(content)

    with pytest.raises(UsageError, match="cannot be read"):
        read_npz(path, pivot(FIXED))


def test_every_truncation_is_refused(pivot: Made, npz: Saved) -> None:
    """A file cut anywhere ends in one message, never in a traceback."""
    path = npz(image=np.ones((1, 2), np.float32))
    whole = path.read_bytes()

    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(UsageError):
            read_npz(path, pivot(FIXED))


def test_a_missing_file_is_named(pivot: Made, tmp_path: Path) -> None:
    """A path that leads nowhere is told with the next step."""
    with pytest.raises(UsageError, match="is not a file"):
        read_npz(tmp_path / "absent.npz", pivot(FIXED))


def test_bomb_is_refused_by_its_index(
    pivot: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kilobyte that unpacks to more than there is room for is never unpacked."""
    bomb = tmp_path / "inputs.npz"
    np.savez_compressed(bomb, image=np.zeros((1 << 18, 2), np.float32))
    monkeypatch.setattr(npz_file, "ceiling", lambda: 1_000_000)

    with pytest.raises(
        UsageError, match=r"inputs\.npz unpacks to 2 MB, more than the 1 MB"
    ):
        read_npz(bomb, pivot(OPEN))
