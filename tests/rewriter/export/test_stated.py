"""What a written file states otherwise than the target's is listed, format by format."""

import json
from pathlib import Path
from zipfile import ZipFile

import onnx
import pytest
from onnx import helper

from rewriter.export import own_format
from rules.models import chain, layer


def facts(path: Path) -> dict[str, str]:
    """Return what a file states, as a report compares it."""
    own = own_format(str(path))
    assert own is not None
    return dict(own.facts(path))


def test_metadata_and_producer_of_onnx_are_told(tmp_path: Path) -> None:
    """Another value of one key shows, and nothing else."""
    model = chain(layer("Relu"))
    model.producer_name = "own"
    files = [tmp_path / f"{value}.onnx" for value in ("one", "other")]
    for path in files:
        helper.set_model_props(model, {"labels": path.stem})
        onnx.save(model, path)
    one, other = map(facts, files)

    assert one["producer"] == "own"
    assert {name for name in one if one[name] != other[name]} == {"metadata labels"}


def test_training_of_a_keras_archive_is_told(tmp_path: Path) -> None:
    """Who wrote it, how it is trained and what lies beside it; not what its layers are."""
    path = tmp_path / "model.keras"
    with ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {}, "compile_config": 1}))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.0"}))
        archive.writestr("model.weights.h5", b"")
        archive.writestr("assets/words.txt", b"a b")

    told = {"keras version", "training configuration", "member assets/words.txt"}
    assert set(facts(path)) == told
    assert facts(path)["keras version"] == "3.0"


def test_attributes_of_an_hdf5_file_are_told(tmp_path: Path) -> None:
    """All but the layers, and which groups there are."""
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = "{}"
        file.attrs["keras_version"] = "3.0"
        file.create_group("optimizer_weights")

    assert facts(path) == {"keras version": "3.0", "groups": "optimizer_weights"}


def test_signatures_of_a_saved_model_are_told(tmp_path: Path) -> None:
    """Every signature by its name, with its inputs and outputs, and the files beside."""
    tf = pytest.importorskip("tensorflow")
    module = tf.Module()
    shape = tf.TensorSpec([None, 3], tf.float32, name="rows")
    module.twice = tf.function(lambda rows: {"twice": rows + rows}, [shape])
    module.none = tf.function(lambda rows: {"none": rows - rows}, [shape])
    folder = tmp_path / "model"
    signatures = {"twice": module.twice, "none": module.none}
    tf.saved_model.save(module, str(folder), signatures)
    (folder / "assets" / "words.txt").write_text("a b")
    told = facts(folder)

    assert told["signature twice"] == "rows -> twice"
    assert told["signature none"] == "rows -> none"
    assert "file assets/words.txt" in told


def test_files_beside_a_torch_program_are_told(tmp_path: Path) -> None:
    """What was saved with it, by its name and a digest of its bytes."""
    path = tmp_path / "program.pt2"
    with ZipFile(path, "w") as archive:
        archive.writestr("program/extra/labels.txt", b"cat dog")
        archive.writestr("program/models/model.json", b"{}")

    assert list(facts(path)) == ["member extra/labels.txt"]
