"""NaN and infinity have an origin: a fault, or a node that both models share."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from analyzer.core.options import Options
from analyzer.core.report import Report, Verdict
from analyzer.core.types import Array
from analyzer.diff import analyse
from analyzer.origins import is_hidden, origins
from analyzer.view import View
from rules.discovery import ours

Net = Callable[..., onnx.ModelProto]
Save = Callable[[onnx.ModelProto, str], str]
Told = Callable[..., Report]

ROOT = "(float[2,4] x) => (y) { a = Abs(x) r = Sqrt(a) m = MatMul(r, w) y = Tanh(m) }"
NEGATIVE = ROOT.replace("r = Sqrt(a)", "n = Neg(a) r = Sqrt(n)")


@pytest.fixture
def w(rng: np.random.Generator) -> Array:
    """Weights of `ROOT`."""
    return rng.normal(size=(4, 4)).astype(np.float32)


@pytest.fixture
def told(net: Net, saved: Save) -> Told:
    """The report on two texts and their weights, by all rules."""

    def run(source: str, target: str, w: Array, v: Array) -> Report:
        paths = saved(net(source, w=w), "source"), saved(net(target, w=v), "target")
        return analyse(*paths, options=Options(samples=3), rules=ours).report

    return run


def test_node_that_makes_nan_is_its_origin(view: Callable[..., View]) -> None:
    """What only passes it on is none."""
    look = view("(float[2] x) => (y) { [root] r = Sqrt(x) [log] l = Log(x) y = Add(r, l) }")
    values = {"x": [-1.0, 0.0], "r": [np.nan, 0.0], "l": [np.nan, -np.inf]}
    found = {name: np.array(value) for name, value in values.items()}

    assert list(origins(look, {**found, "y": found["l"]})) == [
        ("root", "NaN"),
        ("log", "NaN"),
    ]


def test_fault_says_that_nan_begins_with_it(told: Told, w: Array) -> None:
    """A root of negative numbers, where the source takes one of positive ones."""
    (finding,) = told(ROOT, NEGATIVE, w, w).findings

    assert "n" in finding.target_tensors
    assert finding.message.endswith("NaN begins here")


@pytest.mark.parametrize(("value", "what"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_weight_that_is_no_number_is_named(
    told: Told, w: Array, value: float, what: str
) -> None:
    """It is a weight like any other."""
    wrong = w.copy()
    wrong[1, 2] = value
    (finding,) = told(ROOT, ROOT, w, wrong).findings

    assert (finding.rule, finding.target_tensors) == ("weight-differs", ("m",))
    assert "1 of 16 numbers" in finding.message
    assert finding.message.endswith(f"{what} begins here")


def test_nan_of_both_models_is_not_compared_and_has_an_origin(told: Told, w: Array) -> None:
    """Where no output holds a number, nothing can be said of what lies behind."""
    report = told(NEGATIVE, NEGATIVE.replace("Tanh", "Sigmoid"), w, w)

    assert report.verdict is Verdict.INCONCLUSIVE
    assert [one.what for one in report.coverage.not_compared] == ["r"]
    assert "NaN comes from it on 3 of 3 samples" in report.coverage.not_compared[0].why


def test_only_outputs_without_any_number_are_hidden() -> None:
    """Integers and partly finite outputs can be compared."""
    none = np.array([np.nan, np.inf])

    assert is_hidden([{"y": none}])
    assert not is_hidden([{"y": none}, {"y": np.array([np.nan, 1.0])}])
    assert not is_hidden([{"y": none, "i": np.array([1])}])
