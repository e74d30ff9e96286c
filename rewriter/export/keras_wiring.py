"""Nodes that came and went, as layers of a Keras configuration that come and go."""

from collections.abc import Sequence
from dataclasses import dataclass

from rewriter.export.keras_activations import (
    LINEAR,
    Activation,
    as_layer,
    can_say,
    check_stated,
    is_elementwise,
    is_standing,
    recognised,
    say,
    stated,
)
from rewriter.export.keras_axes import reordering
from rewriter.export.keras_file import refusal
from rewriter.export.keras_layers import Layer, Owners, layers_of
from rewriter.export.keras_made import PASSING, Shapes, computed, made_of
from rewriter.export.keras_orders import Reordering
from rewriter.export.keras_regions import OUTPUT, Graph, Region
from rewriter.export.keras_structure import (
    Made,
    check_single,
    inserted,
    reads,
    removed,
    rewired,
)

ORDERED = frozenset({"Concat", "Sub"})
"""Operators whose operands do not change places."""

New = list[tuple[Layer, Made]]


@dataclass(frozen=True, slots=True, eq=False)
class Wiring:
    """A configuration that is being rewired.

    Attributes:
        owners: Its layers.
        was: The pivot as it was imported.
        shapes: Sizes of the repaired pivot's tensors.
        new: The layers that were put in so far; it grows.
    """

    owners: Owners
    was: Graph
    shapes: Shapes
    new: New

    def tell(self, region: Region) -> None:
        """Let the configuration have the layers that a region's nodes are after the repair.

        Args:
            region: What came and went.

        Raises:
            ExportError: Keras has no layer for it, or only a part of one would go.
        """
        if self._is_order(region.without_start().without_end()):
            return
        if self._is_activation(region):
            return
        region = region.without_start()
        if self._was_option(region):
            return
        region = region.without_end()
        if not region.was and not region.now:
            self._rewire(region)
        elif not self._replaced(region):
            self._exchange(region)

    def _is_order(self, region: Region) -> bool:
        """Tell a region that is an order of axes alone; return whether it is."""
        axes = reordering(region)
        if axes is None:
            return False
        self.new.extend(Reordering(self.owners, self.was, region, axes).tell())
        return True

    def _is_activation(self, region: Region) -> bool:
        """Tell a region that is an activation before and after; return whether it is."""
        given = region.given
        if given[0] != given[1] or len(given[0]) != 1:
            return False
        old, new = (
            recognised(nodes, given[0][0], end)
            for nodes, end in ((region.was, region.old), (region.now, region.new))
        )
        if old is None or new is None or old == new:
            return old is not None and old == new
        if not region.was:
            return self._activated(region, new)
        layer = self._one_layer(region)
        if layer is None:
            return False
        self._check(region, layer, old)
        if is_standing(layer) and new == LINEAR:
            removed(layer, reads(layer)[0])
        elif is_standing(layer) or can_say(layer, new):
            say(layer, new)
        else:
            say(layer, LINEAR)
            self._put(region, layer, (Made(*as_layer(new), {}),))
        return True

    def _check(self, region: Region, layer: Layer, old: Activation) -> None:
        """Refuse an activation that the layer does not say, or applies elsewhere too.

        Raises:
            ExportError: It does.
        """
        check_single(layer)
        node = region.was[-1]
        check_stated(layer, old, node.name)
        own = {one.name for one in region.was}
        for one in self.was.nodes:
            twin = one.op == node.op and one.name not in own and is_elementwise(one)
            if twin and self.owners.layer(one) is layer:
                raise refusal(node.name, node.op, f"{layer.path} applies it several times")

    def _activated(self, region: Region, new: Activation) -> bool:
        """Let the layer in front apply an activation that was missing, if it can."""
        layer = self._maker(region.old)
        if layer is None or is_standing(layer) or not can_say(layer, new):
            return False
        if self._only(region, layer) is not None or stated(layer) != LINEAR:
            return False
        check_single(layer)
        say(layer, new)
        return True

    def _was_option(self, region: Region) -> bool:
        """Tell a region that was an option and is more now; return whether it was."""
        layer = self._one_layer(region)
        if layer is None or is_standing(layer) or "activation" not in layer.options:
            return False
        given = region.given[0]
        old = recognised(region.was, given[0], region.old) if len(given) == 1 else None
        if old is None:
            return False
        self._check(region, layer, old)
        made = made_of(region.now, self.shapes)
        say(layer, LINEAR)
        self._put(region, layer, made)
        return True

    def _one_layer(self, region: Region) -> Layer | None:
        """Return the layer that a region's nodes are of, if it is one."""
        layers = {id(one.entry): one for one in map(self.owners.layer, region.was) if one}
        return layers.popitem()[1] if len(layers) == 1 else None

    def _maker(self, tensor: str) -> Layer | None:
        """Return the layer that gives a tensor; of an input, its input layer."""
        root = self.was.root(tensor)
        node = self.was.makers.get(root)
        return self.owners.of(root) if node is None else self.owners.layer(node)

    def _front(self, region: Region, tensor: str) -> Layer:
        """Return the layer that gives a tensor.

        Raises:
            ExportError: It is not known.
        """
        found = self._maker(tensor)
        if found is None:
            node = (*region.now, *region.was, None)[0]
            name, op = (node.name, node.op) if node else (tensor, "tensor")
            raise refusal(name, op, f"the layer that gives {tensor} is not known")
        return found

    def _only(self, region: Region, front: Layer) -> list[str] | None:
        """Return the layers that read a region's end; None: all that read its layer.

        Raises:
            ExportError: One of them is the layer itself: the end lies inside it.
        """
        all_of = set(self.was.readers(self.was.root(region.old)))
        ends = {one for reader in region.readers for one in self._through(reader)}
        known = {node.name: node for node in self.was.nodes}
        inside = {name for name, _ in all_of & ends if name != OUTPUT}
        if any(self.owners.layer(known[name]) is front for name in inside):
            node = (*region.now, *region.was)[0]
            raise refusal(node.name, node.op, f"it stands inside layer {front.path}")
        if all_of <= ends:
            return None
        return [OUTPUT if not name else self._name(name) for name, _ in all_of & ends]

    def _through(self, reader: tuple[str, int]) -> Sequence[tuple[str, int]]:
        """Return a reader, or those behind it where it only passes the tensor on."""
        node = next((one for one in self.was.nodes if one.name == reader[0]), None)
        if node is None or node.op not in PASSING:
            return [reader]
        return list(self.was.readers(node.outputs[0]))

    def _name(self, node: str) -> str:
        found = next(one for one in self.was.nodes if one.name == node)
        layer = self.owners.layer(found)
        if layer is None:
            raise refusal(node, found.op, "the layer that it is of is not known")
        return layer.name

    def _rewire(self, region: Region) -> None:
        old, new = (self._front(region, one) for one in (region.old, region.new))
        shape = self.shapes.get(region.new, ())
        for name, slot in region.readers:
            node = next((one for one in self.was.nodes if one.name == name), None)
            reader = None if node is None else self.owners.layer(node)
            if node is None or reader is None:
                raise refusal(name, "output", "the layer that gives it is another")
            first = [self._maker(one) for one in computed(node)]
            names = [one.name if one else "" for one in first]
            given = self.reads[reader.path]
            if names != given and given.count(old.name) != 1:
                raise refusal(
                    name, node.op, f"{reader.path} reads {old.path} several times"
                )
            whole = names == given
            rewired(reader, slot if whole else given.index(old.name), new, shape)

    @property
    def reads(self) -> dict[str, list[str]]:
        """The layers that each layer reads as the file has it."""
        listed = layers_of(self.owners.saved.config)
        return {path: reads(layer) for path, layer in listed.items()}

    def _replaced(self, region: Region) -> bool:
        """Let a layer be another one under its name; return whether one took its place."""
        layer = self._one_layer(region)
        given = [[self.was.root(one) for one in reads] for reads in region.given]
        if layer is None or not region.now or given[0] != given[1]:
            return False
        self._check_whole(region, layer)
        made = made_of(region.now, self.shapes)
        if len(made) != 1 or made[0].weights or self._holds(layer):
            return False
        check_single(layer)
        kept = ("name", "trainable", "dtype")
        options = {key: layer.options[key] for key in kept if key in layer.options}
        layer.entry["class_name"] = made[0].kind
        layer.entry["config"] = {**options, **made[0].options}
        return True

    def _holds(self, layer: Layer) -> bool:
        return bool(self.owners.weights(layer.path))

    def _check_whole(self, region: Region, layer: Layer) -> None:
        """Refuse to take out a layer of which some nodes stay.

        Raises:
            ExportError: Some do.
        """
        own = {node.name for node in region.was}
        for node in self.was.nodes:
            if node.op in PASSING or node.name in own:
                continue
            if self.owners.layer(node) is layer:
                raise refusal(
                    node.name, node.op, f"it stays, while the rest of {layer.path} goes"
                )

    def _exchange(self, region: Region) -> None:
        """Put new layers in, then take the old ones out."""
        given = region.given[1]
        start = region.old if not region.was and region.old in given else given[0]
        front = self._front(region, start)
        gone = {
            id(one.entry): one
            for node in region.was
            if node.op not in PASSING and (one := self.owners.layer(node)) is not None
        }
        for layer in gone.values():
            self._check_whole(region, layer)
        if region.now:
            others = [one for one in given if one != start]
            if others and given[0] != start and region.now[-1].op in ORDERED:
                node = region.now[-1]
                raise refusal(node.name, node.op, "it reads what comes behind it first")
            last = list(gone.values())[-1] if gone else front
            self._put(region, last, made_of(region.now, self.shapes), others)
        for layer in reversed(gone.values()):
            removed(layer, self._heir(layer, front))

    def _heir(self, layer: Layer, front: Layer) -> str:
        names = reads(layer)
        return front.name if front.name in names else (names or [""])[0]

    def _put(
        self,
        region: Region,
        front: Layer,
        made: Sequence[Made],
        others: Sequence[str] = (),
    ) -> None:
        """Put layers behind another, in their order."""
        only = self._only(region, front)
        beside = [self._front(region, one) for one in others]
        for number, one in enumerate(made):
            shape = self.shapes.get(region.new, ())
            front = inserted(front, one, shape, only, () if number else beside)
            only = None  # the first took all that there were
            self.new.append((front, one))
