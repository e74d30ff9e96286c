"""Reports on disk."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer.core.errors import UsageError
from analyzer.core.report import PairSummary, Report
from analyzer.matching.overrides import read_pairs
from analyzer.reports.files import write_report


def test_the_folder_is_made_and_holds_every_file(
    report: Callable[..., Report], tmp_path: Path
) -> None:
    """report.json, its pairs and the arrays of its edits are written, and nothing else."""
    folder = tmp_path / "deep" / "out"
    write_report(report(), folder)
    names = sorted(path.name for path in folder.iterdir())

    assert names == ["edits.npz", "pairs.json", "report.json"]
    shown = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    digest = shown["findings"][0]["fix"]["edits"][0]["value"]["sha256"]
    with np.load(folder / "edits.npz") as arrays:
        assert arrays[digest].tolist() == [1, 1]


def test_a_report_without_arrays_has_no_edits(
    report: Callable[..., Report], tmp_path: Path
) -> None:
    """No edits.npz where no fix holds an array."""
    written = write_report(report(findings=()), tmp_path)

    assert [path.name for path in written] == ["report.json", "pairs.json"]


def test_every_pair_tells_its_evidence(
    report: Callable[..., Report], tmp_path: Path
) -> None:
    """A row names both tensors, the order of axes, the confidence and the reasons."""
    pair = PairSummary("relu:0", "t17", (0, 3, 1, 2), 0.9999999, ("values", "weights"))
    write_report(report(pairs=(pair,)), tmp_path)

    assert json.loads((tmp_path / "pairs.json").read_text(encoding="utf-8")) == [
        {
            "source": "relu:0",
            "target": "t17",
            "permutation": [0, 3, 1, 2],
            "confidence": 1.0,
            "reasons": ["values", "weights"],
        }
    ]


def test_written_pairs_are_read_as_stated(
    report: Callable[..., Report], tmp_path: Path
) -> None:
    """What one run paired, or an edited copy of it, is what the next one is told."""
    pairs = [PairSummary(name, name.upper(), None, 0.5, ("position",)) for name in "ab"]
    write_report(report(pairs=tuple(pairs)), tmp_path)

    assert read_pairs(tmp_path / "pairs.json") == (("a", "A"), ("b", "B"))


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
