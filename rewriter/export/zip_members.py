"""Members of a zip file overwritten where they stand: nothing else of the file moves."""

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo
from zlib import crc32

NAMED, LOCAL = 26, 30
"""Where a member's own header has the lengths of its name and extra field; its size.

Source: PKWARE, .ZIP File Format Specification 6.3.10, sections 4.3.7 to 4.3.12"""

LOCAL_SUM, LISTED_SUM, DESCRIBED_SUM = 14, 16, 4
"""Where the checksum stands: in that header, in the directory, behind the content."""

LISTED, LENGTHS = 46, 28
"""Size of an entry of the directory, and where it has the lengths of what follows it."""

BEHIND = 1 << 3
"""The flag of a member whose checksum stands behind its content."""

DESCRIPTOR = b"PK\x07\x08"


def overwrite(path: Path, members: Mapping[str, bytes]) -> None:
    """Give members of a zip file other bytes of the same size.

    Args:
        path: The file.
        members: The new bytes by name.

    Raises:
        ValueError: A member is compressed, or of another size.
    """
    with ZipFile(path) as archive:
        places, directory = archive.infolist(), archive.start_dir
    sums = {name: struct.pack("<I", crc32(content)) for name, content in members.items()}
    with path.open("r+b") as file:
        for one in places:
            if one.filename in members:
                _content(file, one, members[one.filename], sums[one.filename])
        _listed(file, directory, places, sums)


def _content(file: BinaryIO, one: ZipInfo, content: bytes, checksum: bytes) -> None:
    if one.compress_type != ZIP_STORED or one.file_size != len(content):
        raise ValueError(f"{one.filename} is compressed, or of another size")
    file.seek(one.header_offset + NAMED)
    start = one.header_offset + LOCAL + sum(struct.unpack("<HH", file.read(4)))
    file.seek(start)
    file.write(content)
    if not one.flag_bits & BEHIND:
        file.seek(one.header_offset + LOCAL_SUM)
        file.write(checksum)
        return
    marked = file.read(len(DESCRIPTOR)) == DESCRIPTOR
    file.seek(start + len(content) + (DESCRIBED_SUM if marked else 0))
    file.write(checksum)


def _listed(
    file: BinaryIO, start: int, places: Iterable[ZipInfo], sums: Mapping[str, bytes]
) -> None:
    """Write the checksums into the directory at the end of the file, in its order."""
    for one in places:
        file.seek(start + LENGTHS)
        lengths = struct.unpack("<HHH", file.read(6))
        if one.filename in sums:
            file.seek(start + LISTED_SUM)
            file.write(sums[one.filename])
        start += LISTED + sum(lengths)
