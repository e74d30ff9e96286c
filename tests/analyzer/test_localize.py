"""A fault is a region that deviates by itself, and it names the tensors at its root."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from analyzer.core.types import Array, Fault, Feeds
from analyzer.samples import Probe, local_errors

Bench = Callable[..., SimpleNamespace]
Located = Callable[..., tuple[Fault, ...]]
ROW = np.linspace(-1.0, 1.0, 8, dtype=np.float32).reshape(2, 4)
CHAIN = "(float[2,4] x) => (y) { a = Abs(x) b = Exp(a) c = Tanh(b) y = Neg(c) }"
DENSE = "(float[2,4] x) => (y) { a = MatMul(x, w) b = Relu(a) y = MatMul(b, v) }"


@pytest.fixture
def dense(rng: np.random.Generator) -> dict[str, Array]:
    """Weights of `DENSE`."""
    return {name: rng.normal(size=(4, 4)).astype(np.float32) for name in "wv"}


def test_error_is_that_of_the_region_alone(bench: Bench) -> None:
    """Of four tensors that deviate in an ordinary run, one deviates by itself."""
    one = bench(CHAIN, CHAIN.replace("Exp", "Sin"), ROW)
    errors, fed, seen = local_errors(
        one.target, one.links, Probe(one.given, one.feeds), one.known
    )

    assert [name for name, error in errors.items() if error > 1e-6] == ["b"]
    assert errors["b"] == pytest.approx(np.max(np.abs(seen["b"] - fed["b"])) / np.e)


def test_fault_holds_both_regions_and_their_values(bench: Bench, located: Located) -> None:
    """A rule sees the nodes, what they read and gave, and on how many samples."""
    (fault,) = located(bench(CHAIN, CHAIN.replace("Exp", "Sin"), ROW))

    assert [node.op for node in fault.source.nodes] == ["Exp"]
    assert [node.op for node in fault.target.nodes] == ["Sin"]
    assert fault.guilty == ("b",)
    assert (fault.affected, fault.samples) == (1, 2)
    assert np.array_equal(fault.recorded[0].inputs["a"], np.abs(ROW))
    assert np.allclose(fault.recorded[0].expected["b"], np.exp(np.abs(ROW)))
    assert np.allclose(fault.recorded[0].observed["b"], np.sin(np.abs(ROW)))


def test_wrong_weight_is_known_as_the_cause(
    bench: Bench, located: Located, dense: Feeds
) -> None:
    """Given the source's weight, the region is right again."""
    one = bench(DENSE, DENSE, ROW, dense, {"v": dense["v"] * np.float32(1.5)})
    (fault,) = located(one)
    (difference,) = fault.differences

    assert (difference.field, difference.cure) == ("input1", 0.0)
    assert fault.guilty == ("y",)


def test_missing_operator_names_the_edge_it_was_on(
    bench: Bench, located: Located, dense: Feeds
) -> None:
    """What its reader reads now, and the reader."""
    dropped = "(float[2,4] x) => (y) { a = MatMul(x, w) y = MatMul(a, v) }"
    (fault,) = located(bench(DENSE, dropped, ROW, dense))

    assert [node.op for node in fault.unpaired_source] == ["Relu"]
    assert fault.guilty == ("a", "y")


def test_added_operator_is_guilty_itself(
    bench: Bench, located: Located, dense: Feeds
) -> None:
    """A node that only the target has is named by what it gives."""
    added = DENSE.replace("b = Relu(a)", "t = Tanh(a) b = Relu(t)")
    (fault,) = located(bench(DENSE, added, ROW, dense))

    assert [node.op for node in fault.unpaired_target] == ["Tanh"]
    assert fault.guilty[0] == "t"


def test_worst_fault_comes_first(bench: Bench, located: Located, dense: Feeds) -> None:
    """Two faults apart from each other are two, ordered by their local error."""
    text = (
        "(float[2,4] x) => (y) { a = MatMul(x, w) b = Tanh(a) c = Neg(b) d = Abs(c)"
        " y = MatMul(d, v) }"
    )
    wrong = {"w": dense["w"] * np.float32(1.1), "v": dense["v"] * np.float32(3.0)}
    first, second = located(bench(text, text, ROW, dense, wrong))

    assert (first.guilty, second.guilty) == (("y",), ("a",))
    assert first.local_error == pytest.approx(2.0, rel=1e-3)
    assert second.local_error == pytest.approx(0.1, rel=1e-3)


def test_results_that_share_a_node_are_one_fault(bench: Bench, located: Located) -> None:
    """A TopK that is wrong in values and indices is wrong once."""
    text = "(float[2,4] x) => (v, i) {{ a = Exp(x) v, i = TopK<largest={}>(a, k) }}"
    one = bench(text.format(1), text.format(0), ROW, {"k": np.int64([2])})
    (fault,) = located(one)

    assert fault.target.outputs == ("v", "i")


def test_input_of_the_model_is_known_as_entry(bench: Bench, located: Located) -> None:
    """A fault in the first layer may be one of preprocessing."""
    (first,) = located(bench(CHAIN, CHAIN.replace("Abs", "Sin"), ROW))
    (later,) = located(bench(CHAIN, CHAIN.replace("Exp", "Sin"), ROW))

    assert first.entries == ("x",)
    assert later.entries == ()
