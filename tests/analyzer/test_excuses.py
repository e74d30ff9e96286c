"""What is wrong with a region of integers, beside that they round and saturate."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import numpy as np
import pytest

from analyzer.core.types import Fault, Status, TensorPair
from analyzer.effect import lenient
from analyzer.excuses import Excuses
from analyzer.matching.tensors import Link
from analyzer.off_grids import round_trips
from analyzer.samples import Probe

Bench = Callable[..., SimpleNamespace]
Located = Callable[..., tuple[Fault, ...]]

FLOAT = "(float[2,4] x) => (y) {{ a = MatMul(x, w) y = {}(a) }}"
GRIDDED = """(float[2,4] x) => (y) {{
    q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, {}, z) a = MatMul(d, w) y = Tanh(a)
}}"""
FAR = np.float32([[0.1, 0.2, 9.0, -8.0], [0.3, -0.2, 7.0, 0.5]])
"""Beyond the grid of `GRID`, which ends at about one."""

GRID = {"s": np.float32(2**-7), "t": np.float32(2**-6), "z": np.int8(0)}
FLOOR = 0.05
WEIGHT = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32)


def statuses(one: SimpleNamespace, found: Sequence[Fault]) -> list[Status]:
    """Return what becomes of faults once the pairs are final."""
    probes = (Probe(one.given, one.feeds),)
    deviating = frozenset(pair.target for fault in found for pair in fault.results)
    excuses = Excuses(one.source, one.target, one.links, probes, one.known, deviating)
    return [fault.status for fault in excuses.judged(found, settled=True)]


@pytest.mark.parametrize(
    ("op", "status"), [("Tanh", Status.DRIFT), ("Sin", Status.FAULT)], ids=["same", "other"]
)
def test_what_the_source_cuts_off_is_no_fault_of_the_target(
    bench: Bench, located: Located, op: str, status: Status
) -> None:
    """Drawn inputs lie beyond the range that a quantized source was calibrated on."""
    one = bench(GRIDDED.format("s"), FLOAT.format(op), FAR, {"w": WEIGHT, **GRID})

    assert (Status.FAULT in statuses(one, located(one, FLOOR))) == (status is Status.FAULT)


def test_grid_that_is_read_otherwise_than_written_excuses_nothing(
    bench: Bench, located: Located
) -> None:
    """No calibration makes the two disagree."""
    theirs = GRIDDED.format("t")
    one = bench(FLOAT.format("Tanh"), theirs, FAR / 9, {"w": WEIGHT, **GRID})
    (fault,) = located(one, FLOOR)

    assert round_trips(fault.target, one.target.view) == {}
    assert statuses(one, (fault,)) == [Status.FAULT]


MEAN = """(float[2,4] x) => (y) {
    b = Abs(x) u = ReduceSum <keepdims=1> (b, one) m = Div(u, four) y = Sin(m)
}"""
REDUCED = """(float[2,4] x) => (y) {{
    b = Abs(x) q = QuantizeLinear(b, s, z) d = DequantizeLinear(q, s, z)
    m = {} <keepdims=1> (d, one) y = Sin(m)
}}"""


@pytest.mark.parametrize(
    ("op", "status"),
    [("ReduceMean", Status.DRIFT), ("ReduceMax", Status.FAULT)],
    ids=["same", "other"],
)
def test_other_spelling_on_a_grid_is_told_from_another_operator(
    bench: Bench, located: Located, op: str, status: Status
) -> None:
    """A sum over a count is a mean; the largest value is none."""
    constants = {"one": np.int64([1]), "four": np.float32(4), **GRID}
    one = bench(MEAN, REDUCED.format(op), FAR / 3, constants)

    found = statuses(one, lenient(located(one, FLOOR), one.target.model))

    assert (Status.FAULT in found) == (status is Status.FAULT)


GRIDDED_SUM = """(float[2,4] x) => (y) {
    v = DequantizeLinear(k, s) g = Gemm(x, v, b)
    q = QuantizeLinear(g, s, z) a = DequantizeLinear(q, s, z) y = Tanh(a)
}"""
SUM = "(float[2,4] x) => (y) {{ p = MatMul(x, w) a = Add(p, {}) y = Tanh(a) }}"


@pytest.mark.parametrize(
    ("bias", "left"), [("b", set()), ("c", {Status.FAULT})], ids=["same", "other"]
)
def test_pair_before_a_bias_that_a_grid_hides_is_seen_through(
    bench: Bench, located: Located, bias: str, left: set[Status]
) -> None:
    """The region before such a pair lacks the bias, and the one behind has it too often."""
    biases = {"b": np.full(4, 0.04, np.float32), "c": np.full(4, 0.4, np.float32)}
    held = np.round(WEIGHT / GRID["s"] / 4).astype(np.int8)
    constants = {"w": held * GRID["s"], "k": held, **biases, **GRID}
    one = bench(GRIDDED_SUM, SUM.format(bias), FAR / 20, constants)
    taken = {"p": "g", "a": "a"}
    links = {
        name: Link(TensorPair(left, name, exact=True), 0.99, ("values",))
        for name, left in taken.items()
    }
    wrong = SimpleNamespace(**{**vars(one), "links": {**one.links, **links}})

    assert left <= {*statuses(wrong, located(wrong, 0.02))} <= {*left, Status.DRIFT}


ROUNDED = """(float[2,4] x) => (y) {{
    q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z)
    p = Pad(d, {}) u = Conv(p, k) r = QuantizeLinear(u, s, z) y = DequantizeLinear(r, s, z)
}}"""
PADDED = "(float[1,1,8] x) => (y) {{ p = Pad(x, {}) y = Conv(p, k) }}"


@pytest.mark.parametrize(
    ("pads", "stays"), [([0, 0, 2, 0, 0, 0], False), ([0, 0, 1, 0, 0, 1], True)]
)
def test_padding_that_eight_bits_cannot_explain_stays_a_fault(
    bench: Bench,
    located: Located,
    pads: list[int],
    stays: bool,  # noqa: FBT001
) -> None:
    """Off its grids the region is as wrong as on them, by ten steps and more."""
    fed = np.random.default_rng(1).uniform(-0.9, 0.9, (1, 1, 8)).astype(np.float32)
    kernel = np.float32([[[0.5, -0.3, 0.2]]])
    constants = {"k": kernel, "left": np.int64([0, 0, 2, 0, 0, 0]), **GRID}
    theirs = ROUNDED.replace("[2,4]", "[1,1,8]").format("own")
    one = bench(PADDED.format("left"), theirs, fed, {**constants, "own": np.int64(pads)})
    probes = (Probe(one.given, one.feeds),)
    excuses = Excuses(one.source, one.target, one.links, probes, one.known, frozenset())

    assert any(map(excuses.stays_wrong, located(one, 0.01))) == stays


MERGED = """(float[2,4] x) => (y) {
    q = QuantizeLinear(x, s, u) y = DequantizeLinear(q, s, u)
}"""


@pytest.mark.parametrize("high", [2.0, 0.25])
def test_of_a_clip_that_a_grid_may_stand_for_nothing_is_known(
    bench: Bench, located: Located, high: float
) -> None:
    """Off the grid nothing is clipped, wherever the grid ended."""
    constants = {"low": np.float32(0), "high": np.float32(high), "u": np.uint8(0)}
    ours = "(float[2,4] x) => (y) { y = Clip(x, low, high) }"
    one = bench(ours, MERGED, FAR, {**constants, "s": np.float32(1 / 255)})
    excuses = Excuses(one.source, one.target, one.links, (), one.known, frozenset())

    assert not any(map(excuses.stays_wrong, located(one, 0.01)))
