"""The fix report: what was wrong, what was done, what is left, in this run's words."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from analyzer.core.report import Report
from analyzer.reports.fix_report import fix_report
from cli import main
from rules.models import chain, conv, layer, with_kernel


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    """A network and its conversion, one of whose kernels is twice as large."""
    first, second = conv(), conv(4, 2)
    kernel = np.asarray(second.constants[1]) * np.float32(2)
    models = {
        "source.onnx": chain(first, layer("Relu"), second),
        "target.onnx": chain(first, layer("Relu"), with_kernel(second, kernel)),
    }
    for name, model in models.items():
        onnx.save(model, tmp_path / name)
    source, target = (str(tmp_path / name) for name in models)
    return source, target


def repaired(pair: tuple[str, str], folder: Path, *more: str) -> str:
    """Return the fix report of a repair."""
    out, words = str(folder / "mended.onnx"), ("--format", "markdown")
    main(["repair", *pair, "-o", out, "--report", str(folder), *words, *more, "-q"])
    return (folder / "fix-report.md").read_text(encoding="utf-8")


def test_fault_and_cure_are_told_in_numbers(pair: tuple[str, str], tmp_path: Path) -> None:
    """Verdict, cause, evidence, edit, what it changed, and how to see it again."""
    text = repaired(pair, tmp_path)

    assert "**Before: divergent. After: repaired.**" in text
    assert "## 1. weight-scaled at" in text
    assert "2 times the source's" in text
    assert "`SetConstant node" in text
    assert "**Why it happens.**" in text
    assert "Nothing." in text
    assert f"python cli.py repair {pair[0]} {pair[1]}" in text or "pivotfix repair" in text


def test_every_table_has_one_number_of_columns(
    pair: tuple[str, str], tmp_path: Path
) -> None:
    """A row that a name breaks, or a heading that runs into one, is no table."""
    blocks = repaired(pair, tmp_path).split("\n\n")
    tables = [block.splitlines() for block in blocks if block.startswith("|")]

    assert len(tables) == 3
    for rows in tables:
        assert len({row.count("|") - row.count("\\|") for row in rows}) == 1


def test_fix_report_wants_a_folder(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a folder there is no place for a file: one clear message."""
    words = ["-o", str(tmp_path / "o.onnx"), "--format", "markdown"]
    code = main(["repair", *pair, *words])

    assert code == 2
    assert "add --report DIR" in capsys.readouterr().err


def test_what_was_tried_and_dropped_is_a_table(mended: Report) -> None:
    """Each try has its edits, its round, the error before and after, and the reason."""
    text = fix_report(replace(mended, ended="nothing is left"), {}, [])
    rows = text.split("Tried and dropped:")[1].split("\n\n")[1].splitlines()

    assert len(rows) == 2 + 3
    assert rows[3] == (
        "| Restore a \\| b; Restore c | 3 | 1 | 0.5 | 0.5 "
        "| the error of its region stays at 0.5 |"
    )
    assert "The repair ended because nothing is left." in text
    assert (
        "in the mended model the error of its part is 0.5 without it, 1e-07 with it" in text
    )
