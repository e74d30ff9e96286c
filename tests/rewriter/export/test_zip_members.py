"""A member of a zip file is overwritten where it stands, and the file stays whole."""

import io
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from rewriter.export.zip_members import overwrite


class Unseekable(io.RawIOBase):
    """Writes a file from front to end, so that checksums go behind the content."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]  # bytes is enough
        """Write some bytes."""
        return self.file.write(content)

    def close(self) -> None:
        """Close the file."""
        self.file.close()


@pytest.mark.parametrize("streamed", [False, True])
def test_other_bytes_of_the_same_size(tmp_path: Path, streamed: bool) -> None:  # noqa: FBT001
    """The new bytes are read, checksums fit, and nothing else has moved."""
    path = tmp_path / "archive.zip"
    with ZipFile(Unseekable(path) if streamed else path, "w") as archive:
        for name in ("before", "weight", "behind"):
            archive.writestr(f"own/{name}", name.encode() * 9)
    size = path.stat().st_size
    overwrite(path, {"own/weight": b"repair" * 9})

    with ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.read("own/weight") == b"repair" * 9
        assert archive.read("own/behind") == b"behind" * 9
    assert path.stat().st_size == size


def test_compressed_member_is_refused(tmp_path: Path) -> None:
    """Its bytes on disk are not those it stands for."""
    path = tmp_path / "archive.zip"
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        archive.writestr("weight", b"0" * 64)

    with pytest.raises(ValueError, match="weight is compressed"):
        overwrite(path, {"weight": b"1" * 64})


def test_name_of_another_code_page_is_passed_by(tmp_path: Path) -> None:
    """A packer may have written the names beside the weight in a code page of old."""
    path = tmp_path / "archive.zip"
    with ZipFile(path, "w") as archive:
        archive.writestr("cafe", b"before")
        archive.writestr("weight", b"old")
    path.write_bytes(path.read_bytes().replace(b"cafe", b"caf\x82"))
    overwrite(path, {"weight": b"new"})

    with ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.read("weight") == b"new"
