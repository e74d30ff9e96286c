"""No constant can judge: only a region's measured noise tells rounding from a fault."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest

from analyzer.core.options import Options
from analyzer.core.report import Report, Verdict
from analyzer.core.types import Array, Status
from analyzer.diff import analyse

Net = Callable[..., onnx.ModelProto]
Save = Callable[[onnx.ModelProto, str], str]

HALF = np.float16
RNG = np.random.default_rng(7)
TERMS, COLUMNS, ROWS = 32, 24, 6


def normal(*shape: int) -> Array:
    """Return float32 numbers of both signs."""
    return RNG.normal(size=shape).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Two texts, what both hold, what each holds alone, and the samples of ``x``."""

    source: str
    target: str
    shared: Mapping[str, Array]
    ours: Mapping[str, Array]
    theirs: Mapping[str, Array]
    samples: Array


SCALE, SHIFT = normal(64), normal(64)
ONE_OPERATOR = "(float[8,64] x) => (y) { y = LayerNormalization<axis=-1>(x, g, b) }"
DECOMPOSED = (
    "(float[8,64] x) => (y) { m = ReduceMean<keepdims=1>(x, ax) d = Sub(x, m)"
    " q = Mul(d, d) v = ReduceMean<keepdims=1>(q, ax) e = Add(v, eps) r = Sqrt(e)"
    " n = Div(d, r) z = Mul(n, g) y = Add(z, b) }"
)
IN_HALF = (
    "(float[8,64] x) => (y) { h = Cast<to=10>(x)"
    " z = LayerNormalization<axis=-1>(h, g, b) y = Cast<to=1>(z) }"
)
NORMALISED = {"g": SCALE, "b": SHIFT}
SMALL_VARIANCE = (1000 + 1e-3 * RNG.normal(size=(3, 8, 64))).astype(np.float32)

WIDE = normal(3, 1, 50_000)
SOFTMAX = "(float[1,50000] x) => (y) { y = Softmax<axis=-1>(x) }"
EXPONENTIALS = (
    "(float[1,50000] x) => (y) { e = Exp(x) s = ReduceSum<keepdims=1>(e, ax)"
    " y = Div(e, s) }"
)

LONG = normal(3, 1, 65_536)
SUMMED = "(float[1,65536] x) => (y) { y = ReduceSum<keepdims=0>(x, ax) }"
SUMMED_TWICE = (
    "(float[1,65536] x) => (y) { r = Reshape(x, rows) s = ReduceSum<keepdims=0>(r, ax)"
    " y = ReduceSum<keepdims=0>(s, ax) }"
)

TERM = normal(TERMS, 4)
CANCELLING = np.concatenate([TERM, 1e-4 * normal(TERMS, 4) - TERM])
PRODUCT = "(float[4,32] x) => (y) { z = Concat<axis=1>(x, x) y = MatMul(z, w) }"
PRODUCT_BACKWARDS = (
    "(float[4,32] x) => (y) { z = Concat<axis=1>(x, x) r = Gather<axis=1>(z, back)"
    " y = MatMul(r, w) }"
)
BACKWARDS = np.arange(2 * TERMS - 1, -1, -1)
LAST = {"ax": np.int64([-1])}

HEALTHY = {
    "LayerNorm over small variance": Case(
        ONE_OPERATOR, DECOMPOSED, NORMALISED, {}, {**LAST, "eps": np.float32(1e-5)},
        SMALL_VARIANCE,
    ),
    "softmax over 50k classes": Case(SOFTMAX, EXPONENTIALS, {}, {}, LAST, WIDE),
    "a sum of 65,536 terms": Case(
        SUMMED, SUMMED_TWICE, {}, LAST, {**LAST, "rows": np.int64([256, 256])}, LONG,
    ),
    "a sum far smaller than its terms": Case(
        PRODUCT, PRODUCT_BACKWARDS, {}, {"w": CANCELLING},
        {"w": CANCELLING[::-1].copy(), "back": BACKWARDS}, normal(3, 4, 32),
    ),
}  # fmt: skip
"""Pairs that compute the same, each spelled or summed in another order."""

PLAIN = "(float[4,32] x) => (y) { y = MatMul(x, w) }"
WEIGHT = normal(TERMS, 4)
OFF_BY = (1e-3, 1e-4, 2e-5)


def damaged(share: float) -> Case:
    """Return a product of which one column is too large by a share."""
    wrong = WEIGHT.copy()
    wrong[:, 0] *= np.float32(1 + share)
    return Case(PLAIN, PLAIN, {}, {"w": WEIGHT}, {"w": wrong}, normal(3, 4, 32))


