"""A pivot before and after its repair, with the program's nodes behind its operators."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from analyzer.core.graph import nodes
from analyzer.core.types import Array, Node
from analyzer.frontends.child.origins import owners

CONVERTING = frozenset({"Cast", "CastLike", "Identity"})
"""Operators that give their first input as it is, whatever its dtype is called."""

FOLDED = frozenset(
    {
        "Add",
        "Concat",
        "Div",
        "Expand",
        "Gather",
        "Mul",
        "Reshape",
        "Shape",
        "Slice",
        "Squeeze",
        "Sub",
        "Transpose",
        "Unsqueeze",
    }
)
"""Operators that exporters compute constants with, among them the axes of others."""


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """A pivot before and after its repair; what is computed of constants is one.

    Attributes:
        before: The imported operators.
        after: The repaired ones, under the names of the imported ones where they are those.
        owners: The program's node behind each imported operator, by name.
        values: The program's node behind each imported tensor.
        outputs: Names of the outputs, before and after.
    """

    before: tuple[Node, ...]
    after: tuple[Node, ...]
    owners: Mapping[str, str]
    values: Mapping[str, str]
    outputs: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def groups(self) -> dict[str, tuple[Node, ...]]:
        """The imported operators of each of the program's nodes."""
        found: dict[str, tuple[Node, ...]] = {}
        for node in self.before:
            owner = self.owners.get(node.name)
            if owner is not None:
                found[owner] = (*found.get(owner, ()), node)
        return found


def sides(before: Path, after: Path, folder: Path) -> Sides:
    """Return both sides of a repair.

    Args:
        before: The imported pivot.
        after: The same after the repair.
        folder: What the external locations of both are relative to.
    """
    both = [onnx.load(str(one), load_external_data=False) for one in (before, after)]
    old, new = (tuple(_evaluated(nodes(model, folder))) for model in both)
    ends = [tuple(one.name for one in model.graph.output) for model in both]
    return Sides(old, _recognised(old, new), *owners(both[0]), (ends[0], ends[1]))


def _evaluated(given: Sequence[Node]) -> Iterator[Node]:
    """Yield the operators that compute something, with what is constant in them."""
    known: dict[str, Array] = {}
    for node in given:
        own = {slot: known[name] for slot, name in enumerate(node.inputs) if name in known}
        whole = replace(node, constants={**node.constants, **own}) if own else node
        value = _value(whole)
        if value is None:
            yield whole
        else:
            known[node.outputs[0]] = value


def _value(node: Node) -> Array | None:
    """Return what an operator gives that reads constants alone; None: it does not."""
    if node.op in CONVERTING and 0 in node.constants:
        return node.constants[0]
    read = [slot for slot, name in enumerate(node.inputs) if name]
    if node.op not in FOLDED or not all(slot in node.constants for slot in read):
        return None
    from onnx.reference import ReferenceEvaluator  # a tenth of a second, seldom paid

    proto = helper.make_node(node.op, list(node.inputs), [node.outputs[0]])
    for name, value in node.attributes.items():
        proto.attribute.append(helper.make_attribute(name, value))
    tensors = [
        numpy_helper.from_array(node.constants[slot], node.inputs[slot]) for slot in read
    ]
    unknown = helper.make_empty_tensor_value_info(node.outputs[0])
    graph = helper.make_graph([proto], "constant", [], [unknown], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", node.opset)])
    given: Any = ReferenceEvaluator(model).run(None, {})
    return np.asarray(given[0])


def _recognised(before: Sequence[Node], after: Sequence[Node]) -> tuple[Node, ...]:
    """Return the repaired operators, new ones named as the old ones they are again.

    A replaced region often repeats operators of the one it replaces. Of both sequences of
    operator types, what they have in common in order is taken to be the same operators.
    """
    old, new = {_key(node) for node in before}, {_key(node) for node in after}
    gone = [node for node in before if _key(node) not in new]
    come = [node for node in after if _key(node) not in old]
    ops = [one.op for one in gone], [one.op for one in come]
    blocks = SequenceMatcher(None, *ops, autojunk=False).get_matching_blocks()
    names = {
        _key(come[block.b + offset]): gone[block.a + offset].name
        for block in blocks
        for offset in range(block.size)
    }
    return tuple(
        replace(node, name=names.get(_key(node), _own(node, old))) for node in after
    )


def _key(node: Node) -> tuple[str, str, str]:
    return node.name, node.op, node.domain


def _own(node: Node, old: set[tuple[str, str, str]]) -> str:
    """Return a node's name; one that another operator bore is marked as new."""
    taken = any(node.name == name for name, _, _ in old) and _key(node) not in old
    return f"{node.name}+" if taken else node.name
