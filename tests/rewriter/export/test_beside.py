"""A folder that is written beside its place, then renamed."""

from pathlib import Path

import pytest

from rewriter.export.beside import replacing_folder


def test_folder_is_there_when_all_went_well(tmp_path: Path) -> None:
    """What was there before is gone, and nothing else lies beside it."""
    out = tmp_path / "model"
    (out / "old").mkdir(parents=True)
    with replacing_folder(out) as folder:
        (folder / "new").write_text("new")

    assert [one.name for one in out.iterdir()] == ["new"]
    assert [one.name for one in tmp_path.iterdir()] == ["model"]


def _write_half(out: Path) -> None:
    with replacing_folder(out) as folder:
        (folder / "new").write_text("half")
        raise ValueError("half")


def test_folder_stays_where_writing_fails(tmp_path: Path) -> None:
    """Half a model is never seen."""
    out = tmp_path / "model"
    (out / "old").mkdir(parents=True)
    with pytest.raises(ValueError, match="half"):
        _write_half(out)

    assert [one.name for one in out.iterdir()] == ["old"]
    assert [one.name for one in tmp_path.iterdir()] == ["model"]


def test_link_to_a_folder_makes_way_alone(tmp_path: Path) -> None:
    """A link where a folder goes is replaced; what it led to stays, and nothing else."""
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "weights").write_bytes(b"mine")
    out = tmp_path / "out"
    out.symlink_to("far")

    with replacing_folder(out) as folder:
        (folder / "weights").write_bytes(b"new")

    assert {one.name for one in tmp_path.iterdir()} == {"far", "out"}
    assert (tmp_path / "far" / "weights").read_bytes() == b"mine"
    assert not out.is_symlink()
