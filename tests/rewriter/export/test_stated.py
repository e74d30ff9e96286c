"""What a written file states otherwise than the one it was made from."""

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import parser

from analyzer.core.types import Pivot
from analyzer.pivot import load
from rewriter.export.stated import changed

TEXT = """<ir_version: 8, opset_import: ["": 17]>
g (float[n, 3] x) => (float[n, 3] %s) {%s = Relu(x)}
"""


@pytest.fixture
def before(tmp_path: Path) -> Pivot:
    """A small model."""
    return written(tmp_path / "before.onnx", "y")


def written(path: Path, output: str) -> Pivot:
    """Return a model whose output has a name."""
    onnx.save(parser.parse_model(TEXT % (output, output)), path)
    return load(str(path), trust_code=False)


def test_the_same_file_states_the_same(before: Pivot) -> None:
    """Nothing is told of a copy."""
    assert changed(before, before) == ()


def test_another_size_and_output_are_told(before: Pivot, tmp_path: Path) -> None:
    """Size and names are what a deployment relies on."""
    size, outputs = changed(before, written(tmp_path / "after.onnx", "result"))

    assert size.startswith("its size is ")
    assert outputs == "its outputs are result float32[?, 3]; before: y float32[?, 3]"


def test_code_has_no_size_to_compare(before: Pivot, tmp_path: Path) -> None:
    """What code builds is larger than the code, which says nothing."""
    code = tmp_path / "model.py"
    code.write_text("")

    assert changed(replace(before, path=code), before) == ()
