"""Two models that agree are known from one look at each sample."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from analyzer import comparison
from analyzer.core.options import Options
from analyzer.core.report import Verdict
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
