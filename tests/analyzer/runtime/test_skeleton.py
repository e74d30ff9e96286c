"""A skeleton is the user's file without its weights, and nothing else is changed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from analyzer.core.errors import LoadError
from analyzer.core.tensors import tensor_value
from analyzer.runtime.session import open_session
from analyzer.runtime.skeleton import SMALLEST_SCANNED, embed, read_skeleton

Build = Callable[..., onnx.ModelProto]

WEIGHT = np.arange(1000, dtype=np.float32)
ONE = np.float32([1.0])


@pytest.fixture
def saved(tmp_path: Path, build: Build) -> Path:
    """A file ``y = x + w`` whose weight has 4000 bytes."""
    model = build([helper.make_node("Add", ["x", "w"], ["y"], name="sum")], w=WEIGHT)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_weight_stays_in_the_file(saved: Path) -> None:
    """The proto points into the file, and holds a fraction of its bytes."""
    model = read_skeleton(saved)

    weight = model.graph.initializer[0]
    entries = {entry.key: entry.value for entry in weight.external_data}
    assert model.ByteSize() < 1000
    assert entries["location"] == "model.onnx"
    assert entries["length"] == "4000"
    assert tensor_value(weight, saved.parent).tolist() == WEIGHT.tolist()


def test_skeleton_runs_like_the_file(saved: Path) -> None:
    """The runtime maps the weights out of the user's file."""
    session = open_session(read_skeleton(saved), saved.parent)

    assert session.run({"x": ONE})["y"].tolist() == (WEIGHT + 1).tolist()


def test_embedding_gives_the_file_back(saved: Path) -> None:
    """Skeleton and weights together are what was read."""
    whole = embed(read_skeleton(saved), saved.parent)

    assert whole == onnx.load(saved)


def test_small_weights_stay_in_the_proto(tmp_path: Path, chain: onnx.ModelProto) -> None:
    """A weight smaller than its reference is not moved."""
    path = tmp_path / "small.onnx"
    path.write_bytes(chain.SerializeToString())

    assert read_skeleton(path) == chain


def test_large_constant_node_is_moved_too(tmp_path: Path, build: Build) -> None:
    """A megabyte in a Constant node stays in the file, and still runs."""
    value = numpy_helper.from_array(np.ones(SMALLEST_SCANNED, np.float32))
    nodes = [
        helper.make_node("Constant", [], ["w"], value=value),
        helper.make_node("Add", ["x", "w"], ["y"]),
    ]
    path = tmp_path / "constant.onnx"
    path.write_bytes(build(nodes).SerializeToString())
    model = read_skeleton(path)

    assert model.ByteSize() < 1000
    assert open_session(model, tmp_path).run({"x": ONE})["y"][-1] == 2.0


def test_linked_file_keeps_its_weights_in_the_proto(saved: Path) -> None:
    """The runtime follows no link out of the folder, so nothing points through one."""
    folder = saved.parent / "links"
    folder.mkdir()
    link = folder / "model.onnx"
    link.symlink_to(saved)

    model = read_skeleton(link)
    assert not model.graph.initializer[0].external_data
    assert open_session(model, folder).run({"x": ONE})["y"][0] == 1.0


def external(location: str, folder: Path, *, offset: str = "0") -> Path:
    """Return a file whose weight of 4000 bytes is said to be at a location."""
    weight = onnx.TensorProto(
        name="w",
        data_type=TensorProto.FLOAT,
        dims=[1000],
        data_location=TensorProto.EXTERNAL,
    )
    weight.external_data.add(key="location", value=location)
    weight.external_data.add(key="offset", value=offset)
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1000])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    path = folder / "external.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_external_data_of_the_user_stay_as_they_are(tmp_path: Path) -> None:
    """A reference that was there is not touched."""
    (tmp_path / "sub").mkdir()
    WEIGHT.tofile(tmp_path / "sub" / "w.bin")
    model = read_skeleton(external("sub/w.bin", tmp_path))

    assert model.graph.initializer[0].external_data[0].value == "sub/w.bin"
    assert open_session(model, tmp_path).run({"x": ONE})["y"][1] == 2.0


@pytest.mark.parametrize(
    "location", ["../w.bin", "/etc/hostname", "", "link.bin", "a/../b"]
)
def test_external_data_outside_the_folder_are_refused(
    tmp_path: Path, location: str
) -> None:
    """Neither dots, nor an absolute path, nor a link leads out of the model's folder."""
    inner = tmp_path / "inner"
    inner.mkdir()
    WEIGHT.tofile(tmp_path / "w.bin")
    (inner / "link.bin").symlink_to(tmp_path / "w.bin")

    with pytest.raises(LoadError, match=r"initializer w .*outside the model's folder"):
        read_skeleton(external(location, inner))


def test_missing_external_data_are_named(tmp_path: Path) -> None:
    """The message has the initializer, the file and the next step."""
    with pytest.raises(LoadError, match=r"initializer w .*gone\.bin") as caught:
        read_skeleton(external("gone.bin", tmp_path))
    assert "back beside it" in caught.value.hint


@pytest.mark.parametrize("offset", ["400", "-4", "many"])
def test_external_data_that_do_not_fill_the_weight_are_refused(
    tmp_path: Path, offset: str
) -> None:
    """Neither behind the file's end, nor before its start, nor at no number."""
    WEIGHT.tofile(tmp_path / "w.bin")

    with pytest.raises(LoadError, match="initializer w"):
        read_skeleton(external("w.bin", tmp_path, offset=offset))


def test_truncated_file_is_refused(saved: Path) -> None:
    """Cut anywhere, a file is either refused or said to be damaged."""
    content = saved.read_bytes()
    cut = saved.parent / "cut.onnx"
    for length in range(1, len(content), 97):
        cut.write_bytes(content[:length])

        with pytest.raises(LoadError):
            read_skeleton(cut)


@pytest.mark.parametrize("content", [b"", b"\x00", b"PK\x03\x04", b"not a model" * 99])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, a zero, a zip or a text: one message with a next step."""
    path = tmp_path / "other.onnx"
    path.write_bytes(content)

    with pytest.raises(LoadError) as caught:
        read_skeleton(path)
    assert caught.value.hint


def test_random_bytes_never_escape_as_another_error(tmp_path: Path) -> None:
    """A hundred seeded strings of random bytes are all refused."""
    rng = np.random.default_rng(0)
    path = tmp_path / "random.onnx"
    for size in range(1, 101):
        path.write_bytes(rng.bytes(size))

        with pytest.raises(LoadError):
            read_skeleton(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """A path to nothing is no traceback."""
    with pytest.raises(LoadError, match="cannot be read"):
        read_skeleton(tmp_path / "nothing.onnx")


def test_missing_data_are_found_when_embedding(saved: Path) -> None:
    """A file that went away after loading is named."""
    model = read_skeleton(saved)
    saved.unlink()

    with pytest.raises(LoadError, match="initializer w"):
        embed(model, saved.parent)
