"""A zip archive looked through before a framework unpacks it."""

import zlib
from collections import Counter
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from analyzer.core.errors import LoadError

EXPANSION = 50
"""How many times its own size a model archive may unpack to: weights hardly compress, while
a zip bomb unpacks to a thousand times and more."""


def checked(file: Path) -> ZipFile:
    """Return an archive whose members are whole, are what they claim, and fit in memory.

    Nothing is written: every member is read once, against its checksum.

    Args:
        file: The archive.

    Raises:
        LoadError: It is no zip, is cut short, a checksum fails, two members share a
            name, or it claims to unpack to more than `EXPANSION` times its size.
    """
    try:
        archive = ZipFile(file)
        _refuse_odd(file, archive)
        broken = archive.testzip()
    except (BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError) as surprise:
        raise _damaged(file, str(surprise)) from surprise
    except (OSError, RuntimeError) as surprise:  # a bad offset; a flag that says encrypted
        raise _damaged(file, str(surprise)) from surprise
    if broken is not None:
        raise _damaged(file, f"its member {broken} fails its checksum")
    return archive


def _refuse_odd(file: Path, archive: ZipFile) -> None:
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if unpacked > EXPANSION * file.stat().st_size:
        raise _damaged(file, f"it claims to unpack to {unpacked:,} bytes")
    name, count = Counter(member.filename for member in members).most_common(1)[0]
    if count > 1:
        raise _damaged(file, f"it holds {count} members named {name}")


def _damaged(file: Path, surprise: str) -> LoadError:
    return LoadError(
        f"{file} is damaged ({surprise})", hint="save or download the model again"
    )
