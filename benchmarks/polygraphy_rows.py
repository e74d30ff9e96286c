"""What Polygraphy costs on a pair: in its kindest form, and in the one its users type."""

import os
from pathlib import Path

from measure import HERE, Cost, cost
from polygraphy_inputs import SAMPLES

BIN = HERE / ".venv-polygraphy" / "bin"
EITHER = (0, 1)
"""Exit codes: it pairs tensors by name, so that a healthy pair may well differ."""


def polygraphy_rows(source: Path, target: Path, inputs: Path) -> tuple[Cost, ...]:
    """Return the cost of one process, and of two runs that save and one that compares.

    Args:
        source: An ONNX file.
        target: Another that takes the same arrays.
        inputs: The samples, a ``.npz``; half a gigabyte and more is written beside it.
    """
    os.environ[SAMPLES] = str(inputs)
    runs = [BIN / "python", HERE / "polygraphy_runs.py", source, target, inputs]
    saved = [inputs.with_name(f"{side}.json") for side in ("source", "target")]
    dumps = [_dump(*one) for one in zip((source, target), saved, strict=True)]
    judge = [BIN / "polygraphy", "run", "--load-outputs", *saved]
    rows = (
        cost("Polygraphy, one process", runs, runs=1, expected=EITHER),
        cost(
            "Polygraphy, two saved runs and a comparison",
            *dumps,
            judge,
            runs=1,
            expected=EITHER,
        ),
    )
    for left in saved:
        left.unlink(missing_ok=True)
    return rows


def _dump(model: Path, saved: Path) -> list[object]:
    """Return the command that saves every tensor of a model, as users type it."""
    return [
        BIN / "polygraphy", "run", model, "--onnxrt", "--onnx-outputs", "mark", "all",
        "--data-loader-script", HERE / "polygraphy_inputs.py", "--save-outputs", saved,
    ]  # fmt: skip
