"""Issues about operators: lost, doubled, replaced, their operands exchanged."""

from functools import partial

import onnx

from tests.issues.issue import Issue, drawn, spelled


def _centred() -> onnx.ModelProto:
    """Return a normalisation by hand: what is left of each mean."""
    return spelled(
        """torch (float[N,5,6] x) => (float[N,5,4] y) <int64[1] last = {-1}> {
            hidden = MatMul (x, weight)
            mean = ReduceMean (hidden, last)
            apart = Sub (hidden, mean)
            rectified = Relu (apart)
            y = MatMul (rectified, head)
        }""",
        _CENTRED,
    )


def _centred_by_ncnn(one: str, other: str) -> onnx.ModelProto:
    """Return the difference as a sum with what is negated."""
    return spelled(
        f"""ncnn (float[N,5,6] in0) => (float[N,5,4] out0)
            <int64[1] axis = {{2}}, float minus = {{-1.0}}> {{
            b0 = MatMul (in0, weight)
            b1 = ReduceMean <keepdims: int = 1> (b0, axis)
            b2 = Mul ({one}, minus)
            b3 = Add (b2, {other})
            b4 = Relu (b3)
            out0 = MatMul (b4, head)
        }}""",
        _CENTRED,
    )


def _divided() -> onnx.ModelProto:
    """Return shares of a total."""
    return spelled(
        """torch (float[N,6] x) => (float[N,4] y)
            <int64[1] last = {-1}, float one = {1.0}> {
            positive = Softplus (x)
            raised = Add (positive, one)
            total = ReduceSum (raised, last)
            share = Div (raised, total)
            y = MatMul (share, weight)
        }""",
        {"weight": _MEAN},
    )


def _divided_by_tflite(one: str, other: str) -> onnx.ModelProto:
    """Return the quotient as a product with a reciprocal."""
    return spelled(
        f"""tflite (float[N,6] a) => (float[N,4] z)
            <int64[1] axes = {{1}}, float one = {{1.0}}> {{
            b = Softplus (a)
            c = Add (one, b)
            d = ReduceSum <keepdims: int = 1> (c, axes)
            e = Reciprocal ({other})
            f = Mul (e, {one})
            z = MatMul (f, weight)
        }}""",
        {"weight": _MEAN},
    )


def _residual() -> onnx.ModelProto:
    """Return a block of torch's: two convolutions, what went in added, rectified."""
    return spelled(
        """torch (float[N,4,8,8] x) => (float[N,4,8,8] y) {
            first = Conv <pads: ints = [1,1,1,1]> (x, weight, bias)
            rectified = LeakyRelu <alpha: float = 0.3> (first)
            second = Conv <pads: ints = [1,1,1,1]> (rectified, other)
            summed = Add (second, x)
            y = Relu (summed)
        }""",
        _BLOCK,
    )


def _residual_of(first: str, last: str) -> onnx.ModelProto:
    """Return the same with the channels last outside, biases apart, as TFLite has it."""
    return spelled(
        f"""tflite (float[N,8,8,4] in) => (float[N,8,8,4] out)
            <float slope = {{0.3}}, float zero = {{0.0}}> {{
            t = Transpose <perm: ints = [0,3,1,2]> (in)
            c = Conv <auto_pad: string = "SAME_UPPER", kernel_shape: ints = [3,3]>
                (t, weight)
            a = Add (c, bias)
            {first}
            d = Conv <auto_pad: string = "SAME_UPPER", kernel_shape: ints = [3,3]>
                (r, other)
            e = Transpose <perm: ints = [0,2,3,1]> (d)
            s = Add (in, e)
            {last}
        }}""",
        {**_BLOCK, "bias": _BLOCK["bias"].reshape(1, 4, 1, 1)},
    )


_MEAN = drawn(6, 4)
_CENTRED = {"weight": drawn(6, 6), "head": drawn(6, 4, seed=1)}
_BLOCK = {
    "weight": drawn(4, 4, 3, 3, scale=0.2),
    "bias": drawn(4, seed=1),
    "other": drawn(4, 4, 3, 3, seed=2, scale=0.2),
}
_LEAKY = "r = LeakyRelu <alpha: float = 0.3> (a)"
_LEAKY_BY_HAND = "m = Mul (a, slope)  r = Max (a, m)"
_RECTIFIED = "out = Max (s, zero)"

ISSUES = (
    Issue(
        link="",
        slug="difference-turned",
        title="a difference is spelt as a sum, and the wrong operand negated",
        rule="subgraph-differs",
        source=_centred,
        healthy=partial(_centred_by_ncnn, "b1", "b0"),
        broken=partial(_centred_by_ncnn, "b0", "b1"),
        guilty=("b2", "b3"),
    ),
    Issue(
        link="",
        slug="quotient-turned",
        title="a quotient is spelt as a product, and the wrong operand inverted",
        rule="subgraph-differs",
        source=_divided,
        healthy=partial(_divided_by_tflite, "c", "d"),
        broken=partial(_divided_by_tflite, "d", "c"),
        guilty=("e", "f"),
    ),
    Issue(
        link="",
        slug="activation-lost",
        title="the activation behind a residual sum is lost",
        rule="operator-missing",
        source=_residual,
        healthy=partial(_residual_of, _LEAKY_BY_HAND, _RECTIFIED),
        broken=partial(_residual_of, _LEAKY_BY_HAND, "out = Identity (s)"),
        guilty=("out", "s"),
    ),
    Issue(
        link="",
        slug="activation-doubled",
        title="a sum is rectified and squashed, where the source only rectifies",
        rule="operator-extra",
        source=_residual,
        healthy=partial(_residual_of, _LEAKY_BY_HAND, "out = Relu (s)"),
        broken=partial(_residual_of, _LEAKY_BY_HAND, "q = Tanh (s)  out = Relu (q)"),
        guilty=("q",),
    ),
    Issue(
        link="",
        slug="activation-replaced",
        title="a leaky activation becomes one that does not leak",
        rule="operator-replaced",
        source=_residual,
        healthy=partial(_residual_of, _LEAKY, _RECTIFIED),
        broken=partial(_residual_of, "r = Max (a, zero)", _RECTIFIED),
        guilty=("r",),
    ),
)
