"""An error is a fault, drift or noise by the measured floor of its own region."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from analyzer.core.types import Array, Pivot, Status
from analyzer.judge import (
    NEGLIGIBLE,
    Judged,
    _typical,
    is_narrow,
    is_quantized,
    judged,
    whole_model_noise,
)
from analyzer.samples import Probe, local_errors
from analyzer.view.halves import is_half

Bench = Callable[..., SimpleNamespace]
ROW = np.linspace(-1.0, 1.0, 8, dtype=np.float32).reshape(2, 4)
DENSE = "(float[2,4] x) => (y) { a = MatMul(x, w) y = Tanh(a) }"


@pytest.fixture
def weight(rng: np.random.Generator) -> Array:
    """A square matrix."""
    return rng.normal(size=(4, 4)).astype(np.float32)


def verdicts(one: SimpleNamespace, samples: int = 1) -> dict[str, Judged]:
    """Return what is judged of a bench, by target tensor."""
    probe = Probe(one.given, one.feeds)
    errors, fed, _ = local_errors(one.target, one.links, probe, one.known)
    partners = {name: link.tensors.source for name, link in one.links.items()}
    found = judged(
        one.source, one.target, [errors] * samples, partners, one.given, fed, seed=0
    )
    return {one.name: one for one in found}


def test_equal_regions_are_not_even_measured(bench: Bench, weight: Array) -> None:
    """Where nothing deviates, nothing is judged."""
    assert verdicts(bench(DENSE, DENSE, ROW, {"w": weight})) == {}


def test_fault_a_hundred_floors_high_is_found(bench: Bench, weight: Array) -> None:
    """A weight that is off by a ten-thousandth is wrong, though no output would tell."""
    damaged = weight * np.float32(1.0001)
    found = verdicts(bench(DENSE, DENSE, ROW, {"w": weight}, {"w": damaged}))

    assert found.keys() == {"a"}
    assert found["a"].status is Status.FAULT
    assert found["a"].error == pytest.approx(1e-4, rel=0.01)
    assert found["a"].floor < 1e-5


def test_cancellation_is_noise(bench: Bench, rng: np.random.Generator) -> None:
    """A sum ten thousand times smaller than its terms may deviate by far more."""
    half = rng.normal(size=(4, 3)).astype(np.float32)
    whole = np.concatenate([half, np.float32(1e-4) * half[::-1] - half])
    text = "(float[2,4] x) => (y) {{ z = Concat<axis=1>(x, x) {} }}"
    one = bench(
        text.format("y = MatMul(z, w)"),
        text.format("r = Gather<axis=1>(z, back) y = MatMul(r, v)"),
        ROW,
        {"w": whole, "v": whole[::-1].copy(), "back": np.arange(7, -1, -1)},
    )
    probe = Probe(one.given, one.feeds)
    errors, _, _ = local_errors(one.target, one.links, probe, one.known)

    assert errors["y"] > NEGLIGIBLE
    assert verdicts(one) == {}


def test_half_precision_is_drift(bench: Bench, weight: Array) -> None:
    """What half precision loses is its declared loss, and no fault."""
    half = (
        "(float[2,4] x) => (y) { h = Cast<to=10>(x) a = MatMul(h, w) t = Tanh(a)"
        " y = Cast<to=1>(t) }"
    )
    found = verdicts(
        bench(DENSE, half, ROW, {"w": weight}, {"w": weight.astype("float16")})
    )

    assert {one.status for one in found.values()} == {Status.DRIFT}


def test_float_conversion_of_half_precision_is_drift(bench: Bench, weight: Array) -> None:
    """What the source has rounded, the target need not round."""
    halves = weight.astype("float16").astype("float32")
    found = verdicts(bench(DENSE, DENSE, ROW, {"w": halves}, {"w": weight}))
    wrong = verdicts(bench(DENSE, DENSE, ROW, {"w": halves}, {"w": weight * 1.2}))

    assert {one.status for one in found.values()} == {Status.DRIFT}
    assert wrong["a"].status is Status.FAULT


def test_weight_changed_among_copies_of_halves_is_a_fault(
    bench: Bench, rng: np.random.Generator
) -> None:
    """Nothing was rounded where the others are copied bit for bit: no precision excuses."""
    deep = """(float[2,4] x) => (y) {
        a = MatMul(x, u) b = Tanh(a) c = MatMul(b, v) d = Tanh(c) y = MatMul(d, w)
    }"""
    halves = {
        name: rng.normal(size=(4, 4)).astype(np.float16).astype(np.float32)
        for name in ("u", "v", "w")
    }
    changed = {"v": halves["v"] * np.float32(1.0002)}
    rounded = {
        name: value * (1 + rng.uniform(-4e-4, 4e-4, (4, 4))).astype(np.float32)
        for name, value in halves.items()
    }
    found = verdicts(bench(deep, deep, ROW, halves, changed))
    excused = verdicts(bench(deep, deep, ROW, halves, rounded))

    assert {name: one.status for name, one in found.items()} == {"c": Status.FAULT}
    assert {one.status for one in excused.values()} == {Status.DRIFT}


@pytest.mark.parametrize(
    ("halves", "factor", "status"),
    [(True, 1.0, Status.DRIFT), (True, 1.1, Status.FAULT), (False, 1.0, Status.FAULT)],
)
def test_number_of_a_halved_model_is_drift(
    bench: Bench, weight: Array, *, halves: bool, factor: float, status: Status
) -> None:
    """One number proves nothing alone; beside rounded weights it was rounded with them."""
    text = "(float[2,4] x) => (y) { a = MatMul(x, w) t = Tanh(a) y = Add(t, e) }"
    rounded = weight.astype(np.float16).astype(np.float32) if halves else weight
    number = np.float32(0.3)
    wrong = np.float32(np.float16(number * np.float32(factor)))
    one = bench(text, text, ROW, {"w": weight, "e": number}, {"w": rounded, "e": wrong})

    assert verdicts(one)["y"].status is status


def test_fault_in_half_precision_is_a_fault(bench: Bench, weight: Array) -> None:
    """More than ten bits are lost: a weight is wrong."""
    half = (
        "(float[2,4] x) => (y) { h = Cast<to=10>(x) a = MatMul(h, w) t = Tanh(a)"
        " y = Cast<to=1>(t) }"
    )
    damaged = (weight * 1.2).astype("float16")
    found = verdicts(bench(DENSE, half, ROW, {"w": weight}, {"w": damaged}))

    assert found["a"].status is Status.FAULT


def quantized(scale: float) -> str:
    """Return the product with its weight on a grid of this step."""
    return (
        "(float[2,4] x) => (y) { v = DequantizeLinear(q, s) a = MatMul(x, v) y = Tanh(a) }"
        if scale
        else DENSE
    )


@pytest.mark.parametrize(("error", "status"), [(1.0, Status.DRIFT), (1.5, Status.FAULT)])
def test_quantized_region_is_judged_by_its_grid(
    bench: Bench, weight: Array, error: float, status: Status
) -> None:
    """Rounding to eight bits is drift; a wrong scale is a fault."""
    scale = np.float32(np.abs(weight).max() / 127)
    grid = np.clip(np.round(weight / scale), -127, 127).astype(np.int8)
    one = bench(
        DENSE,
        quantized(float(scale)),
        ROW,
        {"w": weight},
        {"q": grid, "s": scale * np.float32(error)},
    )

    assert verdicts(one, samples=4)["a"].status is status


@pytest.mark.parametrize(("error", "status"), [(1.0, Status.DRIFT), (1.5, Status.FAULT)])
def test_float_conversion_of_a_quantized_model_is_judged_by_its_grid(
    bench: Bench, weight: Array, error: float, status: Status
) -> None:
    """The weights that the source has rounded are drift; a scaled one is a fault."""
    scale = np.float32(np.abs(weight).max() / 127)
    grid = np.clip(np.round(weight / scale), -127, 127).astype(np.int8)
    one = bench(
        quantized(float(scale)),
        DENSE,
        ROW,
        {"q": grid, "s": scale},
        {"w": weight * np.float32(error)},
    )

    assert verdicts(one, samples=4)["a"].status is status


def test_quantized_and_narrow_regions_are_recognised(bench: Bench, weight: Array) -> None:
    """By the operators and constants between the cuts, not by the whole model."""
    text = (
        "(float[2,4] x) => (y) { v = DequantizeLinear(q, s) a = MatMul(x, v)"
        " h = Cast<to=10>(a) t = Tanh(h) y = Cast<to=1>(t) }"
    )
    constants = {"q": weight.astype(np.int8), "s": np.float32(1)}
    one = bench(text, text, ROW, constants)
    view = one.target.view

    assert is_quantized(view, "a", ("x",))
    assert not is_quantized(view, "t", ("a",))
    assert is_narrow(view, "t", {"a": one.seen["a"]})
    assert not is_narrow(view, "a", {"x": ROW})


def test_noise_grows_with_depth(pivot: Callable[..., Pivot]) -> None:
    """Each operator rounds once more: four times as many round twice as much."""
    floors = []
    for depth in (4, 16):
        steps = " ".join(f"t{i + 1} = Neg(t{i})" for i in range(depth - 1))
        text = f"(float[4] t0) => (y) {{ {steps} y = Neg(t{depth - 1}) }}"
        model = pivot(text, f"deep{depth}")
        floors.append(whole_model_noise(model, [{"t0": ROW[0]}], seed=0)["y"])

    assert floors[0] >= NEGLIGIBLE
    assert floors[1] == pytest.approx(2 * floors[0], rel=0.01)


def test_infinite_errors_stay_infinite() -> None:
    """A quantized region of other sizes on every sample is not hidden as no number."""
    typical = _typical("y", [{"y": np.inf}] * 8)

    assert np.isposinf(typical)


def test_small_weight_of_halves_is_one_rounded_to_half() -> None:
    """A head of eight numbers says so too; numbers that somebody chose do not."""
    trained = np.random.default_rng(0).normal(size=(8, 1)).astype(np.float32)
    chosen = np.float32([[0.5], [1.0], [-6.0], [0.125]])

    assert is_half(trained.astype(np.float16).astype(np.float32))
    assert not is_half(trained)
    assert not is_half(chosen)
