"""The settings of an operator, whether its opset spells them as attributes or as inputs."""

from collections.abc import Mapping

import numpy as np

from analyzer.core.types import Array, AttributeValue, Node

REDUCTIONS = frozenset(
    {
        "ReduceMean",
        "ReduceMax",
        "ReduceMin",
        "ReduceProd",
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "ReduceSumSquare",
    }
)
"""Reductions whose axes became an input in opset 18."""

_AXES_18 = {op: {"axes": (1, 18)} for op in REDUCTIONS}

NOT_COMPUTED_WITH = frozenset({"momentum", "seed", "storage_order", "spatial", "saturate"})
"""Attributes that inference at batch level never reads, or that only tell how to store."""

SETTING_INPUTS: Mapping[str, Mapping[str, tuple[int, int]]] = {
    **_AXES_18,
    "ReduceSum": {"axes": (1, 13)},
    "Squeeze": {"axes": (1, 13)},
    "Unsqueeze": {"axes": (1, 13)},
    "Clip": {"min": (1, 11), "max": (2, 11)},
    "Slice": {"starts": (1, 10), "ends": (2, 10), "axes": (3, 10), "steps": (4, 10)},
    "Pad": {"pads": (1, 11), "value": (2, 11), "axes": (3, 18)},
    "TopK": {"k": (1, 10)},
    "Split": {"split": (1, 13)},
    "Dropout": {"ratio": (1, 12)},
    "Upsample": {"scales": (1, 9)},
    "Resize": {"roi": (1, 11), "scales": (2, 11), "sizes": (3, 11)},
    "Reshape": {"shape": (1, 5)},
    "Expand": {"shape": (1, 8)},
    "Tile": {"repeats": (1, 6)},
    "ConstantOfShape": {"shape": (0, 9)},
    "OneHot": {"depth": (1, 9), "values": (2, 9)},
    "CumSum": {"axis": (1, 11)},
    "Trilu": {"k": (1, 14)},
}
"""Input slot of each setting, and the opset from which it is an input and not an attribute.

Source: https://onnx.ai/onnx/operators, the change log of each operator."""

RENAMED: Mapping[tuple[str, str], tuple[int, Mapping[str, str]]] = {
    ("GridSample", "mode"): (20, {"bilinear": "linear", "bicubic": "cubic"}),
}
"""From which opset on a setting's words are others, and the new word for each old one.

Source: https://onnx.ai/onnx/operators/onnx__GridSample.html"""

SCALARS = frozenset({"min", "max", "k", "ratio", "depth", "axis", "value"})
"""Settings that hold one number."""


def setting_slot(op: str, field: str, opset: int) -> int | None:
    """Return the input slot a setting stands in under an opset; None: an attribute."""
    if op == "Resize" and opset == 10:  # noqa: PLR2004  # Resize-10 had scales alone, in slot 1
        return 1 if field == "scales" else None
    slot, since = SETTING_INPUTS.get(op, {}).get(field, (-1, 0))
    return slot if slot >= 0 and opset >= since else None


def setting_value(field: str, array: Array) -> AttributeValue:
    """Return a setting's constant as an attribute would spell it.

    Args:
        field: Name of the setting.
        array: The constant, of any shape and dtype.

    Returns:
        One number for a scalar setting, else a tuple of numbers.
    """
    if array.dtype == object:
        return tuple(str(item) for item in array.ravel())
    numbers = [as_number(item) for item in array.ravel()]
    if field in SCALARS and len(numbers) == 1:
        return numbers[0]
    return tuple(numbers)


def as_number(item: object) -> int | float:
    """Return a NumPy scalar as Python's int, or as a float of its shortest decimal."""
    if isinstance(item, np.floating):
        return float(str(item))
    return int(item)  # type: ignore[call-overload,no-any-return]  # integers and booleans


def worded(op: str, field: str, value: AttributeValue, opset: int) -> AttributeValue:
    """Return a setting's value in the word that an opset has for it.

    Args:
        op: The operator, of ONNX's own domain.
        field: Name of the setting.
        value: Its value, in the words of any opset.
        opset: The opset to say it in.
    """
    since, words = RENAMED.get((op, field), (0, {}))
    said = words if opset >= since else {new: old for old, new in words.items()}
    return said.get(value, value) if isinstance(value, str) else value


def settings(node: Node) -> dict[str, AttributeValue]:
    """Return a node's attributes and the settings it takes as constant inputs, by name."""
    values = dict(node.attributes)
    for field in SETTING_INPUTS.get(node.op, {}) if not node.domain else ():
        slot = setting_slot(node.op, field, node.opset)
        if slot is not None and slot in node.constants and node.constants[slot].size:
            values[field] = setting_value(field, node.constants[slot])
    return values


def setting_slots(node: Node) -> frozenset[int]:
    """Return the input slots of a node that hold settings, not weights."""
    if node.domain:
        return frozenset()
    fields = SETTING_INPUTS.get(node.op, {})
    slots = (setting_slot(node.op, field, node.opset) for field in fields)
    return frozenset(slot for slot in slots if slot is not None)


def setting_dtype(node: Node, slot: int) -> np.dtype[np.generic]:
    """Return the dtype a setting's constant must have: the present, else the op's usual."""
    if slot in node.constants:
        return node.constants[slot].dtype
    floats = {"Clip", "Dropout", "Resize", "Upsample"}
    is_value = node.op == "Pad" and slot == SETTING_INPUTS["Pad"]["value"][0]
    return np.dtype(np.float32 if node.op in floats or is_value else np.int64)
