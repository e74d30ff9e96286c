"""A path finds its frontend, or hears which forms are read."""

from pathlib import Path

import pytest

from analyzer import pivot
from analyzer.core.errors import LoadError
from analyzer.frontends import needed
from analyzer.frontends.base import find_frontend


@pytest.mark.parametrize(
    ("path", "framework"),
    [
        ("a/b.onnx", "onnx"),
        ("m.keras", "keras"),
        ("old.H5", "keras"),
        ("frozen.pb", "tensorflow"),
        ("m.tflite", "tflite"),
        ("program.pt2", "torch"),
        ("nets/zoo.py:resnet", "torch"),
    ],
)
def test_path_finds_its_frontend(path: str, framework: str) -> None:
    """The form of the path alone decides, in either case of letters."""
    assert find_frontend(path).framework == framework


def test_folder_is_taken_for_a_saved_model(tmp_path: Path) -> None:
    """A folder has no suffix to tell it by."""
    assert find_frontend(str(tmp_path)).framework == "tensorflow"


@pytest.mark.parametrize("path", ["model.xyz", "model", "zoo.py", "zoo.py:", "zoo.py:1a"])
def test_unknown_form_hears_what_is_read(path: str) -> None:
    """The hint lists every form, so that the user need not look it up."""
    with pytest.raises(LoadError, match=r"no frontend reads.*no such file") as refusal:
        find_frontend(path)

    assert ".onnx, " in refusal.value.hint
    assert "file.py:factory" in refusal.value.hint


@pytest.mark.parametrize("name", ["m.onnx", "m.keras", "m.h5", "m.pb", "m.tflite", "m.pt2"])
def test_missing_file_is_said_to_be_missing(tmp_path: Path, name: str) -> None:
    """Every frontend says so before it starts anything."""
    with pytest.raises(LoadError, match="there is no such file"):
        pivot.load(str(tmp_path / name), trust_code=False)


@pytest.mark.parametrize("name", ["m.onnx", "m.keras", "m.h5", "m.pb", "m.tflite", "m.pt2"])
def test_empty_file_is_said_to_be_empty(tmp_path: Path, name: str) -> None:
    """An interrupted download leaves one."""
    (tmp_path / name).touch()

    with pytest.raises(LoadError, match="is empty"):
        pivot.load(str(tmp_path / name), trust_code=False)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("network.keras", "pip install 'pivotfix[tensorflow]'"),
        ("network.pb", "pip install 'pivotfix[tensorflow]'"),
        ("network_saved", "pip install 'pivotfix[tensorflow]'"),
        ("network.tflite", "pip install 'pivotfix[tflite]'"),
        ("network.pt2", "pip install 'pivotfix[torch]'"),
    ],
)
def test_missing_extra_gives_the_line_that_installs_it(
    models: Path, monkeypatch: pytest.MonkeyPatch, name: str, line: str
) -> None:
    """The hint can be pasted into a shell."""
    monkeypatch.setattr(needed, "find_spec", lambda _: None)

    with pytest.raises(LoadError, match="not installed here") as refusal:
        pivot.load(str(models / name), trust_code=False)
    assert refusal.value.hint.startswith(line)
