"""A script of an earlier repair does not stay beside a file that it is not of."""

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import helper

from analyzer import pivot
from analyzer.core.types import Pivot
from rewriter.export.marked import is_as_written, marked
from rewriter.written import cleared


@pytest.fixture
def target(tmp_path: Path) -> Pivot:
    """A model as if it were a file of weights, whose mended form may have a script."""
    x, y = (helper.make_tensor_value_info(name, 1, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "one", [x], [y])
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(
        helper.make_model(graph, opset_imports=opsets, ir_version=9), tmp_path / "it.onnx"
    )
    loaded = pivot.load(str(tmp_path / "it.onnx"), trust_code=False)
    return replace(loaded, path=tmp_path / "weights.pth", code="net.py:right")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script of an earlier repair."""
    script = tmp_path / "out_patch.py"
    script.write_text(marked("import torch\n"))
    return script


def test_text_that_was_changed_is_known(script: Path) -> None:
    """One more letter is one that a user wrote."""
    before = is_as_written(script)
    script.write_text(script.read_text().replace("import", "# mine\nimport"))

    assert (before, is_as_written(script)) == (True, False)


def test_script_of_an_earlier_repair_goes(target: Pivot, script: Path) -> None:
    """What nobody changed since is taken away, and that is told."""
    made = script.parent / "made" / "out.pth"
    told = list(cleared(target, target, made, script.with_name("out.pth")))

    assert told == ["out_patch.py of an earlier repair is removed: this one writes none"]
    assert not script.exists()


def test_script_that_someone_changed_stays(target: Pivot, script: Path) -> None:
    """A user's own words are not lost, and it is told that they are of another file."""
    script.write_text("# mine\n" + script.read_text())
    made = script.parent / "made" / "out.pth"
    told = list(cleared(target, target, made, script.with_name("out.pth")))

    assert told == ["out_patch.py was there before, and does not belong to it"]
    assert script.exists()


@pytest.mark.parametrize("side", [0, 1], ids=["source", "target"])
def test_script_that_builds_a_model_stays(target: Pivot, script: Path, side: int) -> None:
    """What the weights of either are loaded with is in use."""
    used = replace(target, code=f"{script}:factory")
    both = (used, target) if side == 0 else (target, used)
    made = script.parent / "made" / "out.pth"

    assert not list(cleared(*both, made, script.with_name("out.pth")))
    assert script.exists()
