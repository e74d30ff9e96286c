"""Which Keras layer each TensorFlow operation was traced for."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import onnx
import tensorflow as tf

DERIVED = re.compile(r"(:\d+|__\d+)$")
"""What tf2onnx appends to an operation's name for the tensors and nodes it makes of it."""


@contextmanager
def layers_recorded(model: Any) -> Iterator[dict[str, str]]:
    """Give a dictionary that fills with each operation's layer while the model is traced.

    The names of operations do not tell: Keras makes ``conv2d_1_2`` of the second trace of a
    layer ``conv2d_1``, or of the third of ``conv2d``. A layer inside another goes by its
    path ``outer/inner``, and the model itself is not part of it.

    Args:
        model: The Keras model that is traced.
    """
    recorded: dict[str, str] = {}
    within: list[str] = []
    original = keras.layers.Layer.__call__

    def recording(layer: Any, *args: Any, **options: Any) -> Any:
        if layer is model:
            return original(layer, *args, **options)
        within.append(layer.name)
        graph = tf.compat.v1.get_default_graph()
        known = len(graph.get_operations())
        try:
            return original(layer, *args, **options)
        finally:
            path = "/".join(within)
            within.pop()
            for operation in graph.get_operations()[known:]:
                recorded.setdefault(operation.name, path)

    keras.layers.Layer.__call__ = recording
    try:
        yield recorded
    finally:
        keras.layers.Layer.__call__ = original


def layers_of_tensors(
    model: onnx.ModelProto, recorded: Mapping[str, str]
) -> dict[str, tuple[str, str | None]]:
    """Return the layer of each tensor of a pivot whose origin is known.

    Args:
        model: The pivot, named by tf2onnx after the operations it was made of.
        recorded: The layer of each operation.
    """
    scopes = _scopes(recorded)
    found: dict[str, tuple[str, str | None]] = {}
    for node in model.graph.node:
        layer = _layer(node.name, recorded, scopes)
        for name in (*node.input, *node.output):
            own = _layer(name, recorded, scopes) or (layer if name in node.output else None)
            if own and name not in found:
                found[name] = (own, None)
    return found


def _scopes(recorded: Mapping[str, str]) -> dict[str, str]:
    """Return the layer of each name scope that one layer has to itself."""
    owners: dict[str, set[str]] = {}
    for name, layer in recorded.items():
        parts = name.split("/")
        for depth in range(1, len(parts)):
            owners.setdefault("/".join(parts[:depth]), set()).add(layer)
    return {scope: min(layers) for scope, layers in owners.items() if len(layers) == 1}


def _layer(name: str, recorded: Mapping[str, str], scopes: Mapping[str, str]) -> str | None:
    """Return the layer of an operation, or of the deepest scope it stands in."""
    while DERIVED.search(name):
        name = DERIVED.sub("", name)
    while name:
        if name in recorded or name in scopes:
            return recorded.get(name) or scopes[name]
        name = name.rpartition("/")[0]
    return None
