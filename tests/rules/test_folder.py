"""Rules of one's own, one a file in a folder."""

from pathlib import Path

import onnx
import pytest

from cli import main
from rules.models import chain, conv, layer

TEXT = '''"""A Tanh that somebody left in."""
from analyzer.core.types import FaultClass, Fix, RemoveNode
from rules.base import Rule, Spot


class Left:
    def __init__(self, node):
        self.node, self.spot = node, Spot((), (node,))


def detect(fault):
    return next((Left(n) for n in fault.target.nodes if n.op == "Tanh"), None)


def explain(cause):
    return f"{cause.node.name} was left in"


def repair(cause):
    return (Fix("Take it out", (RemoveNode(cause.node.name),)),)


RULE = Rule("left-in", FaultClass.COMPUTATIONAL_GRAPH, 0.99, detect, explain, repair, ())
'''


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    """A network, and its conversion with a Tanh too many."""
    onnx.save(chain(conv(), conv(4, 2)), tmp_path / "source.onnx")
    onnx.save(chain(conv(), layer("Tanh"), conv(4, 2)), tmp_path / "target.onnx")
    return str(tmp_path / "source.onnx"), str(tmp_path / "target.onnx")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one rule."""
    made = tmp_path / "own"
    made.mkdir()
    (made / "left_in.py").write_text(TEXT, encoding="utf-8")
    return made


def test_rule_of_a_folder_speaks_first_where_it_is_surest(
    pair: tuple[str, str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is asked as every other rule is."""
    code = main(["diff", *pair, "--rules", str(folder)])

    assert code == 1
    assert "tanh_1 was left in" in capsys.readouterr().out


def test_rule_of_a_folder_mends(pair: tuple[str, str], folder: Path) -> None:
    """Its cures are tried and proven as every other rule's."""
    out = str(folder.parent / "mended.onnx")

    assert main(["repair", *pair, "-o", out, "--rules", str(folder), "-q"]) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("raise ValueError('no')", "ValueError: no"),
        ("x = 1", "gives no RULE"),
        (TEXT.replace('"left-in"', '"operator-extra"'), "there is one of that name"),
    ],
)
def test_file_that_gives_no_rule_is_told(
    text: str,
    words: str,
    pair: tuple[str, str],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The file and what is wrong with it, and the exit code of a wrong file."""
    (folder / "left_in.py").write_text(text, encoding="utf-8")
    code = main(["diff", *pair, "--rules", str(folder)])

    assert code == 2
    assert words in capsys.readouterr().err


def test_folder_without_rules_is_told(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped folder is no empty rule book."""
    code = main(["diff", *pair, "--rules", str(tmp_path / "nowhere")])

    assert code == 2
    assert "holds no rule" in capsys.readouterr().err
