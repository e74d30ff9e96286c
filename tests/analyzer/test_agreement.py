"""Two models that agree are known from one look at each sample."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from analyzer import comparison
from analyzer.core.options import Options
from analyzer.core.report import Verdict
from analyzer.core.types import Status
from analyzer.diff import diff

Net = Callable[..., onnx.ModelProto]
BODY = (
    "(float[N,64] x) => (y) {{ a = MatMul(x, w) b = Relu(a) c = {sum} y = MatMul(c, v) }}"
)


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    """Two kernels and a bias."""
    rng = np.random.default_rng(0)
    return {
        "w": rng.standard_normal((64, 64)).astype(np.float32),
        "v": rng.standard_normal((64, 8)).astype(np.float32),
        "k": rng.standard_normal(64).astype(np.float32),
    }


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether a search for faults was needed, a run each."""
    found: list[bool] = []
    real = comparison.agreement

    def spied(*given: object) -> object:
        same = real(*given)  # type: ignore[arg-type]
        found.append(same is None)
        return same

    monkeypatch.setattr(comparison, "agreement", spied)
    return found


def saved(folder: Path, name: str, model: onnx.ModelProto) -> str:
    """Return the path of a saved model."""
    onnx.save(model, folder / name)
    return str(folder / name)


def test_other_order_of_operands_needs_no_search(
    net: Net, weights: dict[str, np.ndarray], tmp_path: Path, searched: list[bool]
) -> None:
    """Rounding is known for what it is without isolating anything twice."""
    one = saved(tmp_path, "a.onnx", net(BODY.format(sum="Add(b, k)"), **weights))
    other = saved(tmp_path, "b.onnx", net(BODY.format(sum="Sum(k, b)"), **weights))

    assert diff(one, other, rules=()).verdict is Verdict.EQUIVALENT
    assert searched == [False]


def test_fault_on_the_last_sample_alone_is_searched_for(
    net: Net, weights: dict[str, np.ndarray], tmp_path: Path, searched: list[bool]
) -> None:
    """Every sample is looked at."""
    kind = "(float[1,64] x) => (y) {{ y = {op}(x, k) }}"
    one = saved(tmp_path, "a.onnx", net(kind.format(op="Add"), k=weights["k"]))
    clipped = "(float[1,64] x) => (y) { a = Add(x, k) y = Min(a, t) }"
    limit = np.float32(50.0)
    other = saved(tmp_path, "b.onnx", net(clipped, k=weights["k"], t=limit))
    rows = np.zeros((3, 1, 64), np.float32)
    rows[2] = 100.0
    np.savez(tmp_path / "x.npz", x=rows)

    report = diff(one, other, options=Options(inputs=tmp_path / "x.npz"), rules=())

    assert report.verdict is Verdict.DIVERGENT
    assert searched == [True]


def test_bound_on_memory_changes_no_verdict(
    net: Net, weights: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """What is dumped in groups is compared all the same, and the report says so."""
    one = saved(tmp_path, "a.onnx", net(BODY.format(sum="Add(b, k)"), **weights))
    wrong = {**weights, "v": weights["v"] * np.float32(1.5)}
    other = saved(tmp_path, "b.onnx", net(BODY.format(sum="Add(b, k)"), **wrong))

    plain = diff(one, other, rules=())
    bounded = diff(one, other, options=Options(max_memory=1024), rules=())

    assert plain.probe.groups == 1
    assert bounded.probe.groups > 1
    assert [finding.target_tensors for finding in bounded.findings] == [
        finding.target_tensors for finding in plain.findings
    ]


PADDED = (
    "(float[1,2,6,6] x) => (y) {{ {start} b = Conv(a, w) c = Relu(b) d = Pad(c, p, v) "
    "e = MaxPool<kernel_shape=[3,3], strides=[2,2]>(d) y = ReduceSum<keepdims=0>(e) }}"
)
ENDS = np.array([0, 0, 1, 1, 0, 0, 1, 1])
LEAST = np.finfo(np.float32).min


@pytest.fixture
def kernel() -> dict[str, np.ndarray]:
    """A kernel, and where its result is padded."""
    kernel = np.random.default_rng(0).standard_normal((3, 2, 3, 3)).astype(np.float32)
    return {"w": kernel, "p": ENDS, "k": np.float32(0.1)}


def test_deviation_that_nobody_notices_needs_no_search(
    net: Net, kernel: dict[str, np.ndarray], tmp_path: Path, searched: list[bool]
) -> None:
    """Zeros and the least number there is are the same before a maximum behind a ReLU."""
    text = PADDED.format(start="a = Mul(x, k)")
    one = saved(tmp_path, "a.onnx", net(text, **kernel, v=np.float32(0.0)))
    other = saved(tmp_path, "b.onnx", net(text, **kernel, v=LEAST))

    assert diff(one, other, rules=()).verdict is Verdict.EQUIVALENT
    assert searched == [False]


def test_deviation_that_nobody_notices_is_no_fault_behind_a_fault(
    net: Net, kernel: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """What is wrong before it makes everything deviate that is computed from it."""
    scaled, bare = (PADDED.format(start=f"a = {one}") for one in ("Mul(x, k)", "Neg(x)"))
    one = saved(tmp_path, "a.onnx", net(scaled, **kernel, v=np.float32(0.0)))
    other = saved(tmp_path, "b.onnx", net(bare, **kernel, v=LEAST))
    report = diff(one, other, rules=())
    faults = [each for each in report.findings if each.status is Status.FAULT]

    assert [each.target_tensors for each in faults] == [("a",)]
