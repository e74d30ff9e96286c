"""Random and custom operators are left out by name; what is around them is compared."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from analyzer.core.options import Options
from analyzer.core.report import Report, Verdict
from analyzer.core.types import Array
from analyzer.diff import analyse
from rules.discovery import ours

Save = Callable[[onnx.ModelProto, str], str]
Told = Callable[..., Report]

NOISY = """(float[2,4] x) => (float[2,4] y) {
  m = MatMul(x, w)  [dice] n = RandomNormalLike(m)  a = Add(m, n)
  b = MatMul(a, v)  y = Relu(b) }"""
CUSTOM = """(float[2,4] x) => (float[2,4] y) {
  m = MatMul(x, w)  t = Tanh(m)  [odd] a = mine.Odd(t)
  b = MatMul(a, v)  y = Relu(b) }"""


def model(text: str, **weights: Array) -> onnx.ModelProto:
    """Return a model that may use operators of the domain ``mine``."""
    head = '<ir_version: 8, opset_import: ["": 17, "mine": 1]>'
    made = parser.parse_model(f"{head} g {text}")
    made.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in weights.items()
    )
    return made


@pytest.fixture
def weights(rng: np.random.Generator) -> dict[str, Array]:
    """Weights before and behind the node that is left out."""
    return {name: rng.normal(size=(4, 4)).astype(np.float32) for name in "wv"}


@pytest.fixture
def told(saved: Save) -> Told:
    """The report on two models, by all rules."""

    def run(source: onnx.ModelProto, target: onnx.ModelProto) -> Report:
        paths = saved(source, "source"), saved(target, "target")
        return analyse(*paths, options=Options(samples=3), rules=ours).report

    return run


@pytest.mark.parametrize(
    ("text", "name", "why"),
    [
        (NOISY, "dice", "it draws random numbers"),
        (CUSTOM, "odd", "operator mine:Odd is unknown to ONNX Runtime"),
    ],
)
def test_healthy_pair_is_equivalent_but_for_the_node(
    told: Told, weights: dict[str, Array], text: str, name: str, why: str
) -> None:
    """The node is named, with the reason; nothing else is said."""
    respelt = text.replace("y = Relu(b)", "z = Identity(b)  y = Relu(z)")
    report = told(model(text, **weights), model(respelt, **weights))

    assert report.verdict is Verdict.EQUIVALENT
    assert report.findings == ()
    assert [one.what for one in report.coverage.not_compared] == [name]
    assert report.coverage.not_compared[0].why.startswith(why)


@pytest.mark.parametrize("text", [NOISY, CUSTOM])
@pytest.mark.parametrize(("weight", "tensor"), [("w", "m"), ("v", "b")])
def test_fault_before_and_behind_the_node_is_found(
    told: Told, weights: dict[str, Array], text: str, weight: str, tensor: str
) -> None:
    """Both models get the same values in the node's place."""
    wrong = {**weights, weight: 2 * weights[weight]}
    report = told(model(text, **weights), model(text, **wrong))

    assert report.verdict is Verdict.DIVERGENT
    assert [one.target_tensors for one in report.findings] == [(tensor,)]
    assert report.findings[0].rule in {"weight-scaled", "input-scaled"}


@pytest.mark.parametrize("text", [NOISY, CUSTOM])
def test_what_stands_in_its_place_is_no_input_of_the_model(
    told: Told, weights: dict[str, Array], text: str
) -> None:
    """Behind it a weight of twice the size is no preprocessing."""
    behind = text.replace("a = Add(m, n)", "a = Identity(n)")
    wrong = {**weights, "v": 2 * weights["v"]}
    (finding,) = told(model(behind, **weights), model(behind, **wrong)).findings

    assert (finding.rule, finding.target_tensors) == ("weight-scaled", ("b",))


def test_two_nodes_in_a_row_are_both_left_out(
    told: Told, weights: dict[str, Array]
) -> None:
    """The second reads what stands in the place of the first."""
    text = CUSTOM.replace("b = MatMul(a, v)", "c = mine.Even(a)  b = MatMul(c, v)")
    report = told(model(text, **weights), model(text, **weights))

    assert [one.what for one in report.coverage.not_compared] == ["odd", "c"]
    assert report.verdict is Verdict.EQUIVALENT


def test_custom_operator_of_the_target_alone_is_a_finding(
    told: Told, weights: dict[str, Array]
) -> None:
    """The source has an operator there that runs."""
    source = CUSTOM.replace("mine.Odd", "Softplus")
    (finding,) = told(model(source, **weights), model(CUSTOM, **weights)).findings

    assert finding.target_nodes == ("odd",)


SPELLED = CUSTOM.replace("[odd] a = mine.Odd(t)", "s = Sigmoid(t)  a = Mul(t, s)")


@pytest.mark.parametrize("target", [CUSTOM.replace("mine.Odd", "Softplus"), SPELLED])
def test_custom_operator_that_the_target_spells_out_is_left_out(
    told: Told, weights: dict[str, Array], target: str
) -> None:
    """Both are given what the target computes there, be it one operator or two."""
    report = told(model(CUSTOM, **weights), model(target, **weights))

    assert report.verdict is Verdict.EQUIVALENT
    assert report.findings == ()
    assert report.coverage.not_compared[0].what == "odd"
    assert "the values that the target computes" in report.coverage.not_compared[0].why


@pytest.mark.parametrize(("weight", "tensor"), [("w", "m"), ("v", "b")])
def test_fault_around_what_the_target_spells_out_is_found(
    told: Told, weights: dict[str, Array], weight: str, tensor: str
) -> None:
    """Before it and behind it, and nothing else."""
    wrong = {**weights, weight: 2 * weights[weight]}
    report = told(model(CUSTOM, **weights), model(SPELLED, **wrong))

    assert [one.target_tensors for one in report.findings] == [(tensor,)]


def test_output_that_a_custom_operator_gives_is_not_said_to_agree(
    told: Told, weights: dict[str, Array]
) -> None:
    """Both models would be given the same values for it."""
    source = "(float[2,4] x) => (float[2,4] y) { m = MatMul(x, w)  y = mine.Odd(m) }"
    target = source.replace("mine.Odd", "Softplus")
    report = told(model(source, **weights), model(target, **weights))

    assert report.outputs == ()
    assert [one.what for one in report.coverage.not_compared] == ["y"]


TAKEN = """(float[2,4] x) => (float[2,8] y) {
  m = MatMul(x, w)  [odd] i = mine.Odd(m)  <TAKE>
  b = MatMul(g, v)  y = Concat<axis = 1>(b, m) }
"""


@pytest.mark.parametrize(
    "take",
    [
        "g = GatherElements<axis = 1>(m, i)",
        "j = Identity(i)  k = Mul(j, one)  g = Cast<to = 1>(k)",
        "g = Where(i, m, x)",
        "n = mine.Even(m)  h = Where(n, m, x)  k = Cast<to = 1>(i)  g = Add(h, k)",
    ],
)
def test_what_is_given_is_of_the_kind_that_its_readers_take(
    told: Told, weights: dict[str, Array], take: str
) -> None:
    """Indices, counts and masks are whole numbers, whatever the file says of them."""
    text = TAKEN.replace("<TAKE>", take)
    given = {**weights, "one": np.array([1], np.int64)}
    wrong = {**given, "v": 2 * weights["v"]}
    healthy, broken = (
        told(model(text, **given), model(text, **one)) for one in (given, wrong)
    )

    assert (healthy.verdict, healthy.findings) == (Verdict.EQUIVALENT, ())
    assert [one.target_tensors for one in broken.findings] == [("b",)]
