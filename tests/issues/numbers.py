"""Issues about numbers: dtypes, casts, whole-number arithmetic, ranges."""

from functools import partial

import numpy as np
import onnx

from tests.issues.issue import Issue, drawn, spelled


def _doubled() -> onnx.ModelProto:
    """Return a double model of torch's: x * LeakyReLU(x), far from zero."""
    return spelled(
        """torch (double[N,6] x) => (double[N,4] y)
            <double far = {1000000.0}, double square = {1000000000000.0}> {
            hidden = MatMul (x, weight)
            raised = Add (hidden, far)
            leaky = LeakyRelu <alpha: float = 0.1> (raised)
            product = Mul (raised, leaky)
            lowered = Sub (product, square)
            y = MatMul (lowered, head)
        }""",
        _DOUBLE,
    )


def _doubled_by_torch(narrowed: str, back: str) -> onnx.ModelProto:
    """Return the exporter's, casts and all."""
    return spelled(
        f"""main_graph (double[N,6] input) => (double[N,4] output)
            <double far = {{1000000.0}}, double below = {{-1000000000000.0}}> {{
            n0 = MatMul (input, w)
            n1 = Add (far, n0)
            {narrowed}
            n3 = LeakyRelu <alpha: float = 0.1> (n2)
            n4 = Mul (n2, n3)
            {back}
            n6 = Add (n5, below)
            output = MatMul (n6, h)
        }}""",
        {"w": _DOUBLE["weight"], "h": _DOUBLE["head"]},
    )


def _ceiled() -> onnx.ModelProto:
    """Return TensorFlow's ceiling division of whole numbers: -floordiv(-a, b)."""
    return spelled(
        """keras (int32[N,5] lengths) => (float[N,4] y)
            <float three = {3.0}> {
            below = Neg (lengths)
            wide = Cast <to: int = 1> (below)
            share = Div (wide, three)
            floored = Floor (share)
            steps = Neg (floored)
            y = MatMul (steps, kernel)
        }""",
        _STEPS,
    )


def _ceiled_by_tf2onnx(floored: str) -> onnx.ModelProto:
    """Return tf2onnx's, in whole numbers."""
    return spelled(
        f"""tf2onnx (int32[N,5] lengths) => (float[N,4] y)
            <int32 three = {{3}}, int32 zero = {{0}}, int32 one = {{1}}> {{
            below = Neg (lengths)
            quotient = Div (below, three)
            product = Mul (quotient, three)
            differs = Less (below, product)
            down = Cast <to: int = 6> (differs)
            {floored}
            up = Neg (whole)
            wide = Cast <to: int = 1> (up)
            y = MatMul (wide, kernel)
        }}""",
        _STEPS,
    )


def _remainder() -> onnx.ModelProto:
    """Return torch's remainder, which has the divisor's sign."""
    return spelled(
        """torch (float[N,6] x) => (float[N,4] y) <float two = {0.7}> {
            angle = MatMul (x, square)
            share = Div (angle, two)
            whole = Floor (share)
            parts = Mul (two, whole)
            rest = Sub (angle, parts)
            y = MatMul (rest, weight)
        }""",
        _ANGLES,
    )


def _remainder_by_mod(rest: str) -> onnx.ModelProto:
    """Return an exporter's Mod, which has the dividend's sign, and what makes up for it."""
    return spelled(
        f"""main_graph (float[N,6] x) => (float[N,4] y) <float two = {{0.7}}> {{
            n0 = Gemm (x, square)
            n1 = Mod <fmod: int = 1> (n0, two)
            n2 = Add (n1, two)
            {rest}
            y = Gemm (n3, weight)
        }}""",
        _ANGLES,
    )


def _whole_remainder() -> onnx.ModelProto:
    """Return the remainder of whole numbers, of the divisor's sign."""
    return spelled(
        """torch (float[N,6] x) => (float[N,4] y)
            <float hundred = {100.0}, int64 seven = {7}> {
            large = Mul (x, hundred)
            whole = Cast <to: int = 7> (large)
            rest = Mod (whole, seven)
            wide = Cast <to: int = 1> (rest)
            y = MatMul (wide, weight)
        }""",
        {"weight": _ANGLES["weight"]},
    )


def _whole_remainder_by_hand(quotient: str) -> onnx.ModelProto:
    """Return what is left of the quotient, rounded down or towards zero."""
    return spelled(
        f"""glow (float[N,6] in) => (float[N,4] out)
            <float hundred = {{100.0}}, int64 seven = {{7}}, float sevenf = {{7.0}}> {{
            large = Mul (hundred, in)
            whole = Cast <to: int = 7> (large)
            {quotient}
            parts = Mul (times, seven)
            rest = Sub (whole, parts)
            wide = Cast <to: int = 1> (rest)
            out = MatMul (wide, weight)
        }}""",
        {"weight": _ANGLES["weight"]},
    )


