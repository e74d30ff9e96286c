"""Dumps that do not fit are made in groups, and hold the same values."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest

from analyzer.runtime.dump import dump, instrument
from analyzer.runtime.session import Session
from analyzer.runtime.spill import NO_BOUND, Room, Spilled, open_dumping, put_away, room_for

HERE = Path()
FEEDS = {"x": np.float32([-1.0, 2.0])}


def test_tensors_that_fit_together_are_a_group() -> None:
    """One that is larger than the room is a group of its own."""
    room = Room(8, {"a": 4, "b": 4, "c": 9, "d": 4})

    assert room.groups("abcd") == (("a", "b"), ("c",), ("d",))


def test_tensor_of_unknown_size_counts_as_the_largest() -> None:
    """What shape inference leaves open is no reason to take no care."""
    assert Room(8, {"a": 8}).groups("ab") == (("a",), ("b",))


def test_without_a_bound_everything_is_dumped_at_once(chain: onnx.ModelProto) -> None:
    """The usual run opens one session."""
    assert room_for(chain, FEEDS, 0) is NO_BOUND
    assert isinstance(open_dumping(instrument(chain), HERE, NO_BOUND), Session)


def test_spilled_dump_holds_what_a_dump_holds(chain: onnx.ModelProto) -> None:
    """Room for one tensor of eight bytes: three tensors take three runs."""
    room = room_for(chain, FEEDS, 4 * 8)
    spilled = open_dumping(instrument(chain), HERE, room)
    whole = open_dumping(instrument(chain), HERE, NO_BOUND)

    assert isinstance(spilled, Spilled)
    assert spilled.groups == 3
    ours, theirs = dump(spilled, FEEDS), dump(whole, FEEDS)
    assert {name: one.tolist() for name, one in ours.items()} == {
        name: one.tolist() for name, one in theirs.items()
    }


def test_spilled_dump_leaves_no_file(
    chain: onnx.ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file has no name even while its values are in use."""
    monkeypatch.setattr("tempfile.tempdir", os.fspath(tmp_path))
    spilled = open_dumping(instrument(chain), HERE, room_for(chain, FEEDS, 4 * 8))

    values = dump(spilled, FEEDS)

    assert values["y"].tolist() == [1.0, 5.0]
    assert list(tmp_path.iterdir()) == []


def test_values_put_away_are_the_same_and_lie_in_a_file() -> None:
    """Numbers are mapped; what is mapped already is not written again."""
    values = {"a": np.arange(6.0).reshape(2, 3).T, "b": np.int8([1]), "c": np.zeros(0)}
    first = put_away(values)
    second = put_away(first)

    assert all(np.array_equal(first[name], one) for name, one in values.items())
    assert not first["a"].flags.writeable
    assert second["a"] is first["a"]


def test_values_stay_where_they_are_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is no reason to stop."""

    def full(**_: object) -> None:
        raise OSError

    monkeypatch.setattr("analyzer.runtime.spill.TemporaryFile", full)
    values = {"a": np.arange(6.0)}

    assert put_away(values)["a"] is values["a"]
