"""What a model does with an input, as far as that says which values make sense in it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import product
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from analyzer.core.fills import MASKING
from analyzer.core.tensors import is_external, tensor_value

TRANSPARENT = frozenset(
    {
        "Identity",
        "Cast",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Transpose",
        "Slice",
        "Split",
        "Concat",
        "Expand",
        "Tile",
        "Clip",
        "Min",
        "Max",
    }
)
"""Operators whose output holds their input's own values: the trace goes on behind them."""

SHAPES = frozenset(
    {
        ("Reshape", 1),
        ("Expand", 1),
        ("Tile", 1),
        ("TopK", 1),
        ("ConstantOfShape", 0),
        ("Range", 0),
        ("Range", 1),
        ("Range", 2),
        ("Slice", 1),
        ("Slice", 2),
        ("Pad", 1),
    }
)
"""Inputs that take a count or a size."""

PIXEL_SCALE = 50.0
"""A first operator that subtracts or divides by more than this (or multiplies by less than
its inverse) is normalising pixels: 127.5, 255, 65535 and ImageNet's means of 104 do."""

BYTE_MAX = 255
LARGEST_SCALE = 2**16
"""Sensors give up to 16 bits; what is divided by more is no picture."""


class Use(IntEnum):
    """What an input is for; the first that applies wins.

    A fill is a mask even where it is of floats: times -1e9, its places are left out.
    """

    INDEX = 0
    CLASS = 1
    COUNT = 2
    DIVISOR = 3
    FILL = 4
    MASK = 5
    PIXELS = 6
    POSITIVE = 7
    PLAIN = 8


COMPARISONS = ("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual")
FIXED_USES: Mapping[tuple[str, int], Use] = {
    **dict.fromkeys(SHAPES, Use.COUNT),
    **dict.fromkeys(product(COMPARISONS, (0, 1)), Use.MASK),
    ("Not", 0): Use.MASK,
    ("Where", 0): Use.MASK,
    ("Div", 1): Use.DIVISOR,
    ("Mod", 1): Use.DIVISOR,
    ("Log", 0): Use.POSITIVE,
    ("Sqrt", 0): Use.POSITIVE,
}
"""What an input slot of an operator is for, where the slot alone says it."""

INDEXED = frozenset(
    {
        "Gather",
        "GatherElements",
        "GatherND",
        "Scatter",
        "ScatterElements",
        "ScatterND",
    }
)
"""Operators whose second input chooses rows of the first."""


@dataclass(frozen=True, slots=True, order=True)
class InputUse:
    """The use of an input, and the number of values it may take where that is known.

    Attributes:
        use: What it is for.
        size: Number of rows an index chooses from, or of classes; the largest value of a
            pixel; 0 for every other use.
    """

    use: Use
    size: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """A model arranged for the question who reads a tensor."""

    readers: Mapping[str, tuple[tuple[onnx.NodeProto, int], ...]]
    constants: Mapping[str, onnx.TensorProto]
    shapes: Mapping[str, tuple[int, ...]]
    folder: Path


def input_uses(model: onnx.ModelProto, folder: Path) -> dict[str, InputUse]:
    """Return what each graph input is for, plain where nothing is known.

    Args:
        model: The pivot.
        folder: The folder its external data is relative to.
    """
    reading = _reading(model, folder)
    return {
        value.name: min(_uses_of(value.name, reading), default=InputUse(Use.PLAIN))
        for value in model.graph.input
    }


def _reading(model: onnx.ModelProto, folder: Path) -> _Reading:
    readers: dict[str, list[tuple[onnx.NodeProto, int]]] = {}
    for node in model.graph.node:
        for slot, name in enumerate(node.input):
            readers.setdefault(name, []).append((node, slot))
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    constants |= {
        node.output[0]: node.attribute[0].t
        for node in model.graph.node
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t")
    }
    shapes = dict(_declared_shapes((*model.graph.value_info, *model.graph.input)))
    shapes |= {name: tuple(tensor.dims) for name, tensor in constants.items()}
    pairs = {name: tuple(found) for name, found in readers.items()}
    return _Reading(pairs, constants, shapes, folder)