FAULTY = {f"a column off by {share:g}": damaged(share) for share in OFF_BY}
"""Pairs with a fault that is small, and large against the rounding of its region."""


@pytest.fixture
def judged(net: Net, saved: Save, tmp_path: Path) -> Callable[[Case], Report]:
    """The report on a case, without any rule."""

    def run(case: Case) -> Report:
        paths = [
            saved(net(text, **case.shared, **own), name)
            for name, text, own in (
                ("source", case.source, case.ours),
                ("target", case.target, case.theirs),
            )
        ]
        np.savez(tmp_path / "x.npz", x=case.samples)
        return analyse(*paths, options=Options(inputs=tmp_path / "x.npz"), rules=()).report

    return run


def faults(report: Report) -> int:
    """Return how many faults a report names."""
    return sum(finding.status is Status.FAULT for finding in report.findings)


@pytest.mark.parametrize("name", HEALTHY)
def test_rounding_is_no_fault(judged: Callable[[Case], Report], name: str) -> None:
    """However far it moves the result."""
    report = judged(HEALTHY[name])

    assert report.verdict is Verdict.EQUIVALENT
    assert faults(report) == 0


@pytest.mark.parametrize("name", FAULTY)
def test_small_fault_is_a_fault(judged: Callable[[Case], Report], name: str) -> None:
    """It is a hundred times what rounding does to the same product."""
    report = judged(FAULTY[name])
    (finding,) = report.findings

    assert report.verdict is Verdict.DIVERGENT
    assert finding.status is Status.FAULT
    assert finding.target_tensors == ("y",)


def test_every_constant_errs(judged: Callable[[Case], Report]) -> None:
    """In the place of the floor, a constant misses a fault or alarms on a healthy pair.

    Each pair is one region, so the error of its output is its local error.
    """
    healthy = [judged(case).outputs[0].relative_error for case in HEALTHY.values()]
    faulty = [judged(case).outputs[0].relative_error for case in FAULTY.values()]
    wrong = {
        constant: (
            sum(error > constant for error in healthy),
            sum(error <= constant for error in faulty),
        )
        for constant in np.logspace(-8, 1, 91)
    }

    assert all(alarms or missed for alarms, missed in wrong.values())
    assert any(alarms and missed for alarms, missed in wrong.values())


def test_fault_is_found_though_the_outputs_agree(
    judged: Callable[[Case], Report],
) -> None:
    """What it adds to the output is less than one unit in its last place."""
    text = (
        "(float[4,32] x) => (y) { a = MatMul(x, w) t = Tanh(a) s = Mul(t, small)"
        " m = ReduceMean<keepdims=1>(s, ax) y = Add(x, m) }"
    )
    wrong = WEIGHT.copy()
    wrong[:, 0] *= np.float32(1.001)
    small = {"small": np.float32(1e-6), **LAST}
    case = Case(text, text, small, {"w": WEIGHT}, {"w": wrong}, normal(3, 4, 32))
    report = judged(case)
    (finding,) = report.findings

    assert report.outputs[0].relative_error == 0.0
    assert finding.status is Status.FAULT
    assert finding.target_tensors == ("a",)
    assert finding.local_error > 100 * finding.noise_floor / 16


def test_half_precision_over_small_variance_is_drift(
    judged: Callable[[Case], Report],
) -> None:
    """Half precision cannot tell 1000.001 from 1000: nothing is left of the input."""
    half = {name: value.astype(HALF) for name, value in NORMALISED.items()}
    case = Case(ONE_OPERATOR, IN_HALF, {}, NORMALISED, half, SMALL_VARIANCE)
    report = judged(case)

    assert report.verdict is Verdict.EQUIVALENT
    assert report.outputs[0].relative_error > 0.1
    assert faults(report) == 0


def test_epsilon_that_half_precision_cannot_hold_is_drift(
    judged: Callable[[Case], Report],
) -> None:
    """A hundred-thousandth is a subnormal number there, with six bits left."""
    body = DECOMPOSED.replace("(x, ", "(h, ").replace(" y = Add(z, b)", " o = Add(z, b)")
    text = body.replace("{ ", "{ h = Cast<to=10>(x) ").replace(" }", " y = Cast<to=1>(o) }")
    ours = {**NORMALISED, "eps": np.float32(1e-5)}
    half = {name: np.asarray(value, HALF) for name, value in ours.items()}
    samples = np.round(SMALL_VARIANCE)
    report = judged(Case(DECOMPOSED, text, LAST, ours, half, samples))

    assert report.verdict is Verdict.EQUIVALENT
    assert faults(report) == 0


