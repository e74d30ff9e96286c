"""What is said of a mended model that was written."""

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer.core.report import ALREADY, Report, Verdict
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
