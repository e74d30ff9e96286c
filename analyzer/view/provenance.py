"""From pivot names to the user's own layers."""

from collections.abc import Iterable, Mapping

from analyzer.core.types import NativeLayer, Node, Pivot


def layer_of(tensors: Iterable[str], pivot: Pivot) -> NativeLayer | None:
    """Return the user's layer behind the first of the tensors that has one."""
    return next((pivot.layers[name] for name in tensors if name in pivot.layers), None)


def nearest_layer(
    node: Node, pivot: Pivot, givers: Mapping[str, Node]
) -> NativeLayer | None:
    """Return the user's layer of a node, else of the nearest node before it that has one.

    An importer leaves its own helper nodes unnamed; they serve the layer they follow.

    Args:
        node: The node asked about.
        pivot: Where the layers are known.
        givers: The node that gives each tensor.
    """
    seen: set[str] = set()
    waiting = [node]
    while waiting:
        here = waiting.pop(0)
        layer = layer_of((*here.outputs, here.name), pivot)
        if layer is not None:
            return layer
        fresh = [n for n in here.inputs if n in givers and n not in seen]
        seen.update(fresh)
        waiting += [givers[name] for name in fresh]
    return None
