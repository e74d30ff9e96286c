"""What is said of a mended model that was written."""

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer.core.report import ALREADY, Report, Verdict, Written
from analyzer.reports.shown import tell_written


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("net.onnx", "written: out.onnx, a byte copy of net.onnx"),
        ("net.keras", "written: out.onnx: net.keras as ONNX"),
    ],
)
def test_copy_in_another_format_is_no_byte_copy(
    report: Callable[..., Report],
    capsys: pytest.CaptureFixture[str],
    target: str,
    words: str,
) -> None:
    """A target with nothing to mend is written as it is only where OUT has its format."""
    copied = report(command="repair", verdict=Verdict.REPAIRED, findings=(), ended=ALREADY)
    given = argparse.Namespace(
        format=[], dry_run=False, output=Path("out.onnx"), target=target, patch=None
    )
    tell_written(copied, given)

    assert capsys.readouterr().out == f"{words}\n"


def test_written_file_is_told_with_what_it_states_otherwise(
    report: Callable[..., Report], capsys: pytest.CaptureFixture[str]
) -> None:
    """A colleague sees that the target's own file was patched, and what else changed."""
    written = Written("out.tflite", "in place", ("its size is 12 bytes, 10 before",))
    mended = report(command="repair", verdict=Verdict.REPAIRED, written=written)
    given = argparse.Namespace(format=[], dry_run=False, patch=None)
    tell_written(mended, given)

    assert capsys.readouterr().out.splitlines() == [
        "written: out.tflite, the target's own file with the repair in it",
        "  its size is 12 bytes, 10 before",
    ]
