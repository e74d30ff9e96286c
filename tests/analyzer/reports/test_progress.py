"""The progress bar."""

import time

import pytest

from analyzer.reports import progress
from analyzer.reports.progress import Bar


def test_a_short_run_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """What ends within a second leaves both streams empty."""
    with Bar() as told:
        told("loading", 0.5)

    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


def test_a_long_run_shows_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the patience the stage is shown, on standard error alone."""
    monkeypatch.setattr(progress, "PATIENCE", 0.01)
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes the stream for a terminal
    with Bar() as told:
        told("comparing", 0.5)
        time.sleep(0.2)

    said = capsys.readouterr()
    assert "comparing" in said.err
    assert "50 %" in said.err
    assert said.out == ""
