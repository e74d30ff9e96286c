"""The layers that a Keras configuration lists, and which of them each pivot node is of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyzer.core.types import Array, NativeLayer, Node
from rewriter.export.keras_file import Config, Saved
from rewriter.export.layouts import holders

Options = dict[str, Any]

SINGLE = 1
"""Numbers that a weight has at least two of: a single one is an option, or anyone's."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A layer in a configuration.

    Attributes:
        path: Its name, behind those of the layers it is in: ``outer/inner``.
        entry: How the model lists it, open to be changed.
        model: The configuration of the model that lists it, likewise.
    """

    path: str
    entry: Config
    model: Config

    @property
    def kind(self) -> str:
        """Its class."""
        return str(self.entry["class_name"])

    @property
    def name(self) -> str:
        """Its name in the model that lists it."""
        return self.path.rpartition("/")[2]

    @property
    def options(self) -> Options:
        """Its options, open to be changed; those of the layer that a wrapper wraps."""
        config: Options = self.entry["config"]
        inner = config.get("layer")
        return inner["config"] if isinstance(inner, dict) else config


def layers_of(config: Config) -> dict[str, Layer]:
    """Return every layer of a configuration by its path, those of inner models too."""
    return {layer.path: layer for layer in _layers(config["config"], "")}


def _layers(model: Config, outer: str) -> Iterator[Layer]:
    for entry in model.get("layers", ()):
        name = _name(entry)
        path = f"{outer}/{name}" if outer else name
        yield Layer(path, entry, model)
        yield from _layers(entry["config"], path)


def neighbour(layer: Layer, name: str) -> Layer:
    """Return the layer of a name in the model that lists another one, as it is now.

    Args:
        layer: The other one.
        name: One that the model lists.
    """
    listed = layer.model["layers"]
    entry = next(one for one in listed if _name(one) == name)
    return Layer("/".join([*layer.path.split("/")[:-1], name]), entry, layer.model)


def _name(entry: Config) -> str:
    return str(entry.get("name") or entry["config"].get("name", ""))


@dataclass(frozen=True, slots=True, eq=False)
class Owners:
    """Which layer each node of a pivot is of.

    Attributes:
        saved: The file.
        layers: Its layers by path.
        tensors: The layer of each tensor whose origin is known.
    """

    saved: Saved
    layers: Mapping[str, Layer]
    tensors: Mapping[str, NativeLayer]

    def path(self, node: Node) -> str:
        """Return the path of a node's layer, as the pivot has it; empty: nobody knows.

        What the importer named by itself is told by the weights it reads, for no other
        layer has them, then by the names of its constants.
        """
        given = (self.tensors.get(name) for name in node.outputs)
        own = next((one.name for one in given if one), "")
        return own or self._by_weight(node) or self._by_name(node)

    def layer(self, node: Node) -> Layer | None:
        """Return a node's layer in the configuration; None: it is of none, or unknown."""
        return self.of(self.path(node))

    def of(self, path: str) -> Layer | None:
        """Return the layer at a path, or the innermost around it that is listed."""
        while path and path not in self.layers:
            path = path.rpartition("/")[0]
        return self.layers.get(path)

    def weights(self, path: str) -> dict[str, Array]:
        """Return the weights in the file of the layer at a path, and of those in it.

        Args:
            path: The layer's; empty: it is not known, so all weights of the file.
        """
        return {
            name: value
            for name, value in self.saved.weights.items()
            if not path or _is_of(self.saved.owners[name], path)
        }

    def _by_weight(self, node: Node) -> str:
        values = [one for one in node.constants.values() if one.size > SINGLE]
        found = {
            self.saved.owners[name]
            for value in values
            for name in holders(self.saved.weights, value)
        }
        return found.pop() if len(found) == 1 else ""

    def _by_name(self, node: Node) -> str:
        named = [self.tensors.get(node.inputs[slot]) for slot in sorted(node.constants)]
        found = {one.name for one in named if one}
        return found.pop() if len(found) == 1 else ""


def _is_of(owner: str, path: str) -> bool:
    """Return whether a weight's owner is a layer, lies in it, or around it."""
    return (
        not owner
        or owner == path
        or owner.startswith(f"{path}/")
        or path.startswith(f"{owner}/")
    )


def sizes(layer: Layer) -> tuple[int | None, ...] | None:
    """Return the sizes of what a layer reads, as its file declares them; None: unknown.

    Args:
        layer: The layer.

    Returns:
        One size for each axis, the batch's first; None where an axis is open.
    """
    built = layer.entry.get("build_config") or {}
    shape = built.get("input_shape") or next(
        _shapes(layer.entry.get("inbound_nodes")), None
    )
    flat = isinstance(shape, list) and not any(isinstance(one, list) for one in shape)
    return tuple(shape) if flat and shape else None


def _shapes(listed: Any) -> Iterator[Sequence[int | None]]:  # noqa: ANN401  # JSON
    """Yield the shape of each tensor that a layer is called with."""
    if isinstance(listed, dict) and listed.get("class_name") == "__keras_tensor__":
        yield listed["config"]["shape"]
        return
    inside = listed.values() if isinstance(listed, dict) else listed
    for one in inside if isinstance(listed, dict | list) else ():
        yield from _shapes(one)


def number(value: Array) -> float | None:
    """Return the one number that a constant holds, as short as float32 has it."""
    if value.size != SINGLE or value.dtype.kind not in "fiu":
        return None
    return float(str(np.float32(value.reshape(())[()])))
