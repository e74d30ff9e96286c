"""Batch normalisation that an importer folded to a factor and an offset, taken apart."""

from collections.abc import Sequence

import numpy as np

from analyzer.core.types import Array, Node
from rewriter.export.keras_file import refusal
from rewriter.export.keras_layers import Layer, Owners
from rewriter.export.keras_weights import role

FOLDED = ("Mul", "Add")
"""``x * factor + offset``: what is left of a batch normalisation of other than images."""

ROUNDING = 4 * float(np.finfo(np.float32).eps)
"""How far a folded constant may be from what the file's weights give: an addition, a root,
a product and a difference, each rounded once."""


def is_folded(layer: Layer | None, node: Node) -> bool:
    """Return whether a node is a part of a batch normalisation that was folded."""
    return layer is not None and layer.kind == "BatchNormalization" and node.op in FOLDED


def new_norm(
    owners: Owners, layer: Layer, was: Sequence[Node], now: Sequence[Node]
) -> dict[str, Array]:
    """Return the scale and the shift that a folded normalisation has now, by their paths.

    Mean and variance stay: what else they might be, the two constants do not tell.

    Args:
        owners: The layers.
        layer: The normalisation.
        was: Its nodes as they were imported.
        now: Its nodes after the repair.

    Raises:
        ExportError: The file's weights do not give the old constants, or the layer has no
            scale or shift to be changed.
    """
    own = {role(name, layer): name for name in owners.weights(layer.path)}
    held = {
        part: owners.saved.weights[name].astype(np.float32) for part, name in own.items()
    }
    first = next(node for node in was if node.op in FOLDED)
    if held.keys() != {"gamma", "beta", "moving_mean", "moving_variance"}:
        raise refusal(first.name, first.op, f"layer {layer.path} has no scale and shift")
    deviation = np.sqrt(held["moving_variance"] + np.float32(layer.options["epsilon"]))
    mean = held["moving_mean"]
    factor, offset = _constants(was)
    known = held["gamma"] / deviation
    if not (
        _close(factor, known) and _close(offset, held["beta"] - mean * known, mean * known)
    ):
        raise refusal(
            first.name, first.op, f"layer {layer.path} does not hold what was imported"
        )
    factor, offset = _constants(now)
    return {own["gamma"]: factor * deviation, own["beta"]: offset + mean * factor}


def _constants(nodes: Sequence[Node]) -> list[Array]:
    """Return the factor and the offset among a normalisation's nodes.

    Raises:
        ExportError: They are not the two that there should be.
    """
    found = [
        value.ravel()
        for op in FOLDED
        for node in nodes
        if node.op == op
        for value in node.constants.values()
    ]
    if len(found) != len(FOLDED):
        raise refusal(nodes[0].name, nodes[0].op, "its normalisation is spelled otherwise")
    return found


def _close(value: Array, expected: Array, *terms: Array) -> bool:
    """Return whether numbers agree as far as rounding lets them."""
    size = np.abs(np.stack([expected, *terms])).max(axis=0)
    return value.shape == expected.shape and bool(
        (np.abs(value - expected) <= ROUNDING * size).all()
    )
