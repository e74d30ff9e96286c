"""Tiny models of every framework, built once, and one warm child per framework."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from analyzer import pivot
from analyzer.core.types import Feeds, Pivot
from analyzer.frontends.child.client import WarmChildren, warm_children
from analyzer.frontends.hints import Hints

HERE = Path(__file__).resolve().parent
Load = Callable[..., Pivot]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny models that the frameworks themselves have saved."""
    folder = tmp_path_factory.mktemp("models")
    scripts = (HERE / "build_tensorflow.py", HERE / "build_torch.py")
    builders = [
        subprocess.Popen(
            [sys.executable, script, folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for script in scripts
    ]
    for builder in builders:
        said, _ = builder.communicate()
        assert builder.returncode == 0, said.decode()[-800:]
    return folder


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmChildren]:
    """Children that all tests of a session share, since an import takes seconds."""
    with warm_children() as children:
        yield children


@pytest.fixture
def load(models: Path, warm: WarmChildren) -> Load:
    """Load one of the tiny models by file name, in a warm child."""
    assert warm is not None

    def loaded(name: str, *, trust_code: bool = False, hints: Hints = Hints()) -> Pivot:  # noqa: B008
        return pivot.load(str(models / name), trust_code=trust_code, hints=hints)

    return loaded


def sample(model: Pivot, *, batch: int = 1, seed: int = 0) -> Feeds:
    """Return one seeded sample of a model's inputs, free sizes set to the batch."""
    random = np.random.default_rng(seed)
    feeds = {}
    for spec in model.inputs:
        assert spec.shape is not None
        shape = [size if isinstance(size, int) else batch for size in spec.shape]
        low, high = (-1, 1) if spec.dtype.startswith("float") else (-128, 128)
        feeds[spec.name] = random.uniform(low, high, shape).astype(spec.dtype)
    return feeds


@pytest.fixture(scope="session")
def draw() -> Callable[..., Feeds]:
    """Draw one seeded sample of a model's inputs."""
    return sample
