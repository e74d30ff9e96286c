"""Any model file as a `Pivot`, and how faithful that pivot is to the file's own runtime."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from analyzer.core.types import Array, Feeds, Pivot
from analyzer.frontends.base import find_frontend
from analyzer.frontends.hints import HintedFrontend, Hints
from analyzer.runtime.metrics import relative_error
from analyzer.runtime.noise import noise_floor
from analyzer.runtime.session import open_session

FLOOR_PROBES = 2
"""Probes the floor is measured on: each costs several runs, and rounding varies little."""


def load(path: str, *, trust_code: bool, hints: Hints = Hints()) -> Pivot:  # noqa: B008
    """Return a model in ONNX form, with everything needed to run it here and natively.

    Args:
        path: A model file, or ``file.py:factory``.
        trust_code: Whether code that comes with the model may run.
        hints: What is known besides of a file that does not say everything.

    Raises:
        LoadError: The file is missing or broken, or nothing installed reads it.
        UsageError: The model runs the user's code, which was not allowed.
    """
    frontend = find_frontend(path)
    if isinstance(frontend, HintedFrontend):
        pivot = frontend.load_hinted(path, hints, trust_code=trust_code)
    else:
        pivot = frontend.load(path, trust_code=trust_code)
    return replace(pivot, trusted=trust_code)


def asks(path: str) -> bool:
    """Return whether a file says nothing of its inputs, which the other model may tell.

    Args:
        path: As the user gave it.

    Raises:
        LoadError: No frontend reads it, or it is missing or broken.
    """
    frontend = find_frontend(path)
    return isinstance(frontend, HintedFrontend) and frontend.asks(path)


def fidelity_gap(pivot: Pivot, probes: Sequence[Feeds]) -> tuple[float, float]:
    """Return how far a pivot is from its native runtime, and what rounding alone can do.

    For an ``.onnx`` file the native runtime is ONNX Runtime with its optimizer, and the gap
    is the optimizer's.

    Args:
        pivot: The model.
        probes: Samples by pivot input name, dtypes and shapes as the inputs declare.

    Returns:
        The largest relative deviation of any output on any probe, and the largest relative
        deviation that a unit in the last place of inputs, weights or outputs can make.

    Raises:
        RunError: One of the two runtimes refuses a probe.
    """
    session = open_session(pivot.model, pivot.folder)
    names = [output.name for output in pivot.outputs]
    gap = step = 0.0
    for feeds in probes:
        observed, expected = session.run(feeds, names), pivot.run_native(feeds)
        errors = [relative_error(observed[name], expected[name]) for name in names]
        gap = max([gap, *errors])
        step = max([step, *(_last_place(expected[name]) for name in names)])
    floors = noise_floor(pivot.model, pivot.folder, probes[:FLOOR_PROBES], names)
    return gap, max([step, *floors.values()])


def _last_place(value: Array) -> float:
    """Return the relative size of the least step an output can take.

    Two right runtimes may round a float, or a quantized value, to neighbouring steps.
    """
    if value.dtype.kind == "f":
        return float(np.finfo(value.dtype).eps)
    if value.dtype.itemsize > 1 or value.dtype.kind not in "iu" or not value.size:
        return 0.0  # indices, labels and masks are right or wrong
    return 1.0 / max(1, int(np.max(np.abs(value.astype(np.int64)))))
