"""A written model holds what the user's held, laid out as it was."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from analyzer.core.errors import ExportError
from analyzer.core.types import SetConstant
from analyzer.runtime.skeleton import read_skeleton
from rewriter import surgeon
from rewriter.export import onnx_file

LARGE = (64, 64)
"""16 KiB of float32: large enough to leave a skeleton."""


def model() -> onnx.ModelProto:
    """Two matrix products, one weight an initializer and one a Constant node."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, *LARGE)).astype(np.float32)
    value = numpy_helper.from_array(second)
    constant = helper.make_node("Constant", [], ["w2"], value=value)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], "first"),
        constant,
        helper.make_node("MatMul", ["h", "w2"], ["y"], "second", doc_string="the last"),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 64]) for name in "xy"
    ]
    graph = helper.make_graph(
        nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(first, "w")]
    )
    result = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )
    result.metadata_props.add(key="author", value="someone")
    return result


def spelt(path: Path) -> bytes:
    """Return a file's own proto, external values not loaded, in one certain form."""
    proto = onnx.load(path, load_external_data=False)
    return proto.SerializeToString(deterministic=True)


def test_round_trip_without_edits_is_the_same_model(tmp_path: Path) -> None:
    """Embedded weights are embedded again; nothing else differs either."""
    onnx.save(model(), tmp_path / "a.onnx")

    onnx_file.write(
        tmp_path / "a.onnx", read_skeleton(tmp_path / "a.onnx"), tmp_path / "b.onnx"
    )

    assert spelt(tmp_path / "b.onnx") == spelt(tmp_path / "a.onnx")


def test_edited_weight_is_written_and_the_other_copied(tmp_path: Path) -> None:
    """Only the new value differs from the user's file."""
    onnx.save(model(), tmp_path / "a.onnx")
    edit = SetConstant("first", 1, np.ones(LARGE, np.float32))
    edited = surgeon.apply(read_skeleton(tmp_path / "a.onnx"), tmp_path, (edit,))

    onnx_file.write(tmp_path / "a.onnx", edited, tmp_path / "b.onnx")

    expected = model()
    expected.graph.initializer[0].raw_data = np.ones(LARGE, np.float32).tobytes()
    assert onnx.load(tmp_path / "b.onnx") == expected


def save_external(folder: Path) -> Path:
    """Return the path of a model whose initializer stands in weights.bin."""
    onnx.save(
        model(),
        folder / "a.onnx",
        save_as_external_data=True,
        location="weights.bin",
        convert_attribute=False,
    )
    return folder / "a.onnx"


def test_external_data_stay_shared_in_the_same_folder(tmp_path: Path) -> None:
    """Beside the user's model the same weights file serves both."""
    original = save_external(tmp_path)

    onnx_file.write(original, read_skeleton(original), tmp_path / "b.onnx")

    assert spelt(tmp_path / "b.onnx") == spelt(original)
    assert {path.name for path in tmp_path.iterdir()} == {"a.onnx", "b.onnx", "weights.bin"}


def test_external_data_travel_to_another_folder(tmp_path: Path) -> None:
    """Elsewhere the weights file is copied along under its name."""
    original = save_external(tmp_path)
    (tmp_path / "there").mkdir()

    onnx_file.write(original, read_skeleton(original), tmp_path / "there" / "b.onnx")

    assert spelt(tmp_path / "there" / "b.onnx") == spelt(original)
    assert onnx.load(tmp_path / "there" / "b.onnx") == onnx.load(original)


def test_foreign_side_file_is_not_replaced(tmp_path: Path) -> None:
    """Another model's weights of the same name stop the export."""
    original = save_external(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "weights.bin").write_bytes(b"of another model")
    out = tmp_path / "there" / "b.onnx"

    with pytest.raises(ExportError, match=r"weights\.bin exists"):
        onnx_file.write(original, read_skeleton(original), out)

    assert not out.exists()
    assert (tmp_path / "there" / "weights.bin").read_bytes() == b"of another model"


def test_model_that_outgrows_a_proto_gets_a_side_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond what protobuf reads back, new weights stand in one file beside."""
    monkeypatch.setattr(onnx_file, "LARGEST", 10_000)
    onnx.save(model(), tmp_path / "a.onnx")

    onnx_file.write_whole(read_skeleton(tmp_path / "a.onnx"), tmp_path, tmp_path / "b.onnx")

    assert (tmp_path / "b.onnx").stat().st_size < 10_000
    assert (tmp_path / "b.onnx.data").stat().st_size == 2 * 64 * 64 * 4
    whole = onnx.load(tmp_path / "b.onnx")
    assert whole.graph.initializer[0].raw_data == model().graph.initializer[0].raw_data


def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """A weight that cannot be read stops the export; neither OUT nor a part of it stays."""
    onnx.save(model(), tmp_path / "a.onnx")
    skeleton = read_skeleton(tmp_path / "a.onnx")
    (tmp_path / "a.onnx").write_bytes(b"cut short")

    with pytest.raises(ExportError, match="became shorter"):
        onnx_file.write(tmp_path / "a.onnx", skeleton, tmp_path / "b.onnx")

    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
