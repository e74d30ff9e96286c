"""ONNX becomes a torch program that computes, is called and is named as before."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def found(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the export makes of small models, in a process of its own."""
    folder = tmp_path_factory.mktemp("programs")
    command = [sys.executable, "-W", "ignore", str(HERE / "torch_programs.py"), str(folder)]
    within = os.environ | {"PYTHONPATH": str(root)}
    subprocess.run(command, check=True, cwd=root, env=within)
    return dict(json.loads((folder / "found.json").read_text(encoding="utf-8")))


def test_operators_pass_onnx_own_tests(found: dict[str, Any]) -> None:
    """A sample of ONNX's node tests passes at ONNX's own tolerances."""
    assert found["sample"] == []


def test_a_network_keeps_its_names_and_takes_any_batch(found: dict[str, Any]) -> None:
    """Weights keep their dots, statistics are buffers, and other batches run."""
    made = found["convolutional"]

    assert made["notes"] == []
    assert made["parameters"] == ["stem.weight", "norm.weight", "norm.bias"]
    assert set(made["state"]) == {*made["parameters"], "norm.mean", "norm.var"}
    assert made["error"] < 1e-6
    assert made["alone"] == [1, 4, 7, 7]


def test_a_reshape_by_the_own_size_stays_dynamic(found: dict[str, Any]) -> None:
    """What is reckoned from the batch's size is no value that the program depends on."""
    assert found["shaped"] == [7, 6]


def test_a_program_is_called_as_the_own_one_was(found: dict[str, Any]) -> None:
    """An argument stays one by name, and a dictionary a dictionary."""
    assert found["like"] == ["total: 0"]


def test_every_operator_that_lacks_is_named(found: dict[str, Any]) -> None:
    """The refusal names all of them, and what to do."""
    assert found["unknown"] == (
        "the export to torch has no operator own:Nobody, own:None_\n"
        "  next: the repaired model is whole as ONNX: give OUT the suffix .onnx"
    )


def test_names_that_torch_cannot_have_are_mangled(found: dict[str, Any]) -> None:
    """A name of two words becomes one, and no two weights share a name."""
    assert found["names"] == ["a_b_0", "a", "a_.b"]
