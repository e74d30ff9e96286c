"""The vocabulary in which fused operators are written out."""

from collections.abc import Iterable, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from analyzer.core.types import Array, AttributeValue, Node
from analyzer.view.fused.known import UNKNOWN, Tensors

Steps = tuple[onnx.NodeProto, ...]
"""Plain operators in the order they compute."""

INNER = "\0"
"""Begins the name of a tensor inside a node: no tensor of a file is called so. Where the
node is opened, it gets a name that is free there."""

FLOATS = frozenset({onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE})
"""Element tensors in which the parts round no more than the fused operator does."""

AXES_FROM_TENSOR = {"ReduceMean": 18, "ReduceSum": 13, "Unsqueeze": 13}
"""The opset from which an operator reads its axes from a tensor.

Source: https://onnx.ai/onnx/operators/"""


CLIP_FROM_TENSORS = 11
"""The opset from which Clip reads its bounds from tensors.

Source: https://onnx.ai/onnx/operators/onnx__Clip.html"""


def inner(part: str) -> str:
    """Return the name of a tensor inside a fused node.

    Args:
        part: What the tensor is.
    """
    return f"{INNER}{part}"


def slot(node: Node, place: int) -> str:
    """Return what a node reads at a place, empty where it reads nothing."""
    return node.inputs[place] if place < len(node.inputs) else ""


def given(node: Node, place: int) -> str:
    """Return what a node gives at a place, empty where it gives nothing."""
    return node.outputs[place] if place < len(node.outputs) else ""


def step(
    op: str,
    inputs: Sequence[str],
    outputs: str | Sequence[str],
    **attributes: AttributeValue | None,
) -> onnx.NodeProto:
    """Return one plain operator, absent inputs and outputs at its end left out.

    Args:
        op: Operator type.
        inputs: What it reads, an empty string where an input is absent.
        outputs: What it gives.
        attributes: Its attributes; None: left out.
    """
    read, gives = list(inputs), [outputs] if isinstance(outputs, str) else list(outputs)
    for names in (read, gives):
        while names and not names[-1]:
            names.pop()
    stated = {name: value for name, value in attributes.items() if value is not None}
    node = helper.make_node(op, read, gives)
    node.attribute.extend(helper.make_attribute(k, v) for k, v in stated.items())
    return node


def constant(name: str, value: Array) -> onnx.NodeProto:
    """Return an operator that gives a constant.

    Args:
        name: The tensor.
        value: Its value, any shape and dtype.
    """
    node = step("Constant", (), name)
    held = numpy_helper.from_array(np.asarray(value))
    node.attribute.append(helper.make_attribute("value", held))
    return node


def number(name: str, value: float, dtype: int) -> onnx.NodeProto:
    """Return an operator that gives a scalar.

    Args:
        name: The tensor.
        value: Its value.
        dtype: Element type, as `onnx.TensorProto` numbers it.
    """
    return constant(name, np.asarray(value, helper.tensor_dtype_to_np_dtype(dtype)))


def whole(name: str, *values: int) -> onnx.NodeProto:
    """Return an operator that gives a list of whole numbers, shape [n], int64."""
    return constant(name, np.asarray(values, np.int64))


def over_axes(op: str, opset: int, ends: tuple[str, str], axes: Sequence[int]) -> Steps:
    """Return an operator that works along some axes, and drops none that it reduces.

    Args:
        op: One of `AXES_FROM_TENSOR`.
        opset: The opset to write for.
        ends: What it reads, and what it gives.
        axes: The axes.
    """
    keep = None if op == "Unsqueeze" else 1
    if opset < AXES_FROM_TENSOR[op]:
        return (step(op, ends[:1], ends[1], axes=tuple(axes), keepdims=keep),)
    name = inner(f"axes of {ends[1].removeprefix(INNER)}")
    return whole(name, *axes), step(op, (ends[0], name), ends[1], keepdims=keep)


def common_type(names: Iterable[str], tensors: Tensors) -> int | None:
    """Return the element type of operands that share one; None where none is known.

    Args:
        names: The operands.
        tensors: What is known of them.
    """
    known = (tensors.get(name, UNKNOWN).dtype for name in names)
    return next((dtype for dtype in known if dtype), None)


def real(node: Node, attribute: str, default: float) -> float:
    """Return a node's attribute as a number.

    Args:
        node: The fused node, whose defaults ONNX does not know.
        attribute: Its name.
        default: What it is where the node does not say.
    """
    return as_number(node.attributes.get(attribute), default)


def count(node: Node, attribute: str, default: int) -> int:
    """Return a node's attribute as a whole number.

    Args:
        node: The fused node, whose defaults ONNX does not know.
        attribute: Its name.
        default: What it is where the node does not say.
    """
    return int(as_number(node.attributes.get(attribute), default))


def as_number(value: AttributeValue | None, default: float) -> float:
    """Return an attribute's value as a number.

    Args:
        value: The value.
        default: What it is where it is none.
    """
    return float(value) if isinstance(value, int | float) else default
