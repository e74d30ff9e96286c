"""A bundle holds each root fault as two small models that anyone can run."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser
from onnx.reference import ReferenceEvaluator

from analyzer.core.errors import ExportError
from analyzer.diff import analyse
from cli import main
from rewriter.bundle import Bundle, write_bundle

NETWORK = """<ir_version: 8, opset_import: ["": 17]>
net (float[1,3,8,8] x) => (float[1,4,8,8] y) {
  a = LeakyRelu<alpha = 0.1>(x)  c = Conv<pads = [1,1,1,1]>(a, w)
  t = Tanh(c)  e = Elu<alpha = 1.5>(t)  y = Add(e, t) }"""

PADDED = ("[1,1,1,1]", "[0,0,2,2]")
SLOPED = ("1.5", "0.7")


@pytest.fixture
def pair(tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """Save a network and a copy with some of its numbers changed; return both paths."""

    def saved(*changes: tuple[str, str]) -> tuple[str, str]:
        text = NETWORK
        for old, new in changes:
            text = text.replace(old, new)
        kernel = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
        for name, written in (("source", NETWORK), ("target", text)):
            model = parser.parse_model(written)
            model.graph.initializer.append(numpy_helper.from_array(kernel, "w"))
            model.producer_name, model.producer_version = "some-converter", "1.2"
            onnx.save(model, tmp_path / f"{name}.onnx")
        return str(tmp_path / "source.onnx"), str(tmp_path / "target.onnx")

    return saved


def replayed(folder: Path) -> subprocess.CompletedProcess[str]:
    """Return what replay.py of a fault says."""
    words = [sys.executable, "-I", str(folder / "replay.py")]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd="/")


def folders(bundle: Path) -> list[Path]:
    """Return the folder of each fault, as the bundle lists them."""
    told = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    return [bundle / fault["folder"] for fault in told["faults"]]


def test_each_fault_has_two_models_of_its_region_that_show_it(
    pair: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """One operator a side, its weights inside; the source is right and the target wrong."""
    main(["diff", *pair(PADDED, SLOPED), "--bundle", str(tmp_path / "b"), "-q"])
    found = folders(tmp_path / "b")

    assert len(found) == 2
    for folder in found:
        for side in ("source", "target"):
            model = onnx.load(folder / side / "model.onnx")
            onnx.checker.check_model(model, full_check=True)
            assert len(model.graph.node) == 1
        answer = replayed(folder)
        assert answer.returncode == 1, answer.stderr
        assert "source: relative error 0" in answer.stdout
        assert "they differ" in answer.stdout


def test_recorded_values_are_a_backend_test(
    pair: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """What onnx.reference makes of the source's inputs is what stands in output_0.pb."""
    main(["diff", *pair(PADDED), "--bundle", str(tmp_path / "b"), "-q"])
    (folder,) = folders(tmp_path / "b")
    sample = folder / "source" / "test_data_set_0"
    given, expected = (
        numpy_helper.to_array(onnx.load_tensor(str(sample / f"{kind}_0.pb")))
        for kind in ("input", "output")
    )
    session = ReferenceEvaluator(str(folder / "source" / "model.onnx"))
    (name,) = session.input_names

    np.testing.assert_allclose(session.run(None, {name: given})[0], expected, rtol=1e-4)


def test_replay_of_a_mended_target_agrees(
    pair: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """With the source's model in the target's place the script exits with 0."""
    main(["diff", *pair(PADDED), "--bundle", str(tmp_path / "b"), "-q"])
    (folder,) = folders(tmp_path / "b")
    right = (folder / "source" / "model.onnx").read_bytes()
    (folder / "target" / "model.onnx").write_bytes(right)
    answer = replayed(folder)

    assert (answer.returncode, answer.stdout.splitlines()[-1]) == (0, "they agree")


def test_issue_text_is_of_this_run(
    pair: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """Cause, numbers, who wrote the file, and after a repair what mends it."""
    paths = pair(PADDED)
    words = ["--dry-run", "--bundle", str(tmp_path / "b"), "-q"]
    main(["repair", *paths, *words])
    (folder,) = folders(tmp_path / "b")
    text = (folder / "issue.md").read_text(encoding="utf-8")

    assert text.startswith("# onnx to onnx: padding shifted at c")
    assert "(0, 0, 2, 2), the source pads (1, 1, 1, 1)." in text
    assert "| written by | some-converter 1.2 | some-converter 1.2 |" in text
    assert "## What mends it" in text
    assert "falls from" in text
    assert f"- onnx {onnx.__version__}" in text
    assert str(tmp_path) not in text


def test_pair_without_a_fault_has_no_bundle(
    pair: Callable[..., tuple[str, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is written, and the last line says so."""
    main(["diff", *pair(), "--bundle", str(tmp_path / "b")])

    assert "no root fault was found, so no bundle is written" in capsys.readouterr().out
    assert not (tmp_path / "b").exists()


def test_bundle_that_is_there_is_replaced_only_when_forced(
    pair: Callable[..., tuple[str, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The message names --force; with it the old faults are gone."""
    main(["diff", *pair(PADDED, SLOPED), "--bundle", str(tmp_path / "b"), "-q"])
    words = ["diff", *pair(PADDED), "--bundle", str(tmp_path / "b"), "-q"]

    assert main(words) == 2
    assert "or pass --force" in capsys.readouterr().err
    assert main([*words, "--force"]) == 1
    assert len(folders(tmp_path / "b")) == 1
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".")]


def test_what_else_is_written_does_not_lie_in_the_bundle(
    pair: Callable[..., tuple[str, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The bundle takes its folder's place: a mended model or a report in it would go."""
    paths, folder = pair(PADDED), tmp_path / "b"
    folder.mkdir()
    out, where = ["-o", str(folder / "out.onnx")], ["--bundle", str(folder)]

    assert main(["repair", *paths, *out, *where]) == 2
    assert main(["diff", *paths, "--report", str(folder), *where]) == 2
    assert capsys.readouterr().err.count("or what else is written") == 2


def test_files_that_came_since_are_not_replaced(
    pair: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """A run takes minutes: what somebody put into the folder by its end stays."""
    paths, folder = pair(PADDED), tmp_path / "b"
    analysis = analyse(*paths)
    folder.mkdir()
    (folder / "mine").write_text("mine", encoding="utf-8")

    with pytest.raises(ExportError, match="other files by now"):
        write_bundle(Bundle(folder), analysis.report, analysis)
    assert (folder / "mine").read_text(encoding="utf-8") == "mine"
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".")]


def test_folder_that_is_no_bundle_is_never_replaced(
    pair: Callable[..., tuple[str, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Not even by force: it may hold anything."""
    paths = pair(PADDED)

    assert main(["diff", *paths, "--bundle", str(tmp_path), "--force"]) == 2
    assert "no bundle of an earlier run" in capsys.readouterr().err
    assert Path(paths[0]).exists()
