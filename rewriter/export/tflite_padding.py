"""A window's padding: SAME, VALID, or a PAD of its own before the operator."""

from typing import cast

import numpy as np

from analyzer.core.types import Node
from rewriter.export.tflite_file import (
    FbOperator,
    Flatbuffer,
    add_constant,
    add_tensor,
    make_operator,
    option,
    set_option,
    tensor_name,
)
from rewriter.export.tflite_owners import sizes
from rewriter.export.tflite_refusal import refusal

SAME, VALID = 0, 1
"""Paddings, as the schema numbers them."""

WINDOWED = frozenset({"Conv", "MaxPool", "AveragePool"})
"""ONNX operators that slide a window over an image, and pad it."""


def pad(
    flatbuffer: Flatbuffer, operator: FbOperator, node: Node, image: tuple[int, ...]
) -> None:
    """Pad a window's image as a node says: SAME, VALID, or a PAD before the operator.

    Args:
        flatbuffer: The tree, changed in place.
        operator: A convolution or pooling, its strides, window and weights set.
        node: The node it stands for, a Conv, MaxPool or AveragePool of images.
        image: Sizes of what it reads, in the flatbuffer's axes; empty: as declared there.

    Raises:
        ExportError: No padding of TFLite's does what the node says.
    """
    shape = image or sizes(flatbuffer, int(operator.inputs[0]))
    same = _same_pads(shape[1:3], operator, _window(flatbuffer, operator))
    fitting = _paddings(node, same)
    if option(operator, "padding") in fitting:
        return
    if fitting:
        set_option(operator, "padding", max(fitting))
        return
    if node.op != "Conv" or not isinstance(node.attributes.get("pads"), tuple):
        raise refusal(node, "its padding is neither SAME nor VALID there")
    _pad_before(flatbuffer, operator, cast("tuple[int, ...]", node.attributes["pads"]))
    set_option(operator, "padding", VALID)


def _paddings(node: Node, same: tuple[int, ...]) -> set[int]:
    """Return which of SAME, which pads like `same`, and VALID pad as a node says."""
    attributes = node.attributes
    if attributes.get("ceil_mode"):
        return set()
    match attributes.get("auto_pad", "NOTSET"):
        case "SAME_UPPER":
            return {SAME}
        case "VALID":
            return {VALID}
        case "NOTSET":
            pass
        case _:
            return set()
    pads = tuple(cast("tuple[int, ...]", attributes.get("pads", ()))) or (0, 0, 0, 0)
    found = {VALID} if not any(pads) else set()
    if attributes.get("count_include_pad") and any(pads):
        return set()
    return found | ({SAME} if same == pads else set())


def _window(flatbuffer: Flatbuffer, operator: FbOperator) -> tuple[int, int]:
    """Return the height and width that a window covers, its dilation included."""
    if option(operator, "filterHeight") is not None:
        return cast("int", option(operator, "filterHeight")), cast(
            "int", option(operator, "filterWidth")
        )
    height, width = sizes(flatbuffer, int(operator.inputs[1]))[1:3]
    rows = cast("int", option(operator, "dilationHFactor"))
    columns = cast("int", option(operator, "dilationWFactor"))
    return (height - 1) * rows + 1, (width - 1) * columns + 1


def _same_pads(
    image: tuple[int, ...], operator: FbOperator, window: tuple[int, int]
) -> tuple[int, ...]:
    """Return the pads that SAME stands for, as ONNX writes them.

    Source: `ComputePaddingWithOffset` in TensorFlow Lite's kernels/padding.h.
    """
    strides = (
        cast("int", option(operator, "strideH")),
        cast("int", option(operator, "strideW")),
    )
    totals = [
        max((-(-size // stride) - 1) * stride + covered - size, 0)
        for size, stride, covered in zip(image, strides, window, strict=True)
    ]
    return (*(total // 2 for total in totals), *(total - total // 2 for total in totals))


def _pad_before(
    flatbuffer: Flatbuffer, operator: FbOperator, pads: tuple[int, ...]
) -> None:
    """Put a PAD of zeros before an operator's image."""
    index = int(operator.inputs[0])
    top, left, bottom, right = pads
    rows = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
    name = f"{tensor_name(flatbuffer.graph.tensors[index])}_padded"
    shape = np.array(sizes(flatbuffer, index)) + rows.sum(axis=1)
    padded = add_tensor(flatbuffer, name, index, shape.tolist())
    paddings = add_constant(flatbuffer, f"{name}_paddings", rows)
    made = make_operator(flatbuffer, "PAD", ("PadOptions", {}), (index, paddings), padded)
    operators = flatbuffer.graph.operators
    places = (i for i, one in enumerate(operators) if one is operator)
    operators.insert(next(places, len(operators)), made)  # a new operator is not there yet
    operator.inputs = np.array([padded, *operator.inputs[1:]], np.int32)
