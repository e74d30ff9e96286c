"""The progress bar."""

import time

import pytest

from analyzer.reports import progress
from analyzer.reports.progress import Bar


@pytest.mark.parametrize("shown", [True, False])
def test_a_short_run_shows_nothing(
    capsys: pytest.CaptureFixture[str],
    shown: bool,  # noqa: FBT001 -- the parameter under test
) -> None:
    """What ends within a second leaves both streams empty."""
    with Bar(shown=shown) as told:
        told("loading", 0.5)

    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


def test_a_long_run_shows_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the patience the stage is shown, on standard error alone."""
    monkeypatch.setattr(progress, "PATIENCE", 0.01)
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes the stream for a terminal
    with Bar(shown=True) as told:
        told("comparing", 0.5)
        time.sleep(0.2)

    said = capsys.readouterr()
    assert "comparing" in said.err
    assert "50 %" in said.err
    assert said.out == ""
