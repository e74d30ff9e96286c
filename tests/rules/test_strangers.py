"""Rules of others that misbehave: each is reported by name and skipped."""

from importlib.metadata import EntryPoint
from pathlib import Path

import onnx
import pytest

from analyzer.core.rulebook import RULE_GROUP
from cli import main
from rules.models import chain, conv, layer

TEXT = '''"""A rule that misbehaves.

Cause
    Its author.
"""
import sys
from analyzer.core.types import *
from rules.base import Rule, Spot


class Left:
    spot = Spot()


def detect(fault):
    {detect}


def explain(cause):
    {explain}


def repair(cause):
    {repair}


RULE = Rule("odd", FaultClass.RUNTIME, 0.99, detect, explain, repair, ())
'''
HOLE = {"detect": "return Left()", "explain": "return 'odd'", "repair": "return ()"}


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    """A network, and its conversion with a Tanh too many."""
    onnx.save(chain(conv(), conv(4, 2)), tmp_path / "source.onnx")
    onnx.save(chain(conv(), layer("Tanh"), conv(4, 2)), tmp_path / "target.onnx")
    return str(tmp_path / "source.onnx"), str(tmp_path / "target.onnx")


def misbehaving(folder: Path, **parts: str) -> str:
    """Return a folder with one rule, of which some functions do something else."""
    made = folder / "own"
    made.mkdir()
    text = TEXT.format(**(HOLE | parts))
    (made / "odd.py").write_text(text, encoding="utf-8")
    return str(made)


ODD = [
    ({"detect": "raise KeyError('x')"}, "it raised KeyError"),
    ({"detect": "sys.exit(5)"}, "it raised SystemExit: 5"),
    ({"detect": "return 3"}, "it raised AttributeError"),
    ({"explain": "return None"}, "not with text"),
    ({"repair": "return None"}, "it raised TypeError"),
    ({"repair": "return [1]"}, "it gives list for its fixes"),
    ({"repair": "return (Fix('t', (1,)),)"}, "it gives int for an edit"),
    (
        {"repair": "return (Fix('t', (SetAttribute('n', 'a', {1}),)),)"},
        "it gives set for an attribute",
    ),
    (
        {"repair": "return (Fix('t', (SetConstant('n', 0, None),)),)"},
        "it gives NoneType for a constant",
    ),
]


@pytest.mark.parametrize(("parts", "words"), ODD)
def test_rule_that_misbehaves_is_named_and_skipped(
    parts: dict[str, str],
    words: str,
    pair: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The other rules explain the fault all the same."""
    code = main(["diff", *pair, "--rules", misbehaving(tmp_path, **parts)])
    said = " ".join(capsys.readouterr().out.split())

    assert code == 1
    assert "operator-extra" in said
    assert f"not compared: rule odd ({words}" in said or words in said


@pytest.mark.parametrize(
    "edits",
    [
        "SetAttribute('nowhere', 'axis', 1),",
        "SetAttribute('Conv_0', 'pads', 'text'),",
        "InsertNode('x', 'NoSuchOperator', {}, {}),",
        "Rewire('conv_2', 7, 'nowhere'),",
        "RemoveNode(None),",
        "SetType('x', 'no dtype', ()),",
        "SetOpset('', 'new'),",
        "ReplaceRegion(None, None, 17),",
    ],
)
def test_fix_that_cannot_be_made_is_dropped(
    edits: str, pair: tuple[str, str], tmp_path: Path
) -> None:
    """Another rule's fix mends the model, and the run ends as ever."""
    rules = misbehaving(tmp_path, repair=f"return (Fix('t', ({edits})),)")
    out = str(tmp_path / "mended.onnx")

    assert main(["repair", *pair, "-o", out, "--rules", rules, "-q"]) == 0


@pytest.mark.parametrize("text", ["def detect(:", "import no_such_module", "exit(3)"])
def test_file_that_cannot_be_run_ends_with_one_message(
    text: str,
    pair: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The folder was asked for by name: it is wrong, whatever the pair is like."""
    folder = misbehaving(tmp_path)
    Path(folder, "odd.py").write_text(text, encoding="utf-8")
    codes = [
        main(["diff", pair[0], pair[0], "--rules", folder]),
        main(["explain", "odd", "--rules", folder]),
        main(["rules", "--rules", folder]),
    ]
    said = capsys.readouterr().err.strip()

    assert codes == [2, 2, 2]
    assert said.count("odd.py cannot be run") == said.count("next:") == len(codes)


def test_installed_rule_that_cannot_be_loaded_is_named(
    pair: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is listed with what keeps it out, and no command ends of it."""
    broken = EntryPoint("acme", "no_such_package:rules", RULE_GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [broken])
    codes = [main(["diff", *pair]), main(["rules"]), main(["explain", "acme"])]
    said = " ".join(capsys.readouterr().out.split())

    assert codes == [1, 0, 0]
    assert "not compared: rule acme" in said
    assert "acme (absent) It is installed and cannot be loaded: ModuleNotFoundError" in said


def test_no_folder_is_run_unless_it_is_named(pair: tuple[str, str], tmp_path: Path) -> None:
    """A file of rules beside the models is left alone."""
    folder = misbehaving(tmp_path)
    Path(folder, "odd.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')")

    assert main(["diff", *pair, "-q"]) == 1
    assert not (tmp_path / "run").exists()
