"""Reports on disk: each file is written beside its place and renamed into it."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np

from analyzer.core.errors import UsageError
from analyzer.core.report import Report
from analyzer.reports.edits import edit_arrays
from analyzer.reports.json_report import pairs_json, to_json

READABLE = 0o644
"""A temporary file is its owner's alone; a report is for everyone."""


def write_report(report: Report, folder: Path) -> tuple[Path, ...]:
    """Return the files written: ``report.json``, ``pairs.json``, ``edits.npz`` for arrays.

    Args:
        report: What a run found.
        folder: Created if missing.

    Raises:
        UsageError: The folder cannot be created or written.
    """
    contents = {
        "report.json": to_json(report).encode("utf-8"),
        "pairs.json": pairs_json(report).encode("utf-8"),
    }
    arrays = edit_arrays(report)
    if arrays:
        packed = BytesIO()
        np.savez(packed, allow_pickle=False, **arrays)
        contents["edits.npz"] = packed.getvalue()
    return _written(folder, contents)


def write_text(path: Path, text: str) -> None:
    """Write a text as a file of the report.

    Args:
        path: Where; its folder is created if missing.
        text: Its content.

    Raises:
        UsageError: The folder cannot be created or written.
    """
    _written(path.parent, {path.name: text.encode("utf-8")})


def _written(folder: Path, contents: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Return the files written into a folder, which is created if missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tuple(_place(folder / name, made) for name, made in contents.items())
    except OSError as surprise:
        raise UsageError(
            f"the report cannot be written to {folder}: {surprise.strerror or surprise}",
            hint="name a folder that can be written with --report DIR",
        ) from surprise


def _place(path: Path, content: bytes) -> Path:
    with NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as beside:
        made = Path(beside.name)
        try:
            beside.write(content)
            beside.flush()
            made.chmod(READABLE)
            return made.replace(path)
        finally:
            made.unlink(missing_ok=True)  # an interrupt or a full disk leaves nothing
