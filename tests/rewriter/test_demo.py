"""The demo, whole, and what it does where a step of it fails."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import cli
from analyzer.core.errors import UsageError
from rewriter import demo
from rewriter.digits import BROKEN, CONVERTED, PLANTED, REPAIRED, SOURCE


@pytest.fixture(scope="module")
def told(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, Path]:
    """Exit code, words and folder of one run of the real demo."""
    folder = tmp_path_factory.mktemp("demo") / "files"
    done = subprocess.run(
        [sys.executable, root / "cli.py", "demo", folder],
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr, folder


def test_the_demo_keeps_its_promise(told: tuple[int, str, Path]) -> None:
    """Equivalent, then three faults by name, then mended, with the exit codes of each."""
    code, words, _ = told

    assert code == 0, words
    assert words.count("exit code 0, 0 was expected") == 2
    assert words.count("exit code 1, 1 was expected") == 1
    assert "3 of 3 planted faults found, 3 reported" in words


def test_the_demo_prints_what_a_user_would_type(told: tuple[int, str, Path]) -> None:
    """Every command stands behind a prompt, with the files' own paths."""
    _, words, folder = told
    prompts = [line for line in words.splitlines() if line.startswith("$ ")]

    assert [line.split()[1:4] for line in prompts] == [
        ["python", "-m", "rewriter.digits"],
        ["python", "cli.py", "diff"],
        ["python", "-m", "rewriter.digits"],
        ["python", "cli.py", "diff"],
        ["python", "cli.py", "repair"],
        ["python", "-m", "rewriter.digits"],
    ]
    assert f"diff {folder / SOURCE} {folder / BROKEN}" in words


def test_the_demo_names_keras_layers(told: tuple[int, str, Path]) -> None:
    """The report of the broken file calls each fault by the layer that was broken."""
    report = json.loads((told[2] / "report-broken" / "report.json").read_text())
    named = {finding["native"]["source"] for finding in report["findings"]}

    assert len(named) == 3
    for fault in PLANTED:
        assert any(layer.startswith(fault.layer) for layer in named)


def test_the_demo_leaves_its_files(told: tuple[int, str, Path]) -> None:
    """Whoever does not believe it can look: all models, inputs and reports stay."""
    names = {path.name for path in told[2].iterdir()}

    assert {SOURCE, CONVERTED, BROKEN, REPAIRED, "probes.npz", "test-images.npz"} <= names


def test_the_mended_file_agrees_with_keras(told: tuple[int, str, Path]) -> None:
    """Label agreement by LiteRT: low for the broken file, then the conversion's again."""
    lines = (line.split() for line in told[1].splitlines() if line.endswith("%"))
    shares = {name: share for name, share in lines if name.startswith("digits")}

    assert float(shares[BROKEN].rstrip("%")) < 90
    assert shares[REPAIRED] == shares[CONVERTED]


def fault(layer: str) -> dict[str, Any]:
    """Return a finding as far as the demo reads it."""
    native = {"source": layer, "target": None, "location": None}
    return {"rule": "weight-differs", "status": "fault", "native": native}


def test_an_extra_fault_fails_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    """Exactly the planted faults are to be found: no other beside them."""
    exact = [fault(one.layer) for one in PLANTED]

    assert demo.found({"findings": exact})
    assert not demo.found({"findings": [*exact, fault("head")]})
    assert not demo.found({"findings": exact[:2]})
    assert "block4_expand: not found" in capsys.readouterr().out


def test_a_failed_step_is_one_message(tmp_path: Path) -> None:
    """A step's own last words are shown, and a next step."""
    tour = demo.Tour(tmp_path, cli.main, "pivotfix")

    with pytest.raises(UsageError, match="the demo's step agree failed") as refusal:
        tour.step("agree")

    assert "make demo" in refusal.value.hint


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    """The demo writes nothing where it cannot."""
    (tmp_path / "taken").write_text("here already", encoding="utf-8")

    def never(words: Sequence[str]) -> int:
        raise AssertionError(words)

    with pytest.raises(UsageError, match="cannot use"):
        demo.run(tmp_path / "taken", command=never)


def test_what_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without TensorFlow the demo says which command brings it."""
    monkeypatch.setattr(demo, "NEEDED", ("no_such_package",))

    with pytest.raises(UsageError, match="lacks") as refusal:
        demo.run(tmp_path, command=cli.main)

    assert "make demo" in refusal.value.hint
