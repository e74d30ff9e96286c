"""Weights of nodes that bear no name of the flatbuffer's: another one bears it for them.

An operator on integers is, in the pivot, an operator on floats, its activation, and the
QuantizeLinear that bears the name of its result; before an output it may be a Transpose.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analyzer.core.grids import READER, WRITER
from analyzer.core.types import Node
from rewriter.export.tflite_file import FbOperator, Flatbuffer
from rewriter.export.tflite_owners import Owners, adds_bias
from rewriter.export.tflite_refusal import refusal
from rewriter.export.tflite_settings import BIAS, relay
from rewriter.export.tflite_values import same_constant

LAYING_OUT = frozenset({"Transpose", "Reshape", "Identity", "Relu", "Clip"})
"""Operators that may stand between a node and the name of the output it computes."""


def settled(
    flatbuffer: Flatbuffer, owned: Owners, before: Sequence[Node], after: Sequence[Node]
) -> tuple[Node, ...]:
    """Return the nodes with their old weights, after giving the flatbuffer the new ones.

    Args:
        flatbuffer: The tree, changed in place.
        owned: What stands behind the pivot.
        before: The pivot's nodes as they were imported.
        after: The same after the repair.

    Raises:
        ExportError: No constant there is what a weight was imported as.
    """
    old = {node.name: node for node in before}
    writers = _writers(before, owned)
    result = []
    for node in after:
        was, writer = old.get(node.name), writers.get(node.name, "")
        operator = owned.operators.get(writer)
        if was is None or operator is None or not _differs(was, node):
            result.append(node)
            continue
        _settle(flatbuffer, operator, was, node)
        result.append(replace(node, inputs=was.inputs, constants=was.constants))
    return tuple(result)


def _writers(nodes: Sequence[Node], owned: Owners) -> Mapping[str, str]:
    """Return the node that bears the name of what each nameless one computes, by name.

    It is the QuantizeLinear behind it, or what lays out the model's output.
    """
    found: dict[str, str] = {}
    given: dict[str, str] = {}
    for node in reversed(nodes):
        behind = {given[name] for name in node.outputs if name in given}
        if node.op == WRITER or (node.op in LAYING_OUT and node.name in owned.operators):
            given[node.inputs[0]] = node.name
        elif node.name in owned.operators:
            continue
        elif node.op != READER and len(behind) == 1:
            found[node.name] = behind.pop()
            given |= dict.fromkeys(node.inputs[:1], found[node.name])
    return found


def _differs(was: Node, node: Node) -> bool:
    slots = was.constants.keys() | node.constants.keys()
    return was.op == node.op and not all(same_constant(was, node, slot) for slot in slots)


def _settle(flatbuffer: Flatbuffer, operator: FbOperator, was: Node, node: Node) -> None:
    """Write the weights of one node that changed."""
    for slot in sorted(was.constants.keys() | node.constants.keys()):
        if same_constant(was, node, slot):
            continue
        both = was.constants.get(slot), node.constants.get(slot)
        if both[0] is None or both[1] is None:
            raise refusal(node, f"its input {slot} is a constant on one side only")
        place = BIAS if adds_bias(flatbuffer, operator, was) else slot
        if not relay(flatbuffer, operator, (both[0], both[1]), place):
            raise refusal(node, "its kernel runs on integers, and has no more of them")
