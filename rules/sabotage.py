"""How a rule puts its own fault into a healthy model."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from analyzer.core.types import Array, AttributeValue


@dataclass(frozen=True, slots=True, eq=False)
class Victim:
    """A copy of a model, and one of its nodes: what a sabotage may change.

    Attributes:
        model: The copy.
        node: The node, inside the copy.
        rng: Where to draw from.
    """

    model: onnx.ModelProto
    node: onnx.NodeProto
    rng: np.random.Generator

    def attribute(self, name: str, default: AttributeValue) -> AttributeValue:
        """Return an attribute of the node, or the default."""
        found = [a for a in self.node.attribute if a.name == name]
        return helper.get_attribute_value(found[0]) if found else default

    def set_attribute(self, name: str, value: AttributeValue | None) -> None:
        """Give an attribute a value; None removes it."""
        kept = [a for a in self.node.attribute if a.name != name]
        del self.node.attribute[:]
        self.node.attribute.extend(kept)
        if value is not None:
            plain = list(value) if isinstance(value, tuple) else value
            self.node.attribute.append(helper.make_attribute(name, plain))

    def constant(self, slot: int) -> Array | None:
        """Return the embedded initializer in a slot, None where there is none."""
        name = self.node.input[slot] if slot < len(self.node.input) else ""
        tensors = {t.name: t for t in self.model.graph.initializer}
        if name not in tensors or tensors[name].data_location == onnx.TensorProto.EXTERNAL:
            return None
        return np.asarray(numpy_helper.to_array(tensors[name]))

    def set_constant(self, slot: int, value: Array) -> None:
        """Give a slot a constant of its own; other readers keep the old one."""
        name = f"{self.node.output[0]}_{slot}_sabotaged"
        self.node.input[slot] = name
        self.model.graph.initializer.append(numpy_helper.from_array(value, name))


def spoiled(
    model: onnx.ModelProto,
    rng: np.random.Generator,
    ops: Collection[str],
    spoil: Callable[[Victim], bool],
) -> onnx.ModelProto | None:
    """Return a copy in which one node of some operators is spoiled, the first that can be.

    Args:
        model: A healthy model; it is left untouched.
        rng: Decides which node.
        ops: Operators to look for; empty: any.
        spoil: Changes the victim; tells whether it found something to change.
    """
    places = [i for i, n in enumerate(model.graph.node) if not ops or n.op_type in ops]
    for place in rng.permutation(places).tolist():
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        if spoil(Victim(copy, copy.graph.node[place], rng)):
            return copy
    return None


def bypassed(victim: Victim) -> bool:
    """Take the node out of the model, so that its readers read its input."""
    node, graph = victim.node, victim.model.graph
    if node.output[0] in {value.name for value in graph.output}:
        return False
    given, passed = node.output[0], node.input[0]
    graph.node.remove(node)
    _read_instead(graph, given, passed)
    return True


def _read_instead(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Let a graph's nodes, and those of their branches and bodies, read another tensor."""
    for reader in graph.node:
        reader.input[:] = [new if name == old else name for name in reader.input]
        for attribute in reader.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _read_instead(attribute.g, old, new)


def inserted_after(victim: Victim, op: str, **attributes: AttributeValue) -> bool:
    """Put an operator of one input behind the node's first output."""
    node, graph = victim.node, victim.model.graph
    given = node.output[0]
    if given in {value.name for value in graph.output}:
        return False
    name = f"{given}_{op.lower()}"
    added = helper.make_node(op, [given], [name], name=name)
    added.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
    for reader in graph.node:
        for slot, read in enumerate(reader.input):
            reader.input[slot] = name if read == given else read
    place = next(
        i for i, other in enumerate(graph.node) if other.output[:1] == node.output[:1]
    )
    graph.node.insert(place + 1, added)
    return True
