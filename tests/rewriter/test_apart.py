"""Fixes that cannot feel each other are judged in one model, and written once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from analyzer.core.options import Options
from analyzer.core.types import Edit, Pivot, TryVerdict
from analyzer.diff import Analysis, analyse
from rewriter import attempts
from rewriter.ablation import ablated
from rewriter.kept import Chain, Trial
from rewriter.parts import spoken
from rules.discovery import ours
from tests.rewriter.test_attempts import none

LAYERS = 3


def network(spoilt: frozenset[int]) -> onnx.ModelProto:
    """Return layers in a row, some with another weight than they should have."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8]) for name in "xy"]
    random = np.random.default_rng(0)
    nodes, weights = [], []
    for layer in range(LAYERS):
        weight = random.normal(size=(8, 8)).astype(np.float32)
        weight[0, 0] += 1.0 * (layer in spoilt)
        weights.append(onnx.numpy_helper.from_array(weight, f"w{layer}"))
        given = f"t{layer}" if layer else "x"
        made = "y" if layer == LAYERS - 1 else f"t{layer + 1}"
        nodes.append(helper.make_node("MatMul", [given, f"w{layer}"], [f"p{layer}"]))
        nodes.append(helper.make_node("Tanh", [f"p{layer}"], [made]))
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], weights)
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=9)


@pytest.fixture
def found(tmp_path: Path) -> Analysis:
    """What is said of a network with three wrong weights."""
    for name, spoilt in (("source", ()), ("target", range(LAYERS))):
        onnx.save(network(frozenset(spoilt)), tmp_path / f"{name}.onnx")
    both = str(tmp_path / "source.onnx"), str(tmp_path / "target.onnx")
    return analyse(*both, options=Options(samples=4), rules=ours())


class Format:
    """What a file can say: all but an edit of some nodes; it counts the questions."""

    def __init__(self, *unsaid: str) -> None:
        self.unsaid = set(unsaid)
        self.asked = 0

    def refusal(self, edited: Pivot, edits: Sequence[Edit]) -> str:
        """Return why a model cannot be written."""
        del edited
        self.asked += 1
        named = {name for one in edits for name in spoken(one)}
        return "the file has no word for it" if named & self.unsaid else ""


def tried(found: Analysis, format_: Format) -> attempts.Round:
    """Return what comes of trying every fix of what was found."""
    trial = Trial(found.target, None, format_.refusal, none)  # type: ignore[arg-type]
    return attempts.attempt(trial, found.report.findings)


def test_regions_apart_are_written_once(found: Analysis) -> None:
    """Three weights are mended, and whether they can be written is asked one time."""
    format_ = Format()
    done = tried(found, format_)

    assert len(done.kept) == LAYERS
    assert {one.verdict for one in done.outcomes.values()} == {TryVerdict.KEPT}
    assert format_.asked == 1


def test_one_fix_that_cannot_be_written_leaves_the_others(found: Analysis) -> None:
    """The two others are kept, and of the third the format's reason is told."""
    node = found.report.findings[1].fault.target.nodes[0].name
    done = tried(found, Format(node))
    told = done.outcomes[found.report.findings[1].id]

    assert len(done.kept) == LAYERS - 1
    assert told.verdict is TryVerdict.REJECTED
    assert "the file has no word for it" in told.reason


def test_what_needs_only_itself_is_not_measured_again(found: Analysis) -> None:
    """Ablation knows from the trial what each edit does to its own region."""
    done = tried(found, Format())

    def never(chain: Chain, turn: int, fault: object) -> float:
        raise AssertionError(chain, turn, fault)

    whole = ablated((done.kept,), never)

    assert whole.chain == (done.kept,)
    assert set(whole.needed) == {one.id for one in found.report.findings}
