"""Two hundred damaged copies of a file per format: each loads, or says what is wrong."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analyzer import pivot
from analyzer.core.errors import LoadError, PivotfixError, RunError
from analyzer.core.types import Feeds
from analyzer.frontends import imported

FILES = (
    "network.onnx",
    "network.keras",
    "network.h5",
    "network.pb",
    "network.tflite",
    "int8.tflite",
    "network.pt2",
)
COPIES = 200
PATIENCE_SECONDS = 60.0
"""A tiny model loads in a second; what takes a minute has hung."""

Draw = Callable[..., Feeds]


def damaged(content: bytes, seed: int) -> bytes:
    """Return a seeded copy: cut short for an odd seed, else up to eight bits flipped."""
    random = np.random.default_rng(seed)
    if seed % 2:
        return content[: random.integers(1, len(content))]
    copy = bytearray(content)
    for _ in range(random.integers(1, 9)):
        copy[random.integers(len(copy))] ^= 1 << random.integers(8)
    return bytes(copy)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a hang count as one soon."""
    monkeypatch.setattr(imported, "LOAD_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(imported, "RUN_SECONDS", PATIENCE_SECONDS)


@pytest.mark.usefixtures("warm", "impatient")
@pytest.mark.parametrize("name", FILES)
def test_damaged_file_loads_or_is_refused_in_one_message(
    models: Path, tmp_path: Path, draw: Draw, name: str
) -> None:
    """No traceback, no hang and no crash of ours, whatever the framework does."""
    content = (models / name).read_bytes()
    file = tmp_path / name

    for seed in range(COPIES):
        file.write_bytes(damaged(content, seed))
        refusal = refused(file, draw)
        assert refusal is None or said_well(refusal, file), f"seed {seed}: {refusal!r}"


def refused(file: Path, draw: Draw) -> PivotfixError | None:
    """Return the error of loading a file and running it once, None where both work."""
    try:
        model = pivot.load(str(file), trust_code=False)
        if all(spec.shape is not None and known(spec.dtype) for spec in model.inputs):
            model.run_native(draw(model))
    except (LoadError, RunError) as error:
        return error
    return None


def known(dtype: str) -> bool:
    """Return whether a dtype can be drawn."""
    return dtype not in {"string", "unknown"}


def said_well(error: PivotfixError, file: Path) -> bool:
    """Return whether a message has an object and a next step, and shows no traceback."""
    named = file.name in error.problem or isinstance(error, RunError)
    return named and "Traceback" not in error.problem and bool(error.hint)
