"""Arithmetic, comparisons and choices, element by element."""

from math import pi

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
    "BITWISE_XOR": "BitwiseXor",
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

NARROW = {
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-32768, 32767),
    "uint16": (0, 65535),
}
"""Ends of the integers that a float of an image or a level reaches."""


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
    return call.chosen(condition, call.real(1), call.real(2), call.output.dtype)


@draws("ATAN2")
def angle(call: Call) -> Drawn:
    """Draw the angle of a point ``(x, y)``, given y first."""
    rise, run, layout = both(call)
    zero = call.number(0)
    upright, backward = call.add("Equal", run, zero), call.add("Less", run, zero)
    safe = call.add("Where", upright, call.number(1), run)
    turn = call.add("Atan", call.add("Div", rise, safe))
    below = call.add("Less", rise, zero)
    half = call.add("Where", below, call.number(-pi), call.number(pi))
    turned = call.add("Where", backward, call.add("Add", turn, half), turn)
    straight = call.add("Mul", call.add("Sign", rise), call.number(pi / 2))
    return Drawn(call.add("Where", upright, straight, turned), layout)


@draws("FAKE_QUANT")
def fake_quant(call: Call) -> Drawn:
    """Draw floats as near as a grid of so many bits comes to them.

    Source: `FakeQuantizeArray` and `NudgeQuantizationRange` in TensorFlow Lite's
    kernels/internal/reference/fake_quant.h.
    """
    layout, options = call.layout(0), call.options
    least, most = int(bool(options.narrowRange)), 2**options.numBits - 1
    scale = (options.max - options.min) / (most - least)
    zero = min(max(least - options.min / scale, least), most)
    nudged = np.floor(zero + 0.5)
    ends = ((least - nudged) * scale, (most - nudged) * scale)
    low, high = (call.number(end) for end in ends)
    clipped = call.add("Clip", call.real(0, layout), low, high)
    steps = call.add("Div", call.add("Sub", clipped, low), call.number(scale))
    whole = call.add("Floor", call.add("Add", steps, call.number(0.5)))
    return Drawn(call.add("Add", call.add("Mul", whole, call.number(scale)), low), layout)


@draws("CAST")
def cast(call: Call) -> Drawn:
    """Draw a change of the element type; floats stop at the ends of a narrow integer.

    Source: `copyCast` in LiteRT's kernels/cast.cc, which saturates where ONNX promises
    nothing and its runtime wraps around. Integers wrap around in both.
    """
    layout, given = call.layout(0), call.tensor(0).dtype
    name, ends = call.real(0, layout), NARROW.get(str(call.output.dtype))
    if given is not None and given.kind == "f" and ends:
        name = call.add("Clip", name, *(call.hold(np.array(end, given)) for end in ends))
    return Drawn(call.given(name), layout)


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
