"""An output in another shape is a fault, though its values are the source's."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from analyzer.core.report import Report, Verdict
from analyzer.core.types import FaultClass, SetAttribute
from analyzer.diff import analyse

Told = Callable[[str, str], Report]

HEAD = "(float[3,4] x) => (y) { m = Mul(x, x) "
KEPT = HEAD + "[last] y = ArgMax<axis = 1, keepdims = 1>(m) }"
DROPPED = HEAD + "[last] y = ArgMax<axis = 1, keepdims = 0>(m) }"


@pytest.fixture
def told(
    net: Callable[..., onnx.ModelProto], saved: Callable[[onnx.ModelProto, str], str]
) -> Told:
    """The report on two models built from text."""
    axes = np.array([1], np.int64)
    kernel = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3) ** 3
    weights = {"axes": axes, "w": kernel, "b": kernel[0]}

    def run(source: str, target: str) -> Report:
        models = (net(text, **weights) for text in (source, target))
        files = [saved(model, name) for model, name in zip(models, "st", strict=True)]
        return analyse(*files, rules=()).report

    return run


@pytest.mark.parametrize("pair", [(KEPT, DROPPED), (DROPPED, KEPT)])
def test_axis_kept_or_dropped_at_the_end_is_named(
    told: Told, pair: tuple[str, str]
) -> None:
    """The user's code reads [3] or [3, 1], and not the other."""
    report = told(*pair)
    (finding,) = report.findings

    assert report.verdict is Verdict.DIVERGENT
    assert (finding.rule, finding.target_nodes) == ("output-reshaped", ("last",))
    assert "in shape [3" in finding.message


def test_operator_that_first_gives_the_other_shape_is_named(told: Told) -> None:
    """What comes behind it only passes the shape on."""
    text = HEAD + "[early] r = ReduceMax<keepdims = 0>(m, axes) t = Tanh(r) y = Neg(t) }"
    (finding,) = told(text, text.replace("keepdims = 0", "keepdims = 1")).findings

    assert finding.target_nodes == ("early",)


def test_keepdims_that_gives_the_other_shape_is_restored(told: Told) -> None:
    """A product in two parts lies behind it, which the source has in one."""
    text = (
        "(float[1,2,4] x) => (y) {{ m = Mul(x, x)"
        " [mean] r = ReduceMean<keepdims = {}>(m, axes) {} }}"
    )
    whole = text.format(0, "y = Gemm(r, w, b)")
    parts = text.format(1, "p = MatMul(r, w) y = Add(p, b)")
    (finding,) = told(whole, parts).findings

    assert finding.fault_class is FaultClass.LAYER_HYPERPARAMETERS
    assert finding.fix is not None
    (edit,) = finding.fix.edits
    assert isinstance(edit, SetAttribute)
    assert (edit.node, edit.attribute, edit.value) == ("mean", "keepdims", 0)


def test_axis_kept_inside_and_dropped_later_is_the_same(told: Told) -> None:
    """No one but the model reads what lies between."""
    text = HEAD + "r = ReduceMax<keepdims = 1>(m, axes) t = Tanh(r) y = Squeeze(t, axes) }"
    other = HEAD + "r = ReduceMax<keepdims = 0>(m, axes) y = Tanh(r) }"
    report = told(text, other)

    assert (report.verdict, report.findings) == (Verdict.EQUIVALENT, ())


def test_outputs_may_take_the_order_of_axes_that_inputs_took(told: Told) -> None:
    """A model with channels last gives channels last."""
    first = "(float[1,2,3,4] x) => (y) { y = Relu(x) }"
    last = first.replace("[1,2,3,4]", "[1,3,4,2]")
    report = told(first, last)

    assert (report.verdict, report.findings) == (Verdict.EQUIVALENT, ())


def test_a_number_alone_may_be_a_scalar(told: Told) -> None:
    """Some formats have no tensor without axes."""
    text = "(float[4] x) => (y) { y = ReduceSum<keepdims = 1>(x) }"
    report = told(text, text.replace("keepdims = 1", "keepdims = 0"))

    assert (report.verdict, report.findings) == (Verdict.EQUIVALENT, ())