def _declared_shapes(
    values: Iterable[onnx.ValueInfoProto],
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the shape of each value that has one; an open axis is 0."""
    for value in values:
        kind = value.type.tensor_type
        if kind.HasField("shape"):
            yield value.name, tuple(axis.dim_value for axis in kind.shape.dim)


def _uses_of(name: str, reading: _Reading) -> Iterator[InputUse]:
    """Yield every use of a tensor, also behind operators that pass its values on."""
    waiting, seen = [name], {name}
    while waiting:
        for node, slot in reading.readers.get(waiting.pop(), ()):
            found = _use(node, slot, reading)
            if found is not None:
                yield found
            passed = node.op_type in TRANSPARENT or _is_complement(node, slot, reading)
            if not passed or (node.op_type, slot) in SHAPES:
                continue
            waiting += [output for output in node.output if output not in seen]
            seen.update(node.output)


def _use(node: onnx.NodeProto, slot: int, reading: _Reading) -> InputUse | None:
    """Return what an operator wants of one of its inputs, None where it takes anything."""
    place = (node.op_type, slot)
    if place in FIXED_USES and not _is_threshold(node, slot, reading):
        return InputUse(FIXED_USES[place])
    match place:
        case operator, 1 if operator in INDEXED:
            return InputUse(Use.INDEX, _rows(node, reading))
        case "OneHot", 0:
            return InputUse(Use.CLASS, int(_constant(node, 1, reading, otherwise=2.0)))
        case "Cast", _:
            return _mask_if(_attribute(node, "to", 0) == onnx.TensorProto.BOOL)
        case "Sub", 1 if _is_complement(node, slot, reading):
            return InputUse(Use.MASK)
        case _:
            return _scaled_use(node, slot, reading)


def _is_complement(node: onnx.NodeProto, slot: int, reading: _Reading) -> bool:
    """Return whether a node takes a tensor from one, as what turns a mask round does."""
    of_one = node.op_type == "Sub" and slot == 1
    return of_one and _constant(node, 0, reading, otherwise=0.0) == 1.0


def _mask_if(holds: bool) -> InputUse | None:  # noqa: FBT001 -- the condition is the subject
    return InputUse(Use.MASK) if holds else None


def _scaled_use(node: onnx.NodeProto, slot: int, reading: _Reading) -> InputUse | None:
    """Return what an operator tells by its factor: of a mask, or of a sensor's range."""
    if len(node.input) != 2 or node.op_type not in {"Div", "Sub", "Mul", "Add"}:  # noqa: PLR2004
        return None
    factor = _constant(node, 1 - slot, reading, otherwise=1.0)
    if node.op_type == "Mul" and _fills(factor, node.output[0], reading):
        return InputUse(Use.FILL)
    other = abs(factor)
    scale = 1.0 / other if node.op_type == "Mul" and other else other
    if not PIXEL_SCALE < scale <= LARGEST_SCALE:
        return None
    return InputUse(Use.PIXELS, max(BYTE_MAX, round(scale)))


def _fills(factor: float, product: str, reading: _Reading) -> bool:
    """Return whether what a factor makes of an input is far below all else, or taken away.

    Nothing else is: audio comes times 32768 where its samples are to be those of 16 bits.
    """
    readers = reading.readers.get(product, ())
    taken = bool(readers) and all((one.op_type, at) == ("Sub", 1) for one, at in readers)
    return factor < -MASKING or (factor > MASKING and taken)


def _rows(node: onnx.NodeProto, reading: _Reading) -> int:
    """Return how many rows an index chooses from: of the smallest axis if it may be any."""
    shape = reading.shapes.get(node.input[0], ())
    axis = _attribute(node, "axis", 0)
    if not node.op_type.endswith("ND") and -len(shape) <= axis < len(shape):
        return shape[axis] or 2
    return min((size for size in shape if size > 0), default=2)


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    found = (attribute for attribute in node.attribute if attribute.name == name)
    values = (int(helper.get_attribute_value(attribute)) for attribute in found)
    return next(values, default)


def _is_threshold(node: onnx.NodeProto, slot: int, reading: _Reading) -> bool:
    """Return whether a tensor is compared with classes or a threshold: with no flag."""
    if node.op_type not in COMPARISONS:
        return False
    tensor = reading.constants.get(node.input[1 - slot])
    if tensor is None or is_external(tensor):
        return False
    values = tensor_value(tensor, reading.folder)
    return values.dtype.kind in "fiu" and bool(np.any(np.abs(values) > 1))


def _constant(
    node: onnx.NodeProto, slot: int, reading: _Reading, *, otherwise: float
) -> float:
    """Return the mean of a small constant input, `otherwise` where it is none."""
    tensor = reading.constants.get(node.input[slot]) if slot < len(node.input) else None
    if tensor is None or is_external(tensor):
        return otherwise
    values = tensor_value(tensor, reading.folder)
    is_number = values.size > 0 and values.dtype.kind in "fiu"
    return float(np.mean(values, dtype=np.float64)) if is_number else otherwise
