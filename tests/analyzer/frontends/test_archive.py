"""A zip archive is looked through before a framework unpacks it."""

import zipfile
from pathlib import Path

import pytest

from analyzer import pivot
from analyzer.core.errors import LoadError
from analyzer.frontends.archive import check_archive


def archive(file: Path, *names: str, content: bytes = b"{}") -> Path:
    """Write an archive with these members."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in names:
            new.writestr(name, content)
    return file


def test_whole_archive_passes(tmp_path: Path) -> None:
    """Nothing is said of a file that is what it claims to be."""
    check_archive(archive(tmp_path / "a.keras", "config.json"), member="config.json")


def test_archive_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Any zip can be renamed."""
    with pytest.raises(LoadError, match=r"it holds no config\.json"):
        check_archive(archive(tmp_path / "a.keras", "letter.txt"), member="config.json")


def test_bomb_is_refused_by_its_index(tmp_path: Path) -> None:
    """A megabyte of zeros in a kilobyte is no model."""
    bomb = archive(tmp_path / "a.keras", "config.json", content=b"\0" * (1 << 20))

    with pytest.raises(LoadError, match="claims to unpack to 1,048,576 bytes"):
        check_archive(bomb, member="config.json")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    """One reader takes the first of them, another the last."""
    twice = archive(tmp_path / "a.keras", "config.json", "config.json")

    with pytest.raises(LoadError, match=r"2 members named config\.json"):
        check_archive(twice, member="config.json")


def test_wrong_checksum_names_the_member(tmp_path: Path) -> None:
    """A flipped bit in a weight would otherwise be taken for a fault of the conversion."""
    file = tmp_path / "a.keras"
    with zipfile.ZipFile(file, "w") as new:
        new.writestr("config.json", b"weights of this model")
    file.write_bytes(file.read_bytes().replace(b"weights", b"weightz"))

    with pytest.raises(LoadError, match=r"member config\.json fails its checksum"):
        check_archive(file, member="config.json")


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("bomb.keras", "config.json"),
        ("bomb.pt2", "bomb/models/model.json"),
        ("bomb.pt", "bomb/constants.pkl"),
        ("bomb.pth", "bomb/data.pkl"),
    ],
)
def test_bomb_of_every_format_is_refused(tmp_path: Path, name: str, member: str) -> None:
    """Each format that is an archive is looked through before anything unpacks it."""
    bomb = archive(tmp_path / name, member, "bomb/weights", content=b"\0" * (1 << 20))

    with pytest.raises(LoadError, match="claims to unpack to 2,097,152 bytes"):
        pivot.load(str(bomb), trust_code=False)