def _line() -> onnx.ModelProto:
    """Return a linspace of -1 to 1 over a row of any width, added to it."""
    return spelled(
        """torch (float[N,W] x) => (float[N,W] y)
            <int64 first = {0}, int64 one = {1}, float low = {-1.0}, float two = {2.0}> {
            hidden = Tanh (x)
            shape = Shape (x)
            width = Gather (shape, one)
            places = Range (first, width, one)
            wide = Cast <to: int = 1> (places)
            last = Sub (width, one)
            steps = Cast <to: int = 1> (last)
            step = Div (two, steps)
            along = Mul (wide, step)
            line = Add (along, low)
            summed = Add (hidden, line)
            y = Sigmoid (summed)
        }""",
    )


def _line_by_torch(steps: str) -> onnx.ModelProto:
    """Return the exporter's float Range: its end half a step beyond the last."""
    return spelled(
        f"""main_graph (float[N,W] x) => (float[N,W] y)
            <int64 one = {{1}}, float low = {{-1.0}}, float high = {{1.0}},
             float half = {{0.5}}, float span = {{2.0}}, float unit = {{1.0}}> {{
            n0 = Tanh (x)
            n1 = Shape (x)
            n2 = Gather (n1, one)
            n3 = Cast <to: int = 1> (n2)
            n4 = Sub (n3, unit)
            delta = Div (span, {steps})
            n5 = Mul (delta, half)
            end = Add (high, n5)
            n6 = Range (low, end, delta)
            n7 = Add (n0, n6)
            y = Sigmoid (n7)
        }}""",
        sound=steps == "n4",
    )


def _line_of(step: str) -> onnx.ModelProto:
    """Return the same line from a count of ones."""
    return spelled(
        f"""tf2onnx (float[N,W] x) => (float[N,W] y)
            <int64[1] one = {{1}}, int64[1] two = {{2}}, int64 axis = {{0}},
             float unit = {{1.0}}, float span = {{2.0}}> {{
            a = Tanh (x)
            b = Shape (x)
            c = Slice (b, one, two)
            d = ConstantOfShape <value: tensor = float[1] {{1.0}}> (c)
            e = CumSum <exclusive: int = 1> (d, axis)
            f = Cast <to: int = 1> (c)
            g = Sub (f, unit)
            h = Div (span, {step})
            i = Mul (e, h)
            j = Sub (i, unit)
            k = Add (j, a)
            y = Sigmoid (k)
        }}""",
    )


def _truncated() -> onnx.ModelProto:
    """Return what torch's .to(int) makes of numbers: their fraction is cut."""
    return spelled(
        """torch (float[N,6] x) => (float[N,4] y) <float ten = {10.0}> {
            large = Mul (x, ten)
            whole = Cast <to: int = 6> (large)
            wide = Cast <to: int = 1> (whole)
            y = MatMul (wide, weight)
        }""",
        {"weight": _ANGLES["weight"]},
    )


def _truncated_by(rounding: str) -> onnx.ModelProto:
    """Return the same without whole numbers, for a runtime that has none."""
    return spelled(
        f"""coreml (float[N,6] x) => (float[N,4] y) <float ten = {{10.0}}> {{
            a = Mul (ten, x)
            {rounding}
            y = Gemm (d, weight)
        }}""",
        {"weight": _ANGLES["weight"]},
    )


def _halved() -> onnx.ModelProto:
    """Return torch's position // 2 of whole numbers, as an encoding uses it."""
    return spelled(
        """torch (int64[N,5] ids) => (float[N,4] y) <int64 two = {2}> {
            shifted = Abs (ids)
            half = Div (shifted, two)
            wide = Cast <to: int = 1> (half)
            angle = Sin (wide)
            y = MatMul (angle, weight)
        }""",
        _STEPS_AS_WEIGHT,
    )


def _halved_by_torch(divided: str) -> onnx.ModelProto:
    """Return the exporter's, the constant as a float."""
    return spelled(
        f"""main_graph (int64[N,5] input) => (float[N,4] output) <float two = {{2.0}}> {{
            n0 = Abs (input)
            n1 = Cast <to: int = 1> (n0)
            n2 = Div (n1, two)
            {divided}
            n4 = Sin (n3)
            output = MatMul (n4, w)
        }}""",
        {"w": _STEPS["kernel"]},
    )


def _scaled() -> onnx.ModelProto:
    """Return whole numbers as floats, then scaled."""
    return spelled(
        """keras (int32[N,5] pixels) => (float[N,4] y)
            <float four = {4.0}, int32 three = {3}> {
            shifted = Add (pixels, three)
            wide = Cast <to: int = 1> (shifted)
            scaled = Div (wide, four)
            y = MatMul (scaled, kernel)
        }""",
        _STEPS,
    )


