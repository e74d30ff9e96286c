"""Which tensors of an ONNX form hold what the framework calls by the same name."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

import numpy as np
import onnx

from analyzer.core.types import Array, Feeds, Permutation
from analyzer.runtime.metrics import relative_error

LEAST_RANK, MOST_RANK = 3, 5
"""Ranks of what has channels, which importers move: [N, W, C] to [N, D, H, W, C]."""


def aligned(observed: Feeds, native: Feeds) -> dict[str, Array]:
    """Return native values in the layout and dtype of the ONNX form.

    Args:
        observed: What the ONNX form gives, by name.
        native: What the framework gives, by the same names, channels first or last.

    Returns:
        Native values of all tensors that hold as much and the same kind of numbers.
    """
    found = {}
    for name, value in native.items():
        if name not in observed:
            continue
        laid = _laid(observed[name], value)
        if laid is not None:
            found[name] = laid
    return found


def _laid(observed: Array, native: Array) -> Array | None:
    """Return a native value as the ONNX form would lay it out; of several ways the nearest.

    A square image fits in more than one, and the nearest is the right one unless the value
    is wrong altogether.
    """
    if (observed.dtype.kind in "iu") != (native.dtype.kind in "iu"):
        return None
    if observed.dtype.kind != native.dtype.kind and observed.dtype.kind not in "iu":
        return None
    fits = [native.transpose(one) for one in _ways(native.ndim)]
    fits = [one.astype(observed.dtype) for one in fits if one.shape == observed.shape]
    if len(fits) < 2:  # noqa: PLR2004 - nothing to choose
        return fits[0] if fits else None
    return np.ascontiguousarray(min(fits, key=lambda one: relative_error(observed, one)))


def _ways(rank: int) -> Iterator[Permutation]:
    axes = tuple(range(rank))
    yield axes
    if LEAST_RANK <= rank <= MOST_RANK:
        yield (0, rank - 1, *axes[1:-1])
        yield (0, *axes[2:], 1)


def outputs_reached(model: onnx.ModelProto, name: str, ends: AbstractSet[str]) -> set[str]:
    """Return the tensors that a tensor leads to first, of those given.

    Args:
        model: The ONNX form.
        name: The tensor.
        ends: Where to stop.

    Returns:
        Those of `ends`, and outputs of the model, that are computed of the tensor without
        another one of them between.
    """
    outputs = {value.name for value in model.graph.output}
    found: set[str] = set()
    waiting = {name}
    for node in model.graph.node:
        if waiting.isdisjoint(reads(node)):
            continue
        made = set(filter(None, node.output))
        found |= made & (ends | outputs)
        waiting |= made - ends
    return found


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the tensors that a node reads, its inner graphs included."""
    yield from node.input
    for attribute in node.attribute:
        for inner in (*attribute.graphs, attribute.g):
            for deeper in inner.node:
                yield from reads(deeper)
