"""What no reader notices is latent, or no fault at all."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from analyzer.core.types import Array, Fault, Status
from analyzer.effect import decided_outputs, lenient, noticed
from analyzer.matching.layouts import layout_of
from analyzer.matching.tensors import carried_or_none
from analyzer.runtime.metrics import relative_error
from analyzer.view import View

Bench = Callable[..., SimpleNamespace]
Located = Callable[..., tuple[Fault, ...]]
ROW = np.linspace(-1.0, 1.0, 8, dtype=np.float32).reshape(2, 4)
DEAD = "(float[2,4] x) => (y) { a = Abs(x) b = MatMul(a, w) c = Relu(b) y = Add(c, x) }"
PLAIN = "(float[2,4] x) => (y) { a = MatMul(x, w) y = Tanh(a) }"


def seen_by_readers(one: SimpleNamespace, faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """Return the faults of a bench that its one ordinary run lets through."""
    errors = {}
    for name, link in one.links.items():
        value = carried_or_none(one.given[link.tensors.source], layout_of(link.tensors))
        errors[name] = np.inf if value is None else relative_error(one.seen[name], value)
    return tuple(noticed(faults, one.target.view, one.links, [errors]))


@pytest.fixture
def weight(rng: np.random.Generator) -> Array:
    """A square matrix of positive numbers."""
    return rng.uniform(0.5, 1.5, size=(4, 4)).astype(np.float32)


def test_fault_that_a_reader_notices_stays(
    bench: Bench, located: Located, weight: Array
) -> None:
    """What is computed from it next is wrong too."""
    one = bench(PLAIN, PLAIN, ROW, {"w": weight}, {"w": 2 * weight})
    (fault,) = seen_by_readers(one, located(one))

    assert fault.status is Status.FAULT


def test_wrong_weight_before_a_dead_rectifier_is_latent(
    bench: Bench, located: Located, weight: Array
) -> None:
    """It is wrong, and other inputs would show it; these do not."""
    one = bench(DEAD, DEAD, ROW, {"w": -weight}, {"w": -2 * weight})
    (fault,) = seen_by_readers(one, located(one))

    assert fault.guilty == ("b",)
    assert fault.status is Status.LATENT


def test_deviation_without_cause_or_effect_is_a_matter_of_spelling(
    bench: Bench, located: Located
) -> None:
    """A mask of a large negative number stands for minus infinity."""
    ours, theirs = (DEAD.replace("MatMul(a, w)", f"{op}(a)") for op in ("Neg", "Log"))
    one = bench(ours, theirs, ROW)
    faults = tuple(replace(fault, differences=()) for fault in located(one))

    assert len(faults) == 1
    assert seen_by_readers(one, faults) == ()


def test_output_is_always_noticed(bench: Bench, located: Located, weight: Array) -> None:
    """The model's own outputs need no reader."""
    text = "(float[2,4] x) => (y) { y = MatMul(x, w) }"
    one = bench(text, text, ROW, {"w": weight}, {"w": 2 * weight})

    assert len(seen_by_readers(one, located(one))) == 1


QUANTIZED = (
    "(float[2,4] x) => (y) { v = DequantizeLinear(q, s) a = MatMul(x, v) y = Tanh(a) }"
)


def test_plain_target_is_not_treated_leniently(
    bench: Bench, located: Located, weight: Array
) -> None:
    """Only a quantizing converter moves operators about."""
    one = bench(PLAIN, PLAIN, ROW, {"w": weight}, {"w": 2 * weight})
    faults = located(one)

    assert lenient(faults, one.target.model) == faults


def test_quantized_fault_without_a_proven_cause_is_drift(
    bench: Bench, located: Located, weight: Array
) -> None:
    """Tensors of both sides resemble each other without being the same."""
    grid = {"q": np.round(weight * 50).astype(np.int8), "s": np.float32(0.02)}
    one = bench(PLAIN, QUANTIZED, ROW, {"w": weight}, grid)
    (fault,) = (replace(one, differences=()) for one in located(one))
    (judged,) = lenient((fault,), one.target.model)

    assert judged.status is Status.DRIFT


FAR = "(float[2,4] x) => (y) {{ v = {} a = MatMul(x, v) b = Tanh(a) y = {}(b) }}"
GRID = {"q": np.eye(4, dtype=np.int8), "s": np.float32(0.5), "w": np.eye(4) / 2}


@pytest.mark.parametrize(
    ("more", "status"),
    [("", Status.FAULT), (" i = MatMulInteger(q, q)", Status.DRIFT)],
    ids=["between", "merged"],
)
def test_far_from_integers_between_operators_nothing_is_excused(
    bench: Bench, located: Located, more: str, status: Status
) -> None:
    """Integers that operators compute with are merged with what stands around them."""
    ours = FAR.format("Identity(w)", "Sin")
    theirs = FAR.format("DequantizeLinear(q, s)" + more, "Abs")
    one = bench(ours, theirs, ROW, GRID | {"w": np.float32(GRID["w"])})
    faults = tuple(replace(each, differences=()) for each in located(one))
    plain = tuple(
        replace(each, source=replace(each.source, nodes=each.target.nodes))
        for each in faults
    )

    assert [each.status for each in lenient(plain, one.target.model)] == [status]


ROUNDED = (
    "(float[2,4] x) => (y) { a = MatMul(x, w) b = Tanh(a)"
    " d = DequantizeLinear(q, s) c = MatMul(b, d) y = Tanh(c) }"
)
ROUNDED_BESIDE = (
    "(float[2,4] x) => (y) { d = DequantizeLinear(q, s) b = MatMul(x, d)"
    " h = QuantizeLinear(b, s) i = DequantizeLinear(h, s) c = MatMul(i, w) y = Tanh(c) }"
)
FLOATS = (
    "(float[2,4] x) => (y) { a = MatMul(x, w) b = Tanh(a) c = MatMul(b, v) y = Tanh(c) }"
)
FLOATS_BESIDE = "(float[2,4] x) => (y) { b = MatMul(x, v) c = MatMul(b, w) y = Tanh(c) }"


@pytest.mark.parametrize(
    ("spelt", "quantized", "status"),
    [
        (FLOATS, ROUNDED, Status.FAULT),
        (FLOATS_BESIDE, ROUNDED_BESIDE, Status.DRIFT),
    ],
)
def test_grid_explains_a_weight_beside_a_quantizer(
    bench: Bench,
    located: Located,
    weight: Array,
    spelt: str,
    quantized: str,
    status: Status,
) -> None:
    """Floats that stand on a grid far from any integers were rounded by something else."""
    step = np.float32(weight.max() / 127)
    integers = np.round(weight / step).astype(np.int8)
    grid = {"q": integers, "s": step, "w": integers * step}
    one = bench(spelt, quantized, ROW, {"w": weight, "v": integers * step}, grid)
    faults = lenient(located(one), one.target.model)

    found = [f.status for f in faults if any("w" in n.inputs for n in f.target.nodes)]
    assert found == [status]


@pytest.mark.parametrize(
    ("text", "decided"),
    [
        ("a = Greater(x, x) b = Cast<to = 1>(a) y = Add(b, x)", False),
        ("s = Mul(x, x) a = Greater(s, x) b = Cast<to = 1>(a) y = Add(b, x)", True),
    ],
)
def test_an_input_is_exact(view: Callable[..., View], text: str, decided: bool) -> None:  # noqa: FBT001
    """A comparison of inputs flips by no rounding; one of a product may."""
    graph = f"(float[2] x) => (y) {{ {text} }}"

    assert decided_outputs(view(graph)) == ({"y"} if decided else set())
