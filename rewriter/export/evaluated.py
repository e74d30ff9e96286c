"""Operators of a pivot, with what others compute of constants alone as constants."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

from analyzer.core.types import Array, Node

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


def evaluated(given: Sequence[Node]) -> Iterator[Node]:
    """Yield the operators that compute something, with what is constant in them.

    Args:
        given: The nodes of a pivot, in topological order.
    """
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
    if node.op == "Transpose":  # of weights: a view, where an evaluator would copy them
        return node.constants[0].transpose(node.attributes.get("perm"))  # type: ignore[arg-type]  # INTS
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
