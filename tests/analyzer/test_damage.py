"""What each root fault alone does to the model's outputs."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from analyzer.core.types import Array, Fault
from analyzer.damage import damages
from analyzer.samples import Probe

Bench = Callable[..., SimpleNamespace]
Located = Callable[..., tuple[Fault, ...]]
ROW = np.linspace(-1.0, 1.0, 8, dtype=np.float32).reshape(2, 4)
TWO = "(float[2,4] x) => (y, z) { a = MatMul(x, w) y = Neg(a) b = MatMul(x, v) z = Neg(b) }"


@pytest.fixture
def weights(rng: np.random.Generator) -> dict[str, Array]:
    """Weights of `TWO`."""
    return {name: rng.normal(size=(4, 4)).astype(np.float32) for name in "wv"}


def measured(one: SimpleNamespace, faults: tuple[Fault, ...]) -> dict[str, float]:
    """Return the damage of each fault by its first guilty tensor, in order."""
    probes = [Probe(one.given, one.feeds)]
    found = damages(one.target, one.links, faults, probes, one.known)
    return {fault.guilty[0]: fault.output_error for fault in found}


def test_faults_are_ranked_by_their_damage_alone(
    bench: Bench, located: Located, weights: dict[str, Array]
) -> None:
    """Each is measured as if the other were mended."""
    wrong = {"w": weights["w"] * np.float32(1.5), "v": weights["v"] * np.float32(3.0)}
    one = bench(TWO, TWO, ROW, weights, wrong)

    assert measured(one, located(one)) == {
        "b": pytest.approx(2.0, rel=1e-4),
        "a": pytest.approx(0.5, rel=1e-4),
    }


def test_fault_that_does_not_reach_an_output_does_no_damage(
    bench: Bench, located: Located
) -> None:
    """A rectifier that gets only negative values hides what made them."""
    text = "(float[2,4] x) => (y) {{ a = Abs(x) b = {}(a) c = Neg(b) y = Relu(c) }}"
    one = bench(text.format("Exp"), text.format("Cosh"), ROW)

    assert measured(one, located(one)) == {"b": 0.0}


def test_no_fault_is_no_damage(bench: Bench) -> None:
    """Nothing is run for nothing."""
    one = bench(TWO, TWO, ROW, {name: np.eye(4, dtype=np.float32) for name in "wv"})

    assert damages(one.target, one.links, (), (), one.known) == ()


def test_lone_fault_does_what_an_ordinary_run_shows(
    bench: Bench, located: Located, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing else is wrong, the damage is known and nothing is run for it."""
    kernel = np.eye(4, dtype=np.float32)
    one = bench(TWO, TWO, ROW, {"w": kernel, "v": kernel}, {"w": kernel * np.float32(1.5)})
    faults, probes = located(one), [Probe(one.given, one.feeds)]
    monkeypatch.setattr("analyzer.damage.isolation_run", pytest.fail)
    (found,) = damages(
        one.target, one.links, faults, probes, one.known, [{"y": 0.5, "z": 0.0}]
    )

    assert found.output_error == 0.5
