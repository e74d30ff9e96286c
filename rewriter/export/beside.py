"""Files written beside their final place, then renamed: a reader sees old or new."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from analyzer.core.errors import ExportError


@contextmanager
def replacing(out: Path) -> Iterator[BinaryIO]:
    """Give a file to write to, which becomes `out` when all went well, else vanishes.

    Args:
        out: The final path; its folder exists.

    Raises:
        ExportError: The folder or the disk refuses.
    """
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
    except OSError as surprise:
        raise ExportError(
            f"{out} cannot be written ({surprise.strerror})",
            hint="choose an OUT in a folder that can be written and has room",
        ) from surprise
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replacing_folder(out: Path) -> Iterator[Path]:
    """Give a folder to write into, which becomes `out` when all went well, else vanishes.

    Args:
        out: The final path; the folder it lies in exists. What is there goes.

    Raises:
        ExportError: The folder or the disk refuses.
    """
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    try:
        part.mkdir()
        yield part
        if out.exists():
            out.rename(old)
        part.rename(out)
    except OSError as surprise:
        raise ExportError(
            f"{out} cannot be written ({surprise.strerror})",
            hint="choose an OUT in a folder that can be written and has room",
        ) from surprise
    finally:
        if old.exists() and not out.exists():
            old.rename(out)
        shutil.rmtree(part, ignore_errors=True)
        if old.is_symlink():
            old.unlink()  # what it leads to stays
        shutil.rmtree(old, ignore_errors=True)


def removed(out: Path) -> None:
    """Take a file or a folder that was written away again.

    Args:
        out: What may be there.
    """
    if out.is_dir():
        shutil.rmtree(out)
    else:
        out.unlink(missing_ok=True)
