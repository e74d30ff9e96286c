"""What no sample excites is found where it differs on paper, and called latent."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from analyzer.core.options import Options
from analyzer.core.report import Report, Verdict
from analyzer.core.types import Array, Status
from analyzer.diff import analyse
from analyzer.matching.values import SAME_VALUES

Net = Callable[..., onnx.ModelProto]
Save = Callable[[onnx.ModelProto, str], str]

CLAMPED = "(float[2,4] x) => (y) { a = MatMul(x, w) y = Clip(a, low, high) }"
EMBEDDED = "(int64[2,4] ids) => (y) { a = Gather(table, ids) y = Tanh(a) }"
RECTIFIED = "(float[2,4] x) => (y) { r = Relu(x) a = Clip(r, low, high) y = Neg(a) }"
DEAD = "(float[2,4] x) => (y) { a = Gemm(x, w, b) b1 = Relu(a) y = Neg(b1) }"


@pytest.fixture
def reported(net: Net, saved: Save) -> Callable[..., Report]:
    """The report on one text with two sets of weights, without any rule."""

    def run(text: str, ours: dict[str, Array], theirs: dict[str, Array]) -> Report:
        paths = saved(net(text, **ours), "source"), saved(net(text, **theirs), "target")
        return analyse(*paths, options=Options(samples=2), rules=()).report

    return run


def bounds(low: float, high: float, **weights: Array) -> dict[str, Array]:
    """Return the bounds of a clamp as scalars, and other weights."""
    return {"low": np.float32(low), "high": np.float32(high), **weights}


def test_clamp_that_no_sample_reaches_is_latent(reported: Callable[..., Report]) -> None:
    """Both bounds are far beyond what was seen: values are drawn from beyond them."""
    weight = np.eye(4, dtype=np.float32)
    report = reported(CLAMPED, bounds(-60, 60, w=weight), bounds(-60, 90, w=weight))
    (finding,) = report.findings

    assert report.verdict is Verdict.EQUIVALENT
    assert finding.status is Status.LATENT
    assert finding.target_tensors == ("y",)
    assert [diff.field for diff in finding.fault.differences] == ["max"]
    assert (finding.affected, finding.samples) == (0, 2)


def test_row_that_no_sample_asks_for_is_latent(
    reported: Callable[..., Report], rng: np.random.Generator
) -> None:
    """One row of a table is wrong, and the drawn indices ask for that one."""
    table = rng.normal(size=(5000, 3)).astype(np.float32)
    damaged = table.copy()
    damaged[4321] *= 2
    (finding,) = reported(EMBEDDED, {"table": table}, {"table": damaged}).findings

    assert finding.status is Status.LATENT
    assert finding.target_tensors == ("a",)


def test_bound_that_nothing_can_reach_is_harmless(reported: Callable[..., Report]) -> None:
    """Behind a ReLU there are no negative values, so none are drawn."""
    report = reported(RECTIFIED, bounds(0, 9), bounds(-1, 9))

    assert report.findings == ()


def test_weight_of_a_dead_channel_is_latent(reported: Callable[..., Report]) -> None:
    """A bias keeps the channel below zero whatever was drawn."""
    weight = np.eye(4, dtype=np.float32)
    damaged = weight.copy()
    damaged[1, 1] = 3
    bias = np.float32([0, -500, 0, 0])
    report = reported(DEAD, {"w": weight, "b": bias}, {"w": damaged, "b": bias})

    assert report.verdict is Verdict.EQUIVALENT
    assert [one.status for one in report.findings] == [Status.LATENT]


LAYERS = 24
"""After so many layers, what rounding adds up to shows in an ordinary run."""


def deep_clamped(net: Net, order: str, high: float) -> onnx.ModelProto:
    """Return a deep network that ends in a clamp, with its sums taken in some order."""
    rng = np.random.default_rng(0)
    weights = {
        f"{name}{n}": rng.normal(size=shape).astype(np.float32)
        for n in range(LAYERS)
        for name, shape in (("w", (64, 64)), ("s", (64,)), ("t", (64,)))
    }
    weights = {name: array * np.float32(0.35) for name, array in weights.items()}

    def summed(n: int) -> str:
        return ", ".join(f"{letter}{n}" for letter in order)

    body = " ".join(
        f"a{n} = MatMul(h{n}, w{n}) b{n} = Sum({summed(n)}) h{n + 1} = Sin(b{n})"
        for n in range(LAYERS)
    )
    ends = f"c = MatMul(h{LAYERS}, w0) d = Clip(c, low, high) y = Neg(d)"
    text = f"(float[2,64] h0) => (y) {{ {body} {ends} }}"
    return net(text, **weights, **bounds(-60, high))


def test_latent_fault_is_seen_through_rounding(net: Net, saved: Save) -> None:
    """Pairs that only isolated runs show to be the same can be tried all the same."""
    source = saved(deep_clamped(net, "ast", 60), "source")
    target = saved(deep_clamped(net, "tsa", 90), "target")
    report = analyse(source, target, options=Options(samples=2), rules=()).report

    latent = [one for one in report.findings if one.status is Status.LATENT]

    assert report.outputs[0].relative_error > SAME_VALUES
    assert [finding.target_tensors for finding in latent] == [("d",)]


def test_healthy_pair_is_not_fed_random_values(
    reported: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a difference on paper nothing more is run."""
    monkeypatch.setattr("analyzer.latent.latent_faults", pytest.fail)
    weight = np.eye(4, dtype=np.float32)

    assert reported(CLAMPED, bounds(0, 1, w=weight), bounds(0, 1, w=weight)).findings == ()


