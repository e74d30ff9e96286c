"""Arithmetic, comparisons and choices, element by element."""

import numpy as np

from analyzer.frontends.child.lite.call import Call, Drawn
from analyzer.frontends.child.lite.draft import IMAGE_RANK, Layout, is_on_grid
from analyzer.frontends.child.lite.table import draws

UNARY = {
    "ABS": "Abs",
    "CEIL": "Ceil",
    "COS": "Cos",
    "EXP": "Exp",
    "FLOOR": "Floor",
    "LOG": "Log",
    "LOGICAL_NOT": "Not",
    "NEG": "Neg",
    "ROUND": "Round",
    "SIGN": "Sign",
    "SIN": "Sin",
    "SQRT": "Sqrt",
}
"""Operators of one input that ONNX computes alike."""

BINARY = {
    "ADD": "Add",
    "DIV": "Div",
    "EQUAL": "Equal",
    "GREATER": "Greater",
    "GREATER_EQUAL": "GreaterOrEqual",
    "LESS": "Less",
    "LESS_EQUAL": "LessOrEqual",
    "LOGICAL_AND": "And",
    "LOGICAL_OR": "Or",
    "MAXIMUM": "Max",
    "MINIMUM": "Min",
    "MUL": "Mul",
    "POW": "Pow",
    "SUB": "Sub",
}
"""Operators of two inputs that ONNX computes alike; whole numbers are divided toward 0."""


def both(call: Call, first: int = 0, second: int = 1) -> tuple[str, str, Layout]:
    """Return two inputs that broadcast against each other, and how they lie."""
    layout = call.layout(first, second)
    left, right = (call.real(slot, layout, rank=IMAGE_RANK) for slot in (first, second))
    return left, right, layout


@draws(*UNARY)
def unary(call: Call) -> Drawn:
    """Draw an operator that ONNX has by another name."""
    layout = call.layout(0)
    return Drawn(call.add(UNARY[call.operator.kind], call.real(0, layout)), layout)


@draws(*BINARY)
def binary(call: Call) -> Drawn:
    """Draw an operator of two inputs that ONNX has by another name."""
    left, right, layout = both(call)
    return Drawn(call.add(BINARY[call.operator.kind], left, right), layout)


@draws("RSQRT")
def reciprocal_root(call: Call) -> Drawn:
    """Draw ``1 / sqrt x``."""
    layout = call.layout(0)
    root = call.add("Sqrt", call.real(0, layout))
    return Drawn(call.add("Reciprocal", root), layout)


@draws("SQUARE")
def square(call: Call) -> Drawn:
    """Draw ``x x``."""
    layout = call.layout(0)
    given = call.real(0, layout)
    return Drawn(call.add("Mul", given, given), layout)


@draws("SQUARED_DIFFERENCE")
def squared_difference(call: Call) -> Drawn:
    """Draw ``(x - y)²``."""
    left, right, layout = both(call)
    difference = call.add("Sub", left, right)
    return Drawn(call.add("Mul", difference, difference), layout)


@draws("NOT_EQUAL")
def not_equal(call: Call) -> Drawn:
    """Draw the opposite of an Equal."""
    left, right, layout = both(call)
    return Drawn(call.add("Not", call.add("Equal", left, right)), layout)


@draws("FLOOR_DIV")
def floor_div(call: Call) -> Drawn:
    """Draw a division rounded down, which for whole numbers ONNX rounds toward zero."""
    left, right, layout = both(call)
    if _is_whole(call):
        rest = call.add("Mod", left, right)
        return Drawn(call.add("Div", call.add("Sub", left, rest), right), layout)
    return Drawn(call.add("Floor", call.add("Div", left, right)), layout)


@draws("FLOOR_MOD")
def floor_mod(call: Call) -> Drawn:
    """Draw the rest of a division rounded down: it has the divisor's sign."""
    left, right, layout = both(call)
    if _is_whole(call):
        return Drawn(call.add("Mod", left, right), layout)
    rest, zero = call.add("Mod", left, right, fmod=1), call.number(0, 1)
    signs = [call.add("Less", one, zero) for one in (rest, right)]
    left_over = call.add("Not", call.add("Equal", rest, zero))
    wrong = call.add("And", call.add("Xor", *signs), left_over)
    return Drawn(call.add("Where", wrong, call.add("Add", rest, right), rest), layout)


def _is_whole(call: Call) -> bool:
    tensor = call.tensor(0)
    return tensor.grid is None and tensor.dtype is not None and tensor.dtype.kind in "iu"


@draws("ADD_N")
def add_n(call: Call) -> str:
    """Draw the sum of any number of inputs."""
    return call.add("Sum", *(call.real(slot) for slot in range(call.count)))


@draws("SELECT", "SELECT_V2")
def select(call: Call) -> str:
    """Draw a choice; the older operator may have one truth value for each first index."""
    condition, rank = call.real(0), call.rank(1)
    if call.operator.kind == "SELECT" and call.rank(0) == 1 and rank > 1:
        shape = np.array([-1, *(1 for _ in range(rank - 1))])
        condition = call.add("Reshape", condition, call.hold(shape))
    return call.add("Where", condition, call.real(1), call.real(2))


@draws("CAST")
def cast(call: Call) -> Drawn:
    """Draw a change of the element type."""
    layout = call.layout(0)
    return Drawn(call.given(call.real(0, layout)), layout)


@draws("QUANTIZE")
def quantize(call: Call) -> Drawn:
    """Draw floats, which go onto the output's grid."""
    layout = call.layout(0)
    return Drawn(call.real(0, layout), layout)


@draws("DEQUANTIZE")
def dequantize(call: Call) -> Drawn:
    """Draw what integers stand for, or half precision as float32."""
    layout, tensor = call.layout(0), call.tensor(0)
    if not is_on_grid(tensor) or tensor.value is not None:
        return Drawn(call.cast(call.real(0, layout), np.float32), layout)
    integers = call.draft.plain(call.operator.inputs[0], layout)
    return Drawn(call.add("DequantizeLinear", integers, *call.draft.grid(tensor)), layout)
