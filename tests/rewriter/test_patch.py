"""A repair is kept as a patch, and replayed on another export of the same model."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from analyzer.core.types import (
    AddOutput,
    Edit,
    InsertNode,
    RemoveNode,
    ReplaceRegion,
    Restate,
    Rewire,
    SetAttribute,
    SetConstant,
    SetOpset,
    SetType,
    Statement,
)
from cli import main
from rewriter.patch import SCHEMA
from rewriter.patch_values import decoded, encoded
from rules.models import chain, conv, layer, with_kernel

GRAPH = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [], [])
EDITS: tuple[Edit, ...] = (
    SetAttribute("n", "pads", (1, 1, 0, 0)),
    SetConstant("n", 1, np.arange(6, dtype=np.float16).reshape(2, 3)),
    InsertNode("t", "Clip", {"axis": 1}, {1: np.float32(0), 2: np.float32(6)}, (("r", 0),)),
    RemoveNode("n", 1),
    ReplaceRegion(("a", "b"), GRAPH, 17),
    Rewire("n", 0, "t"),
    SetOpset("", 18),
    SetType("x", "float32", (None, "rows", 3)),
    Restate(Statement.TYPE, "x", "float32", (None, "rows", 3)),
    AddOutput("y", "float32", (1, None), 1),
)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: type(edit).__name__)
def test_edit_comes_back_whole(edit: Edit) -> None:
    """Through JSON's own words, with every array bit by bit."""
    again = decoded(json.loads(json.dumps(encoded(edit), allow_nan=False)))

    assert encoded(again) == encoded(edit)
    assert type(again) is type(edit)


@pytest.mark.parametrize("value", [float("inf"), 1e-5, None, "linear", b"cubic"])
def test_attribute_comes_back_whole(value: float | str | bytes | None) -> None:
    """Infinity too, for which JSON has no number."""
    edit = SetAttribute("n", "alpha", value)

    again = decoded(json.loads(json.dumps(encoded(edit), allow_nan=False)))

    assert isinstance(again, SetAttribute)
    assert again.value == value


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    """A network and its conversion: one kernel is scaled, and the Relu is gone."""
    first, second = conv(), conv(4, 2)
    kernel = np.asarray(second.constants[1]) * np.float32(2)
    models = {
        "source": chain(first, layer("Relu"), second),
        "target": chain(first, layer("Identity"), with_kernel(second, kernel)),
    }
    for name, model in models.items():
        onnx.save(model, tmp_path / f"{name}.onnx")
    return str(tmp_path / "source.onnx"), str(tmp_path / "target.onnx")


@pytest.fixture
def patch(pair: tuple[str, str], tmp_path: Path) -> Path:
    """The patch of the pair's repair, which is written beside it as mended.onnx."""
    path = tmp_path / "patch.json"
    main(["repair", *pair, "-o", str(tmp_path / "mended.onnx"), "--patch", str(path), "-q"])
    return path


def test_replayed_patch_gives_the_repaired_model(
    pair: tuple[str, str], patch: Path, tmp_path: Path
) -> None:
    """On the very same export it does the very same."""
    out = tmp_path / "replayed.onnx"
    code = main(["apply", str(patch), pair[1], "-o", str(out)])

    assert code == 0
    assert out.read_bytes() == (tmp_path / "mended.onnx").read_bytes()


def test_patch_fits_an_export_with_other_weights_elsewhere(
    pair: tuple[str, str], patch: Path, tmp_path: Path
) -> None:
    """What no edit speaks of may differ: the model was trained on since."""
    model = onnx.load(pair[1])
    model.metadata_props.add(key="trained", value="later")
    onnx.save(model, tmp_path / "later.onnx")
    out = tmp_path / "replayed.onnx"

    assert main(["apply", str(patch), str(tmp_path / "later.onnx"), "-o", str(out)]) == 0
    assert main(["diff", pair[0], str(out), "-q"]) == 0


def test_patch_refuses_what_it_does_not_expect(
    patch: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that is mended already is not mended twice; nothing is written."""
    out = tmp_path / "twice.onnx"
    code = main(["apply", str(patch), str(tmp_path / "mended.onnx"), "-o", str(out)])

    assert code == 2
    assert "the patch does not fit" in capsys.readouterr().err
    assert not out.exists()


def test_unrelated_model_is_told_from_the_one_it_was_made_for(
    pair: tuple[str, str],
    patch: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both files are named with their digests, what is missing, and the next step."""
    onnx.save(chain(layer("Tanh")), tmp_path / "other.onnx")
    command = ["apply", str(patch), str(tmp_path / "other.onnx")]
    code = main([*command, "-o", str(tmp_path / "out.onnx")])
    said = capsys.readouterr().err

    assert code == 2
    assert f"it was made for {Path(pair[1]).name} (onnx, sha256 " in said
    assert "and this is other.onnx (onnx, sha256 " in said
    assert "finds something else: it has no node" in said
    assert "repair SOURCE other.onnx -o OUT" in said


NO_PATCHES = ["", "[]", '{"schema": "other"}'] + [
    json.dumps({"schema": SCHEMA, "cures": cures})
    for cures in (3, [3], [{"rule": "a", "title": "b", "edits": [3]}])
]


@pytest.mark.parametrize("text", NO_PATCHES)
def test_what_is_no_patch_is_told_so(
    text: str, pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One clear message, and the exit code of a wrong file."""
    path = tmp_path / "wrong.json"
    path.write_text(text, encoding="utf-8")
    code = main(["apply", str(path), pair[1], "-o", str(tmp_path / "o.onnx")])

    assert code == 2
    assert "patch" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["source.onnx", "target.onnx", "mended.onnx"])
def test_patch_never_replaces_a_model(
    place: str, pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even by force: nothing is written, and the models stay as they are."""
    before = [Path(path).read_bytes() for path in pair]
    out = str(tmp_path / "mended.onnx")
    words = ["--patch", str(tmp_path / place), "--force"]
    code = main(["repair", *pair, "-o", out, *words])

    assert code == 2
    assert "is one of the models" in capsys.readouterr().err
    assert [Path(path).read_bytes() for path in pair] == before
    assert not Path(out).exists()


def test_patch_that_exists_is_kept(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without force a file stays what it was."""
    path = tmp_path / "notes.json"
    path.write_text("mine", encoding="utf-8")
    code = main(["repair", *pair, "-o", str(tmp_path / "o.onnx"), "--patch", str(path)])

    assert code == 2
    assert "exists" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == "mine"
