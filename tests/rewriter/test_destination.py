"""An OUT that cannot or must not be written is refused before anything is loaded."""

from pathlib import Path

import pytest

from analyzer.core.errors import UsageError
from rewriter.destination import check_destination, may_write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two models."""
    for name in ("source.keras", "target.tflite"):
        (tmp_path / name).write_bytes(b"a model")
    return tmp_path


def check(
    folder: Path, out: str, *, target: str = "target.tflite", force: bool = False
) -> None:
    """Check an OUT beside the models."""
    check_destination(
        str(folder / "source.keras"), str(folder / target), folder / out, force=force
    )


def test_own_format_and_onnx_are_taken(folder: Path) -> None:
    """A TFLite target is written as TFLite or as ONNX."""
    check(folder, "out.tflite")
    check(folder, "out.onnx")


def test_other_format_is_refused(folder: Path) -> None:
    """The refusal names both suffixes that would do."""
    with pytest.raises(UsageError, match=r"\.tflite or \.onnx"):
        check(folder, "out.keras")


def test_code_is_offered_a_program_and_onnx(folder: Path) -> None:
    """What a user's code builds has no file of its own; what is written is named."""
    (folder / "model.py").write_text("")

    with pytest.raises(UsageError, match=r"is written as \.pt2 or \.onnx"):
        check(folder, "out.py", target="model.py:build")


def test_script_that_is_there_wants_force(folder: Path) -> None:
    """The script that may go beside OUT is no more written over than OUT itself."""
    (folder / "model.py").write_text("")
    (folder / "out_patch.py").write_text("")

    with pytest.raises(UsageError, match=r"out_patch\.py exists"):
        check(folder, "out.pt2", target="model.py:build")
    check(folder, "out.onnx", target="model.py:build")


def test_script_is_never_written_over_the_code_of_a_model(folder: Path) -> None:
    """An earlier script may build the target: the new one does not take its place."""
    (folder / "out_patch.py").write_text("")

    with pytest.raises(UsageError, match=r"out_patch\.py is the TARGET"):
        check(folder, "out.pt2", target=f"{folder / 'out_patch.py'}:factory", force=True)


def test_file_that_is_there_wants_force(folder: Path) -> None:
    """An existing OUT is replaced only when that is asked for."""
    (folder / "out.onnx").write_bytes(b"")

    with pytest.raises(UsageError, match="exists"):
        check(folder, "out.onnx")
    check(folder, "out.onnx", force=True)


def test_missing_folder_is_refused(folder: Path) -> None:
    """A folder that is not there is not made silently."""
    with pytest.raises(UsageError, match="does not exist"):
        check(folder, "nowhere/out.onnx")


def test_folder_as_out_is_refused(folder: Path) -> None:
    """OUT names a file."""
    (folder / "out.onnx").mkdir()

    with pytest.raises(UsageError, match="is a folder"):
        check(folder, "out.onnx")


def test_hard_link_to_the_target_is_the_target(folder: Path) -> None:
    """Two names of one file are one file."""
    (folder / "other.tflite").hardlink_to(folder / "target.tflite")

    with pytest.raises(UsageError, match="is the TARGET"):
        check(folder, "other.tflite", force=True)


@pytest.fixture
def saved(folder: Path) -> Path:
    """The same folder, with a SavedModel in it."""
    (folder / "model").mkdir()
    (folder / "model" / "saved_model.pb").write_bytes(b"a graph")
    return folder


def test_saved_model_that_is_there_is_replaced_by_force(saved: Path) -> None:
    """A folder that holds what TensorFlow writes, and nothing else, may go."""
    (saved / "old").mkdir()
    (saved / "old" / "saved_model.pb").write_bytes(b"a graph")

    check(saved, "old", target="model", force=True)
    with pytest.raises(UsageError, match="exists"):
        check(saved, "old", target="model")


@pytest.mark.parametrize("is_model", [False, True])
def test_folder_with_other_files_is_never_replaced(saved: Path, is_model: bool) -> None:  # noqa: FBT001
    """Whatever else lies in a folder would go with it, by force too."""
    (saved / "own").mkdir()
    (saved / "own" / "notes.txt").write_text("written by hand")
    if is_model:
        (saved / "own" / "saved_model.pb").write_bytes(b"a graph")

    with pytest.raises(UsageError, match="is a folder"):
        check(saved, "own", target="model", force=True)


def test_folder_around_a_model_is_never_replaced(saved: Path) -> None:
    """An OUT that holds the target would take it away."""
    with pytest.raises(UsageError, match="holds the SOURCE"):
        check(saved, "../" + saved.name, target="model", force=True)


def test_place_inside_the_target_is_refused(saved: Path) -> None:
    """A target that is a folder is not touched inside either."""
    with pytest.raises(UsageError, match="lies in the TARGET"):
        check(saved, "model/mended", target="model")


def test_file_that_nobody_named_is_no_model_of_the_pair(folder: Path) -> None:
    """The .onnx beside OUT may be the source itself, which no force lets go."""
    models = folder / "source.keras", folder / "target.tflite"
    (folder / "other.onnx").write_bytes(b"")

    assert may_write(models, folder / "new.onnx", force=False)
    assert may_write(models, folder / "other.onnx", force=True)
    assert not may_write(models, folder / "other.onnx", force=False)
    assert not may_write(models, models[0], force=True)