def _scaled_by_tf2onnx(steps: str) -> onnx.ModelProto:
    """Return tf2onnx's; without its Cast the division is one of whole numbers."""
    return spelled(
        f"""tf2onnx (int32[N,5] x) => (float[N,4] y)
            <float quarter = {{0.25}}, int32 four = {{4}}, int32 three = {{3}}> {{
            a = Add (three, x)
            {steps}
            y = MatMul (c, kernel)
        }}""",
        _STEPS,
    )


_DOUBLE = {
    "weight": drawn(6, 6).astype(np.float64),
    "head": drawn(6, 4, seed=1).astype(np.float64),
}
_STEPS = {"kernel": drawn(5, 4)}
_STEPS_AS_WEIGHT = {"weight": _STEPS["kernel"]}
_ANGLES = {"square": drawn(6, 6), "weight": drawn(6, 4, seed=1)}

ISSUES = (
    Issue(
        link="pytorch/pytorch#85316",
        title="a double LeakyRelu is multiplied in single precision",
        rule="cast-differs",
        source=_doubled,
        healthy=partial(_doubled_by_torch, "n2 = Identity (n1)", "n5 = Identity (n4)"),
        broken=partial(
            _doubled_by_torch,
            "n2 = Cast <to: int = 1> (n1)",
            "n5 = Cast <to: int = 11> (n4)",
        ),
        guilty=("n2",),
    ),
    Issue(
        link="onnx/tensorflow-onnx#2174",
        title="a floor division of negative whole numbers is cut towards zero",
        rule="subgraph-differs",
        source=_ceiled,
        healthy=partial(_ceiled_by_tf2onnx, "whole = Sub (quotient, down)"),
        broken=partial(_ceiled_by_tf2onnx, "whole = Identity (quotient)"),
        guilty=("quotient", "up", "wide"),
    ),
    Issue(
        link="pytorch/pytorch#60179",
        title="a remainder has the sign of the dividend",
        rule="subgraph-differs",
        source=_remainder,
        healthy=partial(_remainder_by_mod, "n3 = Mod <fmod: int = 1> (n2, two)"),
        broken=partial(_remainder_by_mod, "n3 = Identity (n1)"),
        guilty=("n1", "n3"),
    ),
    Issue(
        link="pytorch/pytorch#78442",
        title="a floor of whole numbers, and with it the remainder, is a truncation",
        rule="subgraph-differs",
        source=_whole_remainder,
        healthy=partial(
            _whole_remainder_by_hand,
            "a = Cast <to: int = 1> (whole)  b = Div (a, sevenf)  c = Floor (b)"
            "  times = Cast <to: int = 7> (c)",
        ),
        broken=partial(_whole_remainder_by_hand, "times = Div (whole, seven)"),
        guilty=("times", "parts", "rest"),
    ),
    Issue(
        link="pytorch/pytorch#73559",
        title="a linspace has one point more than it was asked for",
        rule="shape-frozen",
        source=_line,
        healthy=partial(_line_by_torch, "n4"),
        broken=partial(_line_by_torch, "n3"),
        guilty=("delta",),
    ),
    Issue(
        link="",
        slug="linspace-step",
        title="the step of a linspace divides by the points, not by the gaps",
        rule="subgraph-differs",
        source=_line,
        healthy=partial(_line_of, "g"),
        broken=partial(_line_of, "f"),
        guilty=("h",),
    ),
    Issue(
        link="",
        slug="cast-rounds",
        title="a cast to whole numbers rounds where the source cuts",
        rule="subgraph-differs",
        source=_truncated,
        healthy=partial(
            _truncated_by, "b = Sign (a)  c = Abs (a)  e = Floor (c)  d = Mul (b, e)"
        ),
        broken=partial(_truncated_by, "d = Round (a)"),
        guilty=("d",),
    ),
    Issue(
        link="",
        slug="whole-constant-as-float",
        title="a whole constant is exported as a float, and the division leaves a fraction",
        rule="subgraph-differs",
        source=_halved,
        healthy=partial(_halved_by_torch, "n3 = Floor (n2)"),
        broken=partial(_halved_by_torch, "n3 = Identity (n2)"),
        guilty=("n2", "n3"),
    ),
    Issue(
        link="onnx/tensorflow-onnx#263",
        title="a Cast is missing, and whole numbers are divided",
        rule="subgraph-differs",
        source=_scaled,
        healthy=partial(
            _scaled_by_tf2onnx, "b = Cast <to: int = 1> (a)  c = Mul (b, quarter)"
        ),
        broken=partial(_scaled_by_tf2onnx, "b = Div (a, four)  c = Cast <to: int = 1> (b)"),
        guilty=("b", "c"),
    ),
)
