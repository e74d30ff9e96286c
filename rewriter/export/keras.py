"""A repaired Keras model: the user's own file, patched where it was repaired."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import onnx

from analyzer.core.errors import ExportError
from analyzer.core.graph import nodes
from analyzer.core.types import Array, Node, Pivot
from rewriter.export.beside import replacing
from rewriter.export.changes import Changes, changes, same
from rewriter.export.keras_facts import archive_facts, hdf5_facts
from rewriter.export.keras_file import Saved, Written, read, refusal, rewritten
from rewriter.export.keras_groups import relocated
from rewriter.export.keras_layers import Layer, Owners, layers_of
from rewriter.export.keras_made import Shapes
from rewriter.export.keras_norms import is_folded, new_norm
from rewriter.export.keras_options import (
    Padded,
    Turn,
    is_option,
    set_constant_option,
    set_options,
)
from rewriter.export.keras_regions import Graph, Region, graph_of, regions, with_names
from rewriter.export.keras_structure import Made, inserted, ordered, readers, reads
from rewriter.export.keras_weights import BIAS, new_bias, new_values, recurrent_layer
from rewriter.export.keras_wiring import New, Wiring
from rewriter.export.native_format import NativeFormat, ends_in


def write(target: Pivot, repaired: onnx.ModelProto, out: Path) -> tuple[str, ...]:
    """Write the user's file with a repair in it; all else in it stays.

    Args:
        target: The imported model.
        repaired: The model after the edits.
        out: Where the file goes.

    Returns:
        What is to be noted: nothing.

    Raises:
        ExportError: The file cannot be given an edit, or the disk refuses.
    """
    saved = read(target.path, target.sha256)
    content = rewritten(saved, mended(target, saved, repaired))
    with replacing(out) as file:
        file.write(content)
    return ()


def mended(target: Pivot, saved: Saved, repaired: onnx.ModelProto) -> Written:
    """Return what a repair writes over a saved model.

    Args:
        target: The imported model.
        saved: The file it was imported from.
        repaired: The model after the edits.

    Raises:
        ExportError: The file cannot be given an edit.
    """
    both = [
        graph_of(nodes(model, target.folder), _ends(model))
        for model in (target.model, repaired)
    ]
    was, now = both[0], with_names(*both)
    _check_ends(target.model, repaired)
    config = deepcopy(saved.config)
    owners = Owners(saved, layers_of(config), target.layers)
    repair = _Repair(
        owners,
        changes(was.nodes, now.nodes, (was.outputs, now.outputs)),
        was,
        now,
        _shapes(repaired),
    )
    values = repair.values()
    new = [*repair.options(), *repair.layers()]
    orders = [ordered(one["config"]) for one in (saved.config, config)]
    paths = [layers_of(one).keys() for one in (saved.config, config)]
    if not new and orders[0] == orders[1] and paths[0] == paths[1]:
        return Written(None if config == saved.config else config, values)
    return relocated(saved, config, values, new)


@dataclass(frozen=True, slots=True, eq=False)
class _Repair:
    """A repair that is told to a configuration, which it changes.

    Attributes:
        owners: The configuration's layers.
        found: What the repair changed.
        was: The pivot as it was imported.
        now: The pivot after the repair.
        shapes: Sizes of its tensors.
    """

    owners: Owners
    found: Changes
    was: Graph
    now: Graph
    shapes: Shapes

    def values(self) -> dict[str, Array]:
        """Return new weights; what is no weight is told as an option."""
        values: dict[str, Array] = {}
        for change in self.found.constants:
            layer = self.owners.layer(change.node)
            if layer is not None and is_folded(layer, change.node):
                values |= new_norm(
                    self.owners, layer, *map(self._of(layer), (self.was, self.now))
                )
                continue
            try:
                values = _joined(values, new_values(self.owners, change), change.node)
            except ExportError:
                turn = self._turn(change.node)
                if turn is None or not is_option(change):
                    raise
                set_constant_option(turn, change)
        for node, slot in self._told():
            was = next(one for one in self.was.nodes if one.name == node.name)
            if slot != BIAS:
                raise refusal(
                    node.name, node.op, f"its input {slot} is another kind of tensor"
                )
            values |= new_bias(self.owners, was, node)
        return values

    def _of(self, layer: Layer) -> Callable[[Graph], list[Node]]:
        """Return what gives a layer's nodes of a graph."""
        names = {node.name for node in self.was.nodes if self.owners.layer(node) is layer}
        return lambda graph: [node for node in graph.nodes if node.name in names]

    def _told(self) -> Iterator[tuple[Node, int]]:
        """Yield inputs that are constants now and were none, or the other way round."""
        for change in self.found.wires:
            kinds = [
                not name or name.startswith("constant ")
                for name in (change.old, change.new)
            ]
            if any(kinds):
                yield change.node, change.slot

    def options(self) -> Iterator[tuple[Layer, Made]]:
        """Tell new attributes; yield the layers that pad where an option cannot."""
        for name in dict.fromkeys(change.node.name for change in self.found.attributes):
            changed = [one for one in self.found.attributes if one.node.name == name]
            if changed[0].node.op == "Transpose":
                continue  # an order of axes, which `layers` tells
            turn = self._turn(changed[0].node)
            if turn is None:
                raise refusal(
                    name, changed[0].node.op, "the layer that it is of is not known"
                )
            padded = set_options(turn, changed)
            if padded is not None:
                yield self._put_in_front(padded, turn)

    def layers(self) -> New:
        """Tell nodes that came and went; return the layers that are new."""
        wiring = Wiring(self.owners, self.was, self.shapes, [])
        for region in (
            *self._turned(),
            *regions(self.owners, self.was, self.now, self.found),
        ):
            wiring.tell(region)
        return wiring.new

    def _turned(self) -> Iterator[Region]:
        """Yield the transpositions that stay, and order the axes in another way."""
        known = {node.name: node for node in self.now.nodes}
        for change in self.found.attributes:
            if (was := change.node).op == "Transpose":
                now = known[was.name]
                ends = was.outputs[0], now.outputs[0]
                yield Region((was,), (now,), *ends, tuple(self.was.readers(ends[0])))

    def _turn(self, node: Node) -> Turn | None:
        layer = self.owners.layer(node) or recurrent_layer(self.owners, node)
        if layer is None:
            return None
        now = next(one for one in self.now.nodes if one.name == node.name)
        front = self._front(layer)
        alone = front is not None and readers(layer.model, front.name) == [layer.name]
        return Turn(
            node, now, layer, front if alone else None, self.shapes.get(now.inputs[0])
        )

    def _front(self, layer: Layer) -> Layer | None:
        """Return the layer that another one reads."""
        name = next(iter(reads(layer)), "")
        return self.owners.of("/".join([*layer.path.split("/")[:-1], name]))

    def _put_in_front(self, padded: Padded, turn: Turn) -> tuple[Layer, Made]:
        """Put zeros in front of a layer that no option of its own puts there.

        Raises:
            ExportError: The layer reads none that is known, or is no layer of images.
        """
        front = self._front(padded.layer)
        if front is None:
            raise turn.refuse("the layer in front of it is not known")
        rows = [list(two) for two in zip(padded.before, padded.behind, strict=True)]
        made = Made(
            f"ZeroPadding{len(rows)}D", {"padding": rows if len(rows) > 1 else rows[0]}, {}
        )
        return inserted(front, made, (), {padded.layer.name}), made


