"""A size that both sides declare open works at more than the one the samples have."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from analyzer.core.options import Options
from analyzer.core.report import Report, Verdict
from analyzer.core.types import Array, FaultClass, Finding
from analyzer.diff import analyse

Net = Callable[..., onnx.ModelProto]
Save = Callable[[onnx.ModelProto, str], str]

BATCH = "(float[N,8,4] x) => (y) { a = Tanh(x) b = Reshape(a, s) y = Neg(b) }"
SEQUENCE = "(float[1,S,4] x) => (y) { a = Tanh(x) b = Reshape(a, s) y = Neg(b) }"
SHIFTED = "(float[1,S,4] x) => (y) { a = Add(x, p) y = Neg(a) }"
SLICED = (
    "(float[1,S,4] x) => (y) { h = Shape<start=1,end=2>(x) o = Constant<value_ints=[0]>()"
    " q = Slice(p, o, h, o) a = Add(x, q) y = Neg(a) }"
)


@pytest.fixture
def reported(net: Net, saved: Save) -> Callable[..., Report]:
    """The report on two texts with their shapes or weights, without any rule."""

    def run(
        source: tuple[str, dict[str, Array]], target: tuple[str, dict[str, Array]]
    ) -> Report:
        paths = [
            saved(net(text, **constants), name)
            for name, (text, constants) in (("source", source), ("target", target))
        ]
        return analyse(*paths, options=Options(samples=2), rules=()).report

    return run


def shape(*sizes: int) -> dict[str, Array]:
    """Return the shape a Reshape is told to make."""
    return {"s": np.int64(sizes)}


def only(report: Report) -> Finding:
    """Return the one finding of a divergent pair."""
    (finding,) = report.findings
    assert report.verdict is Verdict.DIVERGENT
    return finding


@pytest.mark.parametrize("frozen", [(1, 32), (1, -1)])
def test_batch_frozen_to_one_is_found(
    reported: Callable[..., Report], frozen: tuple[int, int]
) -> None:
    """Whether it refuses another batch or makes one long row of it."""
    found = only(reported((BATCH, shape(0, -1)), (BATCH, shape(*frozen))))

    assert found.target_tensors == ("b",)
    assert (found.affected, found.samples) == (1, 3)
    assert found.message.endswith("seen at x of [2, 8, 4] only")


def test_sequence_frozen_to_one_length_is_found(reported: Callable[..., Report]) -> None:
    """The shape holds a product with the length that was drawn."""
    found = only(reported((SEQUENCE, shape(0, -1, 2)), (SEQUENCE, shape(1, 16, 2))))

    assert found.target_tensors == ("b",)
    assert "seen at x of [1, 11, 4] only" in found.message


def test_table_cut_to_one_length_is_found(
    reported: Callable[..., Report], rng: np.random.Generator
) -> None:
    """A slice that was computed from the length has become a constant."""
    table = rng.normal(size=(1, 64, 4)).astype(np.float32)
    whole, cut = {"p": table[0]}, {"p": table[0, :8].copy()}

    assert only(reported((SLICED, whole), (SHIFTED, cut))).target_tensors == ("a",)


def test_size_declared_fixed_is_harmless(reported: Callable[..., Report]) -> None:
    """A target that says it takes one length only is taken at its word."""
    fixed = SEQUENCE.replace("[1,S,4]", "[1,8,4]")
    report = reported((SEQUENCE, shape(0, -1, 2)), (fixed, shape(1, 16, 2)))

    assert report.verdict is Verdict.EQUIVALENT
    assert report.findings == ()


def test_source_that_works_at_one_size_proves_nothing(
    reported: Callable[..., Report],
) -> None:
    """What both sides freeze no conversion froze."""
    both = BATCH, shape(1, 32)

    assert reported(both, both).verdict is Verdict.EQUIVALENT


def test_model_without_a_frozen_size_runs_no_second_one(
    reported: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no constant could hold a size, another one costs nothing."""
    monkeypatch.setattr("analyzer.second_size.native_runs", pytest.fail)
    both = BATCH, shape(0, -1)

    assert reported(both, both).verdict is Verdict.EQUIVALENT


def test_silent_change_of_shape_has_its_class(reported: Callable[..., Report]) -> None:
    """Every region computes the right numbers, in another shape."""
    found = only(reported((BATCH, shape(0, -1)), (BATCH, shape(1, -1))))

    assert found.fault_class is FaultClass.TENSOR_SHAPE_STRUCTURE
    assert found.rule == "shape-frozen"


def test_node_that_stops_at_another_batch_only_is_named(
    reported: Callable[..., Report],
) -> None:
    """A Squeeze takes a batch of one away, and the Transpose behind it stops at two."""
    right = "(float[N,2,3] x) => (y) { a = Tanh(x) y = Transpose<perm=[0,2,1]>(a) }"
    wrong = (
        "(float[N,2,3] x) => (y) { a = Tanh(x) b = Squeeze(a) "
        "c = Transpose<perm=[1,0]>(b) y = Unsqueeze(c, s) }"
    )
    found = only(reported((right, {}), (wrong, shape(0))))

    assert found.fault_class is FaultClass.RUNTIME
    assert found.target_tensors[0] == "c"
    assert found.message.endswith("seen at x of [2, 2, 3] only")


def test_stage_in_other_sizes_with_right_outputs_is_harmless(
    reported: Callable[..., Report], rng: np.random.Generator
) -> None:
    """One long row through a rounded weight: beyond the noise, and of a batch again."""
    weight = rng.normal(size=(4, 4)).astype(np.float32)
    half = weight.astype(np.float16).astype(np.float32)
    plain = "(float[N,6,4] x) => (y) { a = Tanh(x) y = MatMul(a, w) }"
    joined = (
        "(float[N,6,4] x) => (y) { a = Tanh(x) b = Reshape(a, s) c = MatMul(b, w)"
        " y = Reshape(c, r) }"
    )
    sizes = {"s": np.int64([1, -1, 4]), "r": np.int64([-1, 6, 4])}
    report = reported((plain, {"w": weight}), (joined, {**sizes, "w": half}))

    assert report.verdict is Verdict.EQUIVALENT
    assert [one.rule for one in report.findings] == ["reduced-precision"]


def test_inner_batch_frozen_with_right_sizes_behind_it_is_found(
    reported: Callable[..., Report],
) -> None:
    """The values are wrong, whatever the outputs' shapes are."""
    text = (
        "(float[N,8,4] x) => (y) { a = Tanh(x) b = Reshape(a, s)"
        " c = Softmax<axis=1>(b) y = Reshape(c, r) }"
    )
    back = {"r": np.int64([-1, 8, 4])}
    right, wrong = ({"s": np.int64(sizes), **back} for sizes in ((-1, 8, 4), (1, -1, 4)))
    found = only(reported((text, right), (text, wrong)))

    assert found.message.endswith("seen at x of [2, 8, 4] only")
