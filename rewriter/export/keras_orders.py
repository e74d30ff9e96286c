"""Orders of axes that a repair changed, as the Permute layers of a Keras configuration.

A pivot's transposition stands for no layer where it only leads from Keras's channels last
to ONNX's channels first; what a repair changes about one is an order of axes in Keras too.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from analyzer.core.types import Node, Permutation
from rewriter.export.keras_activations import SOFTMAX, is_standing, stated
from rewriter.export.keras_axes import in_keras
from rewriter.export.keras_file import refusal
from rewriter.export.keras_layers import Layer, Owners, neighbour
from rewriter.export.keras_made import PASSING
from rewriter.export.keras_regions import OUTPUT, Graph, Reader, Region
from rewriter.export.keras_structure import (
    Made,
    check_single,
    givers,
    inserted,
    readers,
    reads,
    removed,
)

PERMUTE = "Permute"

New = list[tuple[Layer, Made]]


@dataclass(frozen=True, slots=True, eq=False)
class Reordering:
    """A tensor that Keras is to give in another order of its axes.

    Attributes:
        owners: The layers, which are changed.
        was: The pivot as it was imported.
        region: Where the order is another.
        axes: The order, in the pivot's axes: the new tensor is ``old.transpose(axes)``.
    """

    owners: Owners
    was: Graph
    region: Region
    axes: Permutation

    def tell(self) -> New:
        """Let Permute layers say it, where they stand or new ones; return the new ones.

        Raises:
            ExportError: The order in Keras, or the layers that read it, are not known.
        """
        if self.axes == tuple(range(len(self.axes))):
            return []
        axes = in_keras(self.owners, self.was, self.region.old, self.axes)
        if axes is None or axes[0] != 0:
            raise self._refused("the order of its axes there is not known")
        edges: dict[str, set[str]] = {}
        outer = self._giver()
        for reader in self._readers():
            giver, name = self._edge(outer, reader)
            edges.setdefault(giver, set()).add(name)
        layers = {name: neighbour(outer, name) for name in edges}
        return [
            made
            for name, layer in layers.items()
            for made in _permuted(layer, edges[name], axes)
        ]

    def _refused(self, why: str) -> Exception:
        node: Node = (*self.region.now, *self.region.was)[0]
        return refusal(node.name, node.op, why)

    def _giver(self) -> Layer:
        """Return the layer that gives the tensor, before any order of its axes.

        Raises:
            ExportError: It is not known.
        """
        root = self.was.root(self.region.old)
        maker = self.was.makers.get(root)
        found = self.owners.of(root) if maker is None else self.owners.layer(maker)
        if found is None:
            raise self._refused(f"the layer that gives {root} is not known")
        return found

    def _readers(self) -> Iterator[Reader]:
        """Yield who reads the tensor, behind what only passes it on."""
        known = {node.name: node for node in self.was.nodes}
        for reader in self.region.readers:
            node = known.get(reader[0])
            if node is not None and node.op in PASSING:
                yield from self.was.readers(node.outputs[0])
            else:
                yield reader

    def _edge(self, outer: Layer, reader: Reader) -> tuple[str, str]:
        """Return the layer that gives the tensor to a reader, and that, by their names.

        Raises:
            ExportError: They are not known, or it is the layer that gives it.
        """
        name, place = reader
        node = next((one for one in self.was.nodes if one.name == name), None)
        layer = None if node is None else self.owners.layer(node)
        if (layer is None and name != OUTPUT) or layer is outer:
            raise self._refused(f"it stands inside layer {outer.path}")
        if layer is not None and layer.model is not outer.model:
            raise self._refused(f"{layer.path} is not in the same model as {outer.path}")
        given = givers(outer.model)[place : place + 1] if layer is None else reads(layer)
        found = {one for one in given if _comes_from(outer, one)}
        if len(found) != 1:
            raise self._refused(f"what reads {outer.path} is not known")
        return found.pop(), OUTPUT if layer is None else layer.name


def _comes_from(outer: Layer, name: str) -> bool:
    """Return whether a layer's output is another's, but for the order of its axes."""
    while name and name != outer.name:
        layer = neighbour(outer, name)
        name = next(iter(reads(layer)), "") if layer.kind == PERMUTE else ""
    return name == outer.name


def _permuted(layer: Layer, names: Collection[str], axes: Permutation) -> New:
    """Let layers read another's output in another order; return what stands between."""
    everyone = set(names) == set(readers(layer.model, layer.name))
    front = _permute_before(layer) if everyone else None
    if front is None:
        made = Made(PERMUTE, {"dims": list(axes[1:])}, {})
        return [(inserted(layer, made, (), None if everyone else names), made)]
    check_single(front)
    old = (0, *front.options["dims"])
    new = tuple(old[axis] for axis in axes)
    if new == tuple(sorted(new)):
        removed(front, next(iter(reads(front)), ""))
    else:
        front.options["dims"] = list(new[1:])
    return []


def _permute_before(layer: Layer) -> Layer | None:
    """Return the Permute layer that a layer is, or behind which it only bends numbers."""
    while is_standing(layer) and stated(layer) not in {None, SOFTMAX}:
        before = next(iter(reads(layer)), "")
        if not before or readers(layer.model, before) != [layer.name]:
            return None
        layer = neighbour(layer, before)
    return layer if layer.kind == PERMUTE else None
