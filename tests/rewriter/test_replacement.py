"""What a repair kept, in the words of the converter that made the target."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import parser

from analyzer.core.errors import UsageError
from analyzer.core.options import Options
from analyzer.core.report import Verdict
from analyzer.frontends.child.client import WarmChildren
from analyzer.pivot import load
from rewriter.export import tflite_file
from rewriter.export.onnx_file import write_whole
from rewriter.repair import repair
from rewriter.replacement import NAME, told_beside
from rules.discovery import ours

FEW = Options(samples=4)


@pytest.fixture(scope="module")
def source(
    keras_folder: Path, warm: WarmChildren, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The network as an .onnx file that names its nodes."""
    assert warm is not None
    path = tmp_path_factory.mktemp("source") / "source.onnx"
    pivot = load(str(keras_folder / "net.tflite"), trust_code=False)
    write_whole(pivot.model, pivot.folder, path)
    return path


@pytest.fixture
def target(keras_folder: Path, tmp_path: Path) -> Path:
    """A conversion with a wrong order of axes and a wrong slope, which names its maker."""
    flatbuffer = tflite_file.read(keras_folder / "net.tflite")
    kinds = {tflite_file.kind(flatbuffer, one): one for one in flatbuffer.graph.operators}
    straight = np.array([0, 1, 2, 3], np.int32)
    tflite_file.set_value(flatbuffer, kinds["TRANSPOSE"], 1, straight)
    tflite_file.set_option(kinds["LEAKY_RELU"], "alpha", 0.6)
    flatbuffer.model.description = "onnx2tf flatbuffer_direct"
    path = tmp_path / "target.tflite"
    path.write_bytes(tflite_file.packed(flatbuffer))
    return path


def test_tflite_file_that_names_its_maker_gets_the_file_unasked(
    source: Path, target: Path, tmp_path: Path
) -> None:
    """The permutation is the file's, the node the source's; a slope it has no words for."""
    out, patch = tmp_path / "out.tflite", tmp_path / "patch.json"

    report = repair(str(source), str(target), out, options=FEW, rules=ours(), patch=patch)

    assert report.verdict is Verdict.REPAIRED
    found = json.loads((tmp_path / NAME).read_text(encoding="utf-8"))
    turn = next(
        node.name
        for node in onnx.load(source).graph.node
        if node.op_type == "Transpose" and "turn" in node.name
    )
    assert found["operations"] == [
        {
            "op_name": turn,
            "param_target": "attributes",
            "param_name": "perm",
            "values": [0, 2, 1, 3],
        }
    ]
    assert found["format_version"] == 1
    assert ["alpha" in title or "slope" in title for title in found["left_out"]] == [True]
    said = told_beside(patch, report.target.sha256)
    assert said.endswith("for onnx2tf -prf: 1 operation; it has no words for 1 fix")


def test_file_that_is_there_is_not_replaced(
    source: Path, target: Path, tmp_path: Path
) -> None:
    """Whoever wrote one by hand keeps it."""
    (tmp_path / NAME).write_text("mine", encoding="utf-8")
    paths, out = (str(source), str(target)), tmp_path / "out.tflite"

    with pytest.raises(UsageError, match="which goes beside the patch, exists"):
        repair(*paths, out, options=FEW, rules=ours(), patch=tmp_path / "patch.json")
    assert (tmp_path / NAME).read_text(encoding="utf-8") == "mine"


FOLDER = Path(__file__).parent
EXCHANGED = {
    "op_name": "transpose_1",
    "param_target": "attributes",
    "param_name": "perm",
    "values": [0, 2, 1, 3],
}
TURNED = {
    "op_name": "add_3",
    "param_target": "inputs",
    "param_name": "m",
    "pre_process_transpose_perm": [0, 2, 1],
}


@pytest.mark.parametrize(
    ("name", "operations"),
    [
        ("gather", [EXCHANGED]),
        ("add", [TURNED]),
    ],
)
def test_operator_laid_wrongly_is_told_how_to_lie(
    name: str,
    operations: list[dict[str, object]],
    warm: WarmChildren,
    tmp_path: Path,
) -> None:
    """With the file onnx2tf 1.29.24 converts both rightly, to a millionth of the output.

    What it wrote without: ``gather`` takes channels of an image whose height and width were
    exchanged, along the width; ``add`` takes a matrix and its transpose for the same.
    """
    assert warm is not None
    paths = str(FOLDER / f"laid_{name}.onnx"), str(FOLDER / f"laid_{name}.tflite")
    out, patch = tmp_path / "out.tflite", tmp_path / "patch.json"

    report = repair(*paths, out, options=FEW, rules=ours(), patch=patch, onnx2tf=True)

    assert report.verdict is Verdict.REPAIRED
    found = json.loads((tmp_path / NAME).read_text(encoding="utf-8"))
    assert found["operations"] == operations
    assert found["left_out"] == []


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    """Two ONNX files."""
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 17]>
        net (float[1,4] x) => (float[1,4] y) { y = Tanh(x) }""")
    for name in ("source.onnx", "target.onnx"):
        onnx.save(model, tmp_path / name)
    return str(tmp_path / "source.onnx"), str(tmp_path / "target.onnx")


def test_word_without_a_patch_is_refused(pair: tuple[str, str], tmp_path: Path) -> None:
    """There is no place for the file."""
    with pytest.raises(UsageError, match="beside the patch, and none is named"):
        repair(*pair, tmp_path / "out.onnx", rules=(), onnx2tf=True)


def test_pair_that_it_cannot_have_made_is_refused(
    pair: tuple[str, str], tmp_path: Path
) -> None:
    """What it writes is .tflite: the message says what the files are."""
    patch = tmp_path / "patch.json"

    with pytest.raises(UsageError, match="SOURCE is onnx and TARGET onnx"):
        repair(*pair, tmp_path / "out.onnx", rules=(), patch=patch, onnx2tf=True)


def test_patch_does_not_bear_its_name(source: Path, target: Path, tmp_path: Path) -> None:
    """One of the two would be written over the other."""
    paths, out = (str(source), str(target)), tmp_path / "out.tflite"

    with pytest.raises(UsageError, match="bears the name of onnx2tf's own file"):
        repair(*paths, out, options=FEW, rules=ours(), patch=tmp_path / NAME)
