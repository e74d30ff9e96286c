"""Reports on disk."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer.core.errors import UsageError
from analyzer.core.report import Report
from analyzer.reports.files import write_report


def test_the_folder_is_made_and_holds_both_files(
    report: Callable[..., Report], tmp_path: Path
) -> None:
    """report.json and the arrays of its edits are written, and nothing else."""
    folder = tmp_path / "deep" / "out"
    write_report(report(), folder)

    assert sorted(path.name for path in folder.iterdir()) == ["edits.npz", "report.json"]
    shown = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    digest = shown["findings"][0]["fix"]["edits"][0]["value"]["sha256"]
    with np.load(folder / "edits.npz") as arrays:
        assert arrays[digest].tolist() == [1, 1]


def test_a_report_without_arrays_has_one_file(
    report: Callable[..., Report], tmp_path: Path
) -> None:
    """No edits.npz where no fix holds an array."""
    assert write_report(report(findings=()), tmp_path) == (tmp_path / "report.json",)


def test_an_older_report_is_replaced(report: Callable[..., Report], tmp_path: Path) -> None:
    """The same folder may be used again."""
    (tmp_path / "report.json").write_text("old", encoding="utf-8")
    write_report(report(), tmp_path)

    assert "old" not in (tmp_path / "report.json").read_text(encoding="utf-8")


def test_a_file_in_the_way_is_told(report: Callable[..., Report], tmp_path: Path) -> None:
    """A folder that cannot be made is a mistake on the command line."""
    (tmp_path / "out").write_text("here already", encoding="utf-8")

    with pytest.raises(UsageError, match="cannot be written"):
        write_report(report(), tmp_path / "out")