NEAR = RNG.uniform(-1, 1, size=(TERMS, COLUMNS)).astype(np.float32)
NEAR[-1, :16] = 0.5 - NEAR[:-1, :16].sum(axis=0, dtype=np.float64)
NEAR[:, 16:] = -np.abs(NEAR[:, 16:])
"""Weights whose sums are one half within rounding, in sixteen columns, and below it."""

TIED = np.ones((3, ROWS, TERMS), np.float32)
TIED[:, 3:] = RNG.uniform(0.1, 0.2, size=(3, 3, TERMS))
CORNERS = RNG.uniform(0, 1, size=(1, COLUMNS, 2)).astype(np.float32)

DECISIONS = {
    "Round": "y = Round(a)",
    "Floor": "d = Mul(a, two) y = Floor(d)",
    "Cast to integer": "d = Mul(a, two) c = Cast<to=7>(d) y = Cast<to=1>(c)",
    "Greater": "g = Greater(a, half) y = Cast<to=1>(g)",
    "Equal": "g = Equal(a, half) y = Cast<to=1>(g)",
    "Sign": "d = Sub(a, half) y = Sign(d)",
    "ArgMax": "y = ArgMax<axis=-1>(a)",
    "TopK": "v, i = TopK(a, three) y = Gather(table, i)",
    "NonZero": "g = Greater(a, half) y = NonZero(g)",
    "NonMaxSuppression": (
        "s = Slice(a, zero, one, zero) c = Unsqueeze(s, zero)"
        " p = NonMaxSuppression(boxes, c, ten, overlap, least)"
        " q = Gather<axis=1>(p, third) y = Gather(table, q)"
    ),
}
CONSTANTS = {
    "two": np.float32(2), "half": np.float32(0.5), "three": np.int64([3]),
    "table": normal(COLUMNS, 3), "zero": np.int64([0]), "one": np.int64([1]),
    "boxes": np.concatenate([CORNERS, CORNERS + 0.3], axis=-1), "ten": np.int64([10]),
    "overlap": np.float32(0.3), "least": np.float32(0.4), "third": np.int64(2),
}  # fmt: skip


def decided(name: str, product: str, theirs: Mapping[str, Array]) -> Case:
    """Return a decision over a product, which the target computes in its own way."""
    body = DECISIONS[name]
    words = set(body.replace("(", " ").replace(")", " ").replace(",", " ").split())
    used = {key: value for key, value in CONSTANTS.items() if key in words}
    text = f"(float[6,32] x) => (y) {{{{ {{}} {body} }}}}"
    source, target = (text.format(one) for one in ("a = MatMul(x, w)", product))
    return Case(source, target, used, {"w": NEAR}, theirs, TIED)


@pytest.mark.parametrize("name", DECISIONS)
def test_decision_behind_a_reassociated_sum_may_flip(
    judged: Callable[[Case], Report], name: str
) -> None:
    """The operands come within rounding of each other; both sides are right."""
    back = {"w": NEAR[::-1].copy(), "back": np.arange(TERMS - 1, -1, -1)}
    product = "r = Gather<axis=1>(x, back) a = MatMul(r, w)"
    report = judged(decided(name, product, back))

    assert report.outputs[0].max_abs_error > 0
    assert report.verdict is Verdict.EQUIVALENT
    assert faults(report) == 0


@pytest.mark.parametrize("name", DECISIONS)
def test_decision_behind_half_precision_may_flip(
    judged: Callable[[Case], Report], name: str
) -> None:
    """The sum is drift, and what is decided by it no fault."""
    product = "h = Cast<to=10>(x) b = MatMul(h, w) a = Cast<to=1>(b)"
    report = judged(decided(name, product, {"w": NEAR.astype(HALF)}))

    assert report.verdict is Verdict.EQUIVALENT
    assert faults(report) == 0


@pytest.mark.parametrize("name", ["Round", "Greater", "ArgMax", "TopK"])
def test_wrong_weight_behind_a_decision_is_a_fault(
    judged: Callable[[Case], Report], name: str
) -> None:
    """That a decision may flip excuses no fault before it."""
    wrong = NEAR.copy()
    wrong[:, :8] *= -3
    report = judged(decided(name, "a = MatMul(x, w)", {"w": wrong}))

    assert report.verdict is Verdict.DIVERGENT
    assert "a" in report.findings[0].target_tensors
