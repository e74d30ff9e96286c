"""The cause test for single numbers: a slope, a bound, a factor that no source value is."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import onnx
import pytest

from analyzer.core.types import Finding, Status
from analyzer.diff import diff
from rules.discovery import ours
from rules.models import chain, conv, layer
from rules.settings.clip_bounds import relu6

Build = Callable[[], onnx.ModelProto]


def fused(slope: float) -> onnx.ModelProto:
    """Return a leaky unit between two convolutions."""
    return chain(conv(), layer("LeakyRelu", alpha=slope), conv(4, 2))


def in_steps(slope: float) -> onnx.ModelProto:
    """Return the same as the larger one of a number and its multiple."""
    unit = chain(conv(), layer("Mul", relu6(slope)), conv(4, 2))
    largest = onnx.helper.make_node("Max", ["t0", "t1"], ["largest"], name="unit")
    unit.graph.node.insert(2, largest)
    unit.graph.node[3].input[0] = "largest"
    return unit


def faults(source: Build, target: Build, folder: Path) -> list[Finding]:
    """Return the faults that `diff` finds between two models."""
    paths = [str(folder / name) for name in ("source.onnx", "target.onnx")]
    for path, build in zip(paths, (source, target), strict=True):
        onnx.save(build(), path)
    report = diff(*paths, rules=ours())
    return [one for one in report.findings if one.status is Status.FAULT]


@pytest.mark.parametrize(
    ("source", "target"),
    [(in_steps, fused), (fused, in_steps)],
    ids=["attribute", "constant"],
)
def test_the_number_is_solved_for(
    source: Callable[[float], onnx.ModelProto],
    target: Callable[[float], onnx.ModelProto],
    tmp_path: Path,
) -> None:
    """The source holds its slope elsewhere; what the region must give tells it."""
    (found,) = faults(partial(source, 0.2), partial(target, 0.01), tmp_path)

    assert "0.01" in found.message
    assert "0.2" in found.message


def test_no_number_stands_for_another_operator(tmp_path: Path) -> None:
    """Where no number makes the region right, none is named."""
    source = partial(chain, conv(), layer("Tanh"), conv(4, 2))
    target = partial(chain, conv(), layer("Elu"), conv(4, 2))
    (found,) = faults(source, target, tmp_path)

    assert found.rule == "operator-replaced"


def test_operator_that_a_number_would_make_idle_is_too_much(tmp_path: Path) -> None:
    """A slope of one is no setting: the unit stands there twice."""
    unit = layer("LeakyRelu", alpha=0.1)
    source = partial(chain, conv(), unit, conv(4, 2))
    target = partial(chain, conv(), unit, unit, conv(4, 2))
    (found,) = faults(source, target, tmp_path)

    assert found.rule == "operator-extra"
