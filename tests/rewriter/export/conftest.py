"""The converted network, its pivot, and what proves a repaired flatbuffer."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from analyzer import pivot
from analyzer.core.graph import nodes
from analyzer.core.types import Array, Edit, Node, Pivot
from analyzer.frontends.child.client import WarmChildren
from analyzer.runtime.session import open_session
from rewriter import surgeon
from rewriter.export import tflite, tflite_file

THINNED = frozenset({"test_keras", "test_tensorflow", "test_torch"})
"""Files whose tests mend one real file each, in seconds of a framework."""

ONE_IN = 4
"""Of their cells, those that run each time."""

CLOSE = 1e-5
"""Difference of probabilities that the two runtimes show on healthy models."""

Find = Callable[[str, str], Node]


@pytest.fixture(scope="session")
def target(keras_folder: Path, warm: WarmChildren) -> Pivot:
    """The converted network, imported."""
    assert warm is not None
    return pivot.load(str(keras_folder / "net.tflite"), trust_code=False)


@pytest.fixture(scope="session")
def find(target: Pivot) -> Find:
    """Find the pivot's node of an operator type whose name holds a Keras layer's."""
    known = nodes(target.model, target.folder)

    def found(op: str, layer: str) -> Node:
        return next(one for one in known if one.op == op and f"{layer}_1/" in one.name)

    return found


@pytest.fixture(scope="session")
def feeds(target: Pivot) -> dict[str, Array]:
    """One seeded image for the network."""
    array = np.random.default_rng(1).normal(size=(1, 16, 16, 3)).astype(np.float32)
    return {target.inputs[0].name: array}


@pytest.fixture(scope="session")
def native(feeds: dict[str, Array]) -> Callable[[Path], Array]:
    """Run a file in the LiteRT interpreter on that image."""

    def run(path: Path) -> Array:
        interpreter = Interpreter(model_path=str(path))
        interpreter.allocate_tensors()
        place = interpreter.get_input_details()[0]["index"]
        interpreter.set_tensor(place, *feeds.values())
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    return run


@pytest.fixture
def written(
    target: Pivot, feeds: dict[str, Array], native: Callable[[Path], Array], tmp_path: Path
) -> Callable[..., Path]:
    """Write the flatbuffer with some edits, proven to run as the edited pivot does.

    The edits must change the output, else nothing would be proven.
    """

    def write(*edits: Edit) -> Path:
        edited = surgeon.apply(target.model, target.folder, edits)
        tflite.write(target, edited, tmp_path / "out.tflite")
        before, after = (
            next(iter(open_session(model, target.folder).run(feeds).values()))
            for model in (target.model, edited)
        )
        assert before.shape != after.shape or not np.allclose(before, after, rtol=1e-3)
        np.testing.assert_allclose(native(tmp_path / "out.tflite"), after, atol=CLOSE)
        return tmp_path / "out.tflite"

    return write


@pytest.fixture(scope="session")
def kinds() -> Callable[[Path], list[str]]:
    """List the kinds of a file's operators, in the order they run."""

    def listed(path: Path) -> list[str]:
        flatbuffer = tflite_file.read(path)
        return [tflite_file.kind(flatbuffer, one) for one in flatbuffer.graph.operators]

    return listed


@pytest.fixture(scope="session")
def options() -> Callable[[Path, str], list[object]]:
    """List the options of every operator of a kind."""

    def listed(path: Path, kind: str) -> list[object]:
        flatbuffer = tflite_file.read(path)
        return [
            one.builtinOptions
            for one in flatbuffer.graph.operators
            if tflite_file.kind(flatbuffer, one) == kind
        ]

    return listed


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave most of the files that are mended natively to ``PIVOTFIX_EVERY_CELL=1``."""
    if os.environ.get("PIVOTFIX_EVERY_CELL"):
        return
    seen: Counter[str] = Counter()
    for item in items:
        if item.path.stem in THINNED and "[" in item.name:
            name = f"{item.path.stem}:{item.name.partition('[')[0]}"
            if seen[name] % ONE_IN:
                item.add_marker(pytest.mark.skip(reason="runs in make test-all"))
            seen[name] += 1
