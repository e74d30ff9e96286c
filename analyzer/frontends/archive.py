"""A zip archive looked through before a framework unpacks it."""

import zlib
from collections import Counter
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from analyzer.core.errors import LoadError

EXPANSION = 50
"""How many times its own size a model archive may unpack to: weights hardly compress, while
a zip bomb unpacks to a thousand times and more."""

BROKEN = (
    BadZipFile,
    zlib.error,
    NotImplementedError,
    EOFError,
    ValueError,
    OSError,
    RuntimeError,
)
"""What `zipfile` raises on damage; the last two for a bad offset and a flag "encrypted"."""


def check_archive(file: Path, *, member: str) -> None:
    """Raise where an archive is not whole, not what it claims, or too large unpacked.

    Nothing is written: every member is read once, against its checksum.

    Args:
        file: The archive.
        member: How the name of a member ends that every archive of this kind has. Models
            are archives within archives: cut short, one passes for another.

    Raises:
        LoadError: It is no zip, is cut short, a checksum fails, two members share a
            name, or it claims to unpack to more than `EXPANSION` times its size.
    """
    try:
        with ZipFile(file) as archive:
            _refuse_odd(file, archive, member)
            broken = archive.testzip()
    except BROKEN as surprise:
        raise _damaged(file, str(surprise) or type(surprise).__name__) from surprise
    if broken is not None:
        raise _damaged(file, f"its member {broken} fails its checksum")


def _refuse_odd(file: Path, archive: ZipFile, member: str) -> None:
    members = archive.infolist()
    if not any(entry.filename.endswith(member) for entry in members):
        raise _damaged(file, f"it holds no {member}")
    unpacked = sum(entry.file_size for entry in members)
    if unpacked > EXPANSION * file.stat().st_size:
        raise _damaged(file, f"it claims to unpack to {unpacked:,} bytes")
    name, count = Counter(entry.filename for entry in members).most_common(1)[0]
    if count > 1:
        raise _damaged(file, f"it holds {count} members named {name}")


def _damaged(file: Path, surprise: str) -> LoadError:
    return LoadError(
        f"{file} is damaged ({surprise})", hint="save or download the model again"
    )
