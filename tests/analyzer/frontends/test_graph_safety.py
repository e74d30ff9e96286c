"""Nothing of a TensorFlow graph runs that does more than compute, unless it is trusted."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer import pivot
from analyzer.core.errors import LoadError
from analyzer.core.types import Feeds, Pivot
from analyzer.frontends.graph_safety import frozen_dangers, saved_model_dangers

Load = Callable[..., Pivot]
Draw = Callable[..., Feeds]
OPERATORS = {
    "writing": "WriteFile",
    "python": "PyFunc",
    "dataset": "RangeDataset",
    "saving": "SaveV2",
}


@pytest.mark.parametrize("form", ["_saved", ".pb"])
@pytest.mark.parametrize(("name", "operator"), OPERATORS.items())
def test_hostile_graph_is_refused_before_it_runs(
    load: Load, models: Path, name: str, operator: str, form: str
) -> None:
    """Each would write the marker, from the graph or from a function of its library."""
    with pytest.raises(LoadError, match=f"is a {operator}") as refusal:
        load(name + form)

    assert "--trust-code" in refusal.value.hint
    assert not tuple(models.glob("marker*"))


def test_trusted_graph_may_write(
    load: Load, draw: Draw, models: Path, tmp_path: Path
) -> None:
    """With ``--trust-code`` the very same model does what it says: the payload is alive."""
    model = load("writing_saved", trust_code=True)

    model.run_native(draw(model))
    marker = models / "marker"
    assert marker.read_text() == "here"
    marker.rename(tmp_path / "marker")  # other tests look for it


def test_what_every_saved_model_has_is_no_danger(models: Path) -> None:
    """Its functions that save and restore run only when it is saved again."""
    stored = (models / "network_saved" / "saved_model.pb").read_bytes()

    assert b"SaveV2" in stored
    assert not tuple(saved_model_dangers(memoryview(stored)))


def test_link_out_of_the_folder_is_refused(models: Path, tmp_path: Path) -> None:
    """Variables that lie elsewhere are read only of a model that is trusted."""
    copy, elsewhere = tmp_path / "copy", tmp_path / "elsewhere"
    shutil.copytree(models / "network_saved", copy)
    (copy / "variables" / "variables.index").rename(elsewhere)
    (copy / "variables" / "variables.index").symlink_to(elsewhere)

    with pytest.raises(LoadError, match=r"variables/variables\.index, a link out of"):
        pivot.load(str(copy), trust_code=False)


def test_link_to_itself_is_refused(tmp_path: Path) -> None:
    """It leads nowhere, and to follow it would never end."""
    (tmp_path / "saved_model.pb").write_bytes(b"any")
    (tmp_path / "loop").symlink_to("loop")

    with pytest.raises(LoadError, match="loop, a link out of"):
        pivot.load(str(tmp_path), trust_code=False)


def field(number: int, content: bytes) -> bytes:
    """Return a field of a protobuf message that holds bytes, fewer than 128."""
    return bytes([number << 3 | 2, len(content)]) + content


@pytest.mark.parametrize("name", [b"../../etc/passwd", b"/etc/passwd"])
def test_asset_outside_the_folder_is_a_danger(name: bytes) -> None:
    """An asset is a file that the graph reads when it is loaded."""
    model = field(2, field(6, field(2, name)))

    (danger,) = saved_model_dangers(memoryview(model))
    assert danger == f"its asset {name.decode()} lies outside the folder"


def node(name: bytes, op: bytes, *reads: bytes) -> bytes:
    """Return a stored node."""
    return field(1, name) + field(2, op) + b"".join(field(3, read) for read in reads)


def saver(restore: bytes) -> bytes:
    """Return a stored saver, which names the operation that restores."""
    return field(3, field(3, restore))


def test_restoring_may_read_and_must_not_write() -> None:
    """Loading a SavedModel of TensorFlow 1 runs one operation and what it waits for."""
    reading = field(2, field(1, node(b"r", b"RestoreV2")))
    writing = field(
        2, field(1, node(b"r", b"RestoreV2", b"^w")) + field(1, node(b"w", b"SaveV2"))
    )

    assert not tuple(saved_model_dangers(memoryview(field(2, reading + saver(b"r")))))
    assert tuple(saved_model_dangers(memoryview(field(2, writing + saver(b"r")))))


def test_graph_in_two_parts_is_read_as_one() -> None:
    """Protobuf merges what is written twice; a danger must not hide in the second half."""
    parts = field(2, field(1, node(b"a", b"Relu"))) + field(
        2, field(1, node(b"b", b"ReadFile"))
    )

    assert tuple(saved_model_dangers(memoryview(field(2, parts))))


@pytest.mark.parametrize(
    "operator",
    ["ReadVariableOp", "TensorArrayWriteV3", "SparseToDense", "RangeV2", "Print"],
)
def test_operator_that_only_computes_is_no_danger(operator: str) -> None:
    """Names that look alike are told apart."""
    assert not tuple(frozen_dangers(memoryview(field(1, node(b"a", operator.encode())))))


@pytest.mark.parametrize(
    "operator",
    ["ReadFile", "EagerPyFunc", "TFRecordReaderV2", "InitializeTableFromTextFileV2",
     "WriteScalarSummary", "DebugIdentityV3", "ImmutableConst", "Iterator", "RpcCall",
     "Skipgram"],
)  # fmt: skip
def test_operator_that_reaches_out_is_a_danger(operator: str) -> None:
    """Files, Python, datasets and other machines are no part of a model."""
    assert tuple(frozen_dangers(memoryview(field(1, node(b"a", operator.encode())))))
