"""What is run once is not run again, as far as it can be kept."""

from collections.abc import Callable
from itertools import count

import numpy as np
import onnx
import pytest

from analyzer import bench
from analyzer.bench import SOURCE, TARGET, Dumps
from analyzer.core.options import Options
from analyzer.core.report import Verdict
from analyzer.core.types import Array
from analyzer.diff import diff

Net = Callable[..., onnx.ModelProto]
Save = Callable[[onnx.ModelProto, str], str]
ROW = np.zeros(4, np.float32)
CHAIN = "(float[2,4] x) => (y) { a = MatMul(x, w) b = Tanh(a) y = MatMul(b, v) }"


@pytest.fixture
def runs() -> Callable[[], dict[str, Array]]:
    """Gives one tensor, with another value at each run."""
    numbers = count()
    return lambda: {"a": ROW + next(numbers)}


@pytest.fixture
def dumped(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A row for each run of a whole model without cuts."""
    found: list[int] = []
    real = bench.dump

    def spied(*given: object) -> object:
        found.append(len(found))
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(bench, "dump", spied)
    monkeypatch.setattr(Dumps.__init__, "__defaults__", (0,))  # nothing is small
    return found


def test_small_dumps_are_run_once(runs: Callable[[], dict[str, Array]]) -> None:
    """What fits is kept for every sample and side."""
    kept = Dumps(limit=ROW.nbytes * 2)
    first = [kept.of(side, 0, runs)["a"][0] for side in (SOURCE, TARGET)]
    again = [kept.of(side, 0, runs)["a"][0] for side in (SOURCE, TARGET)]

    assert first == again == [0, 1]


def test_newest_dump_of_the_source_stays(runs: Callable[[], dict[str, Array]]) -> None:
    """Of what does not fit, it is asked for again and again; older ones are run again."""
    kept = Dumps(limit=0)
    asked = [(SOURCE, 0), (TARGET, 0), (SOURCE, 0), (TARGET, 0), (SOURCE, 1), (SOURCE, 0)]
    seen = [kept.of(*one, runs)["a"][0] for one in asked]

    assert seen == [0, 1, 0, 2, 3, 4]


def test_pair_that_agrees_is_run_once_a_sample(
    net: Net, saved: Save, dumped: list[int], rng: np.random.Generator
) -> None:
    """The source is dumped once a sample; what the target computes alike is not run."""
    weights = {name: rng.normal(size=(4, 4)).astype(np.float32) for name in "wv"}
    paths = saved(net(CHAIN, **weights), "source"), saved(net(CHAIN, **weights), "target")

    assert diff(*paths, options=Options(samples=3), rules=()).verdict is Verdict.EQUIVALENT
    assert len(dumped) == 3


def test_held_dump_lies_in_a_file(runs: Callable[[], dict[str, Array]]) -> None:
    """However large, it is run once, costs no memory, and outlasts the next sample."""
    kept = Dumps(limit=0)
    held = kept.hold(SOURCE, 0, runs)
    kept.of(SOURCE, 1, runs)

    assert kept.of(SOURCE, 0, runs) is held
    assert held["a"][0] == 0
    assert not held["a"].flags.writeable