def _joined(
    values: dict[str, Array], new: dict[str, Array], node: Node
) -> dict[str, Array]:
    """Return new weights with some more; a weight that several nodes read has one value.

    Raises:
        ExportError: It would have two.
    """
    if any(name in values and not same(values[name], one) for name, one in new.items()):
        raise refusal(
            node.name, node.op, "its weight is another node's too, with another value"
        )
    return values | new


def _ends(model: onnx.ModelProto) -> list[str]:
    return [value.name for value in model.graph.output]


def _check_ends(was: onnx.ModelProto, now: onnx.ModelProto) -> None:
    """Refuse a repair of what the model takes, or of how many outputs it gives.

    Raises:
        ExportError: It is one.
    """
    inputs = [
        [value.SerializeToString(deterministic=True) for value in model.graph.input]
        for model in (was, now)
    ]
    if inputs[0] != inputs[1] or len(was.graph.output) != len(now.graph.output):
        raise ExportError(
            "the repair changes what the model takes or gives, which its Keras file cannot",
            hint="write the repaired model with -o to an .onnx file",
        )


def _shapes(model: onnx.ModelProto) -> Shapes:
    """Return the sizes of a model's tensors, inferred anew; None where one is open."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    try:
        full = onnx.shape_inference.infer_shapes(bare, data_prop=True)
    except onnx.shape_inference.InferenceError:
        return {}
    values = (*full.graph.input, *full.graph.value_info, *full.graph.output)
    return {
        one.name: tuple(
            dim.dim_value if dim.HasField("dim_value") else None
            for dim in one.type.tensor_type.shape.dim
        )
        for one in values
        if one.type.tensor_type.HasField("shape")
    }


def _check(target: Pivot, repaired: onnx.ModelProto) -> None:
    mended(target, read(target.path, target.sha256), repaired)


ARCHIVE = NativeFormat(
    "keras", ".keras", ends_in(".keras"), write, _check, facts=archive_facts
)
HDF5 = NativeFormat("keras", ".h5", ends_in(".h5"), write, _check, facts=hdf5_facts)
