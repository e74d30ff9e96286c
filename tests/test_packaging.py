"""What a user installs works alone, and a bare checkout says what it lacks."""

import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

SOURCES = ("analyzer", "rewriter", "rules")
FILES = ("cli.py", "pyproject.toml", "README.md", "LICENSE")
OPSET = 18
IR_VERSION = 10
"""Older than what onnx writes by default: every allowed ONNX Runtime reads it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said, and its exit code."""

    code: int
    text: str


def say(*command: str | Path, folder: Path) -> Answer:
    """Return what a command prints, both streams together, run in a folder of its own."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return Answer(done.returncode, done.stdout + done.stderr)


def pip(*words: str | Path, folder: Path) -> None:
    """Run this environment's pip, and show what it said where it fails."""
    answer = say(sys.executable, "-m", "pip", "--quiet", *words, folder=folder)
    assert answer.code == 0, answer.text


@pytest.fixture(scope="session")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that the checkout stays as it is."""
    copy = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        shutil.copytree(
            root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in FILES:
        shutil.copy(root / name, copy / name)
    pip(
        "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", copy, copy, folder=copy
    )
    return next(copy.glob("pivotfix-*.whl"))


@pytest.fixture(scope="session")
def installed(root: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``pivotfix`` command where only the wheel and its core are installed."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    python, pins = home / "bin" / "python", root / "constraints.txt"
    pip("--python", python, "install", "--constraint", pins, wheel, folder=home)
    return home / "bin" / "pivotfix"


def scaled(path: Path, scale: float) -> Path:
    """Write a model of one Mul and one Relu, and return its path."""
    factor = numpy_helper.from_array(np.full(4, scale, np.float32), "scale")
    nodes = [
        helper.make_node("Mul", ["x", "scale"], ["product"], "scaling"),
        helper.make_node("Relu", ["product"], ["y"], "activation"),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
    graph = helper.make_graph(nodes, "scaled", ends[:1], ends[1:], [factor])
    opsets = [helper.make_opsetid("", OPSET)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION), path)
    return path


def test_wheel_holds_every_file_of_the_product(root: Path, wheel: Path) -> None:
    """Each module, the report's schema and the typing marks are packed; no test is."""
    wanted = {
        path.relative_to(root).as_posix()
        for name in SOURCES
        for pattern in ("*.py", "*.json", "*.j2", "py.typed")
        for path in (root / name).rglob(pattern)
    }
    packed = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert wanted - packed == set()
    assert packed - wanted <= {"cli.py", "rules/README.md"}


def test_wheel_gives_a_command(installed: Path, tmp_path: Path) -> None:
    """``pivotfix --help`` answers where nothing but the wheel's core is installed."""
    answer = say(installed, "--help", folder=tmp_path)

    assert answer.code == 0, answer.text
    assert "repair" in answer.text


def test_installed_command_calls_a_copy_equivalent(installed: Path, tmp_path: Path) -> None:
    """A model is equivalent to its own copy, exit 0, with no framework installed."""
    source, target = scaled(tmp_path / "a.onnx", 2.0), scaled(tmp_path / "b.onnx", 2.0)
    answer = say(installed, "diff", source, target, folder=tmp_path)

    assert answer.code == 0, answer.text
    assert "equivalent" in answer.text.lower()


def test_installed_command_brings_its_rules(installed: Path, tmp_path: Path) -> None:
    """A changed weight is named by a rule of the wheel's own, exit 1."""
    source, target = scaled(tmp_path / "a.onnx", 2.0), scaled(tmp_path / "b.onnx", 3.0)
    answer = say(installed, "diff", source, target, "--report", "out", folder=tmp_path)

    assert answer.code == 1, answer.text
    assert '"rule": "unexplained"' not in (tmp_path / "out" / "report.json").read_text()


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("model.keras", "tensorflow"),
        ("model.pb", "tensorflow"),
        ("model.pt2", "torch"),
        ("model.tflite", "tflite"),
    ],
)
def test_missing_framework_is_named(
    installed: Path, root: Path, tmp_path: Path, name: str, extra: str
) -> None:
    """A file whose framework is not installed gives the line that installs it, exit 2."""
    suffix = Path(name).suffix
    shutil.copy(next((root / "tests" / "cases").glob(f"*/*{suffix}")), tmp_path / name)
    target = scaled(tmp_path / "b.onnx", 2.0)
    answer = say(installed, "diff", name, target, folder=tmp_path)

    assert answer.code == 2, answer.text
    assert "Traceback" not in answer.text
    assert "pip install" in answer.text
    assert extra in answer.text


def archive(path: Path, member: str) -> None:
    """Write an archive as torch names its members."""
    with ZipFile(path, "w") as new:
        new.writestr(f"model/{member}", b"\x80\x02}q\x00.")


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("model.h5", "tensorflow"),
        ("saved", "tensorflow"),
        ("script.pt", "torch"),
        ("weights.pth", "torch"),
        ("code.py:build", "torch"),
    ],
)
def test_missing_framework_is_named_for_every_other_form(
    installed: Path, tmp_path: Path, name: str, extra: str
) -> None:
    """What is looked at before a framework is asked ends in the pip line too, exit 2."""
    (tmp_path / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"\x08\x01\x12\x00")
    archive(tmp_path / "script.pt", "constants.pkl")
    archive(tmp_path / "weights.pth", "data.pkl")
    (tmp_path / "code.py").write_text("def build(): ...\n")
    target = scaled(tmp_path / "b.onnx", 2.0)
    trusted = ("--trust-code", "--model", "code.py:build")
    answer = say(installed, "diff", name, target, *trusted, folder=tmp_path)

    assert answer.code == 2, answer.text
    assert "Traceback" not in answer.text
    assert f"pip install 'pivotfix[{extra}]'" in answer.text


def test_bare_checkout_says_how_to_install(root: Path, tmp_path: Path) -> None:
    """``python cli.py`` without its dependencies names what installs them, exit 2."""
    answer = say(sys.executable, "-S", root / "cli.py", "diff", "a", "b", folder=tmp_path)

    assert answer.code == 2, answer.text
    assert "Traceback" not in answer.text
    assert "pip install" in answer.text
    assert "make" in answer.text