def test_folded_batch_norm_is_no_latent_fault(net: Net, saved: Save) -> None:
    """Weights that carry a scale differ on paper, and compute the same everywhere."""
    half = np.full(4, 0.5, np.float32)
    zero = np.zeros(4, np.float32)
    plain = np.full(4, 1 - 1e-5, np.float32)
    kernel = np.random.default_rng(0).normal(size=(4, 2, 3, 3)).astype(np.float32)
    source = net(
        "(float[1,2,6,6] x) => (y) { a = Conv(x, k)"
        " n = BatchNormalization(a, scale, zero, zero, plain) y = Relu(n) }",
        k=kernel, scale=half, zero=zero, plain=plain,
    )  # fmt: skip
    target = net("(float[1,2,6,6] x) => (y) { a = Conv(x, k) y = Relu(a) }", k=kernel / 2)
    paths = saved(source, "source"), saved(target, "target")

    assert analyse(*paths, options=Options(samples=2), rules=()).report.findings == ()


@pytest.fixture
def activated(net: Net, saved: Save, rng: np.random.Generator) -> Callable[..., Report]:
    """The report on two networks whose middles are written out, without any rule."""
    weights = {name: rng.normal(size=(4, 4)).astype(np.float32) for name in ("w", "v")}
    weights["b"] = np.full(4, 20, np.float32)

    def run(ours: str, theirs: str) -> Report:
        ends = "(float[2,4] x) => (y) {{ a = Gemm(x, w, b) {} y = MatMul(c, v) }}"
        paths = [
            saved(net(ends.format(middle), **weights), name)
            for middle, name in ((ours, "source"), (theirs, "target"))
        ]
        return analyse(*paths, options=Options(samples=2), rules=()).report

    return run


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("Relu", "Identity"), ("Identity", "Relu"), ("Relu", "LeakyRelu"), ("Abs", "Relu")],
)
def test_activation_that_is_idle_on_every_sample_is_latent(
    activated: Callable[..., Report], ours: str, theirs: str
) -> None:
    """A bias keeps all it reads above zero, where one activation is like the other."""
    report = activated(f"c = {ours}(a)", f"c = {theirs}(a)")

    assert report.verdict is Verdict.EQUIVALENT
    assert [finding.status for finding in report.findings] == [Status.LATENT]


@pytest.mark.parametrize("positive", ["Softmax", "Exp", "Sigmoid"])
def test_activation_behind_what_is_never_negative_is_no_finding(
    activated: Callable[..., Report], positive: str
) -> None:
    """No value that reaches a Relu there is one that it would change."""
    report = activated(f"s = {positive}(a) c = Relu(s)", f"c = {positive}(a)")

    assert report.findings == ()


@pytest.mark.parametrize(
    "positive",
    [
        "s = Mul(a, a)",
        "r = Relu(a) q = Abs(x) s = Add(r, q)",
        "e = Exp(a) t = ReduceSum(e) s = Div(e, t)",
    ],
)
def test_activation_behind_a_sum_or_product_that_is_never_negative_is_no_finding(
    activated: Callable[..., Report], positive: str
) -> None:
    """A square, or what is made of such tensors alone, has nothing for a Relu to cut."""
    report = activated(f"{positive} c = Relu(s)", f"{positive} c = Identity(s)")

    assert report.findings == ()


def test_pad_before_a_convolution_is_no_difference_on_paper(
    net: Net, saved: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zeros that one side adds in a node of its own are the other's padding."""
    monkeypatch.setattr("analyzer.latent.latent_faults", pytest.fail)
    kernel = np.random.default_rng(0).normal(size=(4, 2, 3, 3)).astype(np.float32)
    source = net(
        "(float[1,2,6,6] x) => (y) { r = Relu(x) p = Pad(r, around) y = Conv(p, k) }",
        k=kernel, around=np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    )  # fmt: skip
    target = net(
        "(float[1,2,6,6] x) => (y) { r = Relu(x) y = Conv<pads = [1, 1, 1, 1]>(r, k) }",
        k=kernel,
    )
    paths = saved(source, "source"), saved(target, "target")

    assert analyse(*paths, options=Options(samples=2), rules=()).report.findings == ()
