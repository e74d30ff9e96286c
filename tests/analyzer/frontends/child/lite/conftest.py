"""Conversions of the official converter, and both importers of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer import pivot
from analyzer.core.types import Feeds, Pivot
from analyzer.frontends import imported, tflite
from analyzer.frontends.child.client import WarmChildren
from analyzer.runtime.session import open_session

HERE = Path(__file__).resolve().parent
Outputs = tuple[Feeds, Feeds]


@pytest.fixture(scope="session")
def converted(build: Callable[..., Path]) -> Path:
    """A folder of TensorFlow's own conversions."""
    return build(HERE / "build_operators.py", HERE / "build_networks.py")


@pytest.fixture
def ours(warm: WarmChildren) -> Callable[[Path], Pivot]:
    """Import a file without TensorFlow."""
    assert warm is not None
    return lambda file: pivot.load(str(file), trust_code=False)


@pytest.fixture
def theirs(warm: WarmChildren) -> Callable[[Path], Pivot]:
    """Import a file with tf2onnx."""
    assert warm is not None
    importer = tflite.SECOND_OPINION
    return lambda file: imported.load(str(file), file, importer, trust_code=False)


def _feeds(model: Pivot, seed: int = 0) -> Feeds:
    random = np.random.default_rng(seed)
    feeds = {}
    for spec in model.inputs:
        assert spec.shape is not None
        shape = [size if isinstance(size, int) else 2 for size in spec.shape]
        low, high = {"float32": (-1, 1), "int32": (0, 3), "int8": (-128, 128)}.get(
            spec.dtype, (0, 256)
        )
        feeds[spec.name] = random.uniform(low, high, shape).astype(spec.dtype)
    return feeds


@pytest.fixture(scope="session")
def feeds() -> Callable[..., Feeds]:
    """Draw one seeded sample: floats in [-1, 1], few integers, all of a grid's."""
    return _feeds


@pytest.fixture(scope="session")
def outputs() -> Callable[[Pivot], Outputs]:
    """Run a model natively and as its pivot, on one sample."""

    def run(model: Pivot) -> Outputs:
        drawn = _feeds(model)
        return model.run_native(drawn), open_session(model.model, model.folder).run(drawn)

    return run
