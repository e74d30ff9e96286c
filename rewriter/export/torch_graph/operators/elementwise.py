"""Operators that compute each element by itself."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, numpy_helper

from rewriter.export.torch_graph.call import Call
from rewriter.export.torch_graph.dtypes import ENDS, dtype_of
from rewriter.export.torch_graph.table import computes, each

E4M3_END = 464
"""Half a step beyond the largest number of float8_e4m3fn: what is larger is none."""

WIDE = frozenset({torch.uint16, torch.uint32, torch.uint64})
"""Torch stores these integers and computes almost nothing with them."""


def widened(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that computes wide unsigned integers as int64.

    Sums, differences and products are right modulo 2^64, and so are their low bits.

    Args:
        function: Of tensors of one dtype.
    """

    def wide(*tensors: Any) -> Any:
        dtypes = {one.dtype for one in tensors} & WIDE
        if not dtypes:
            return function(*tensors)
        found = function(*(one.long() if one.dtype in WIDE else one for one in tensors))
        return found if found.dtype == torch.bool else found.to(dtypes.pop())

    return wide


def _quotient(one: Any, other: Any) -> Any:
    if one.is_floating_point():
        return one / other
    return torch.div(one, other, rounding_mode="trunc")


def _together(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda *tensors: reduce(widened(function), tensors)


PLAIN = each(
    Abs=torch.abs, Acos=torch.acos, Acosh=torch.acosh, Asin=torch.asin, Asinh=torch.asinh,
    Atan=torch.atan, Atanh=torch.atanh, Ceil=torch.ceil, Cos=torch.cos, Cosh=torch.cosh,
    Det=torch.linalg.det, Erf=torch.erf, Exp=torch.exp, Floor=torch.floor,
    IsNaN=torch.isnan, Log=torch.log,
    Neg=torch.neg, Not=torch.logical_not, Reciprocal=torch.reciprocal,
    Round=torch.round, Sign=torch.sign, Sin=torch.sin, Sinh=torch.sinh, Sqrt=torch.sqrt,
    Tan=torch.tan,
)  # fmt: skip
"""Functions of one tensor; torch rounds halves to even, as ONNX does."""

PAIRED = each(
    Add=widened(torch.add), Sub=widened(torch.sub), Mul=widened(torch.mul),
    Div=widened(_quotient), And=torch.logical_and, Or=torch.logical_or,
    Xor=torch.logical_xor, Equal=torch.eq, Greater=widened(torch.gt),
    GreaterOrEqual=widened(torch.ge), Less=widened(torch.lt), LessOrEqual=widened(torch.le),
    BitwiseAnd=torch.bitwise_and, BitwiseOr=torch.bitwise_or, BitwiseXor=torch.bitwise_xor,
    BitwiseNot=widened(torch.bitwise_not),
)  # fmt: skip
"""Functions of two tensors that broadcast."""

MANY = each(
    Max=_together(torch.maximum),
    Min=_together(torch.minimum),
    Sum=_together(torch.add),
    Mean=lambda *tensors: reduce(torch.add, tensors) / len(tensors),
)


@computes("Pow")
def power(call: Call) -> Any:
    """Return the first tensor to the power of the second, in the dtype of the first."""
    base, exponent = call.tensors
    known = call.known(1)
    if known is not None and not known.ndim and base.is_floating_point():
        return torch.pow(base, known.item())
    return torch.pow(base, exponent).to(base.dtype)


@computes("Mod")
def remainder(call: Call) -> Any:
    """Return a remainder with the sign of the divisor, or of the dividend (fmod)."""
    function = torch.fmod if call.option("fmod", 0) else torch.remainder
    return widened(function)(*call.tensors)


@computes("BitShift")
def shifted(call: Call) -> Any:
    """Return integers shifted to the left or the right."""
    left = call.option("direction") == "LEFT"
    function = torch.bitwise_left_shift if left else torch.bitwise_right_shift
    return widened(function)(*call.tensors)


@computes("IsInf")
def infinite(call: Call) -> Any:
    """Return where a tensor is infinite, of either sign or of one."""
    x = call.tensor(0)
    found = torch.isinf(x)
    if not call.option("detect_negative", 1):
        found &= x > 0
    return found if call.option("detect_positive", 1) else found & (x < 0)


@computes("Where")
def where(call: Call) -> Any:
    """Return the second tensor where the first is true, else the third."""
    return torch.where(*call.tensors)


@computes("Clip")
def clip(call: Call) -> Any:
    """Return a tensor with its values kept between two numbers; the higher one wins."""
    x = call.tensor(0)
    low, high = (_bound(call, slot, name) for slot, name in ((1, "min"), (2, "max")))
    if low is None and high is None:
        return x
    if isinstance(low, torch.Tensor) or isinstance(high, torch.Tensor):
        low = None if low is None else torch.as_tensor(low, dtype=x.dtype)
        high = None if high is None else torch.as_tensor(high, dtype=x.dtype)
    return torch.clamp(x, low, high)


def _bound(call: Call, slot: int, name: str) -> Any:
    if not call.has(slot):
        return call.option(name)
    known = call.known(slot)
    if known is None:
        return call.tensor(slot)
    if known.dtype.kind in "iub":
        return int(known.item())
    return float(known.item())


@computes("Cast")
def cast(call: Call) -> Any:
    """Return a tensor in another dtype."""
    return casting(call, call.tensor(0), call.option("to"))


@computes("CastLike")
def cast_like(call: Call) -> Any:
    """Return a tensor in the dtype of another."""
    return casting(call, call.tensor(0), call.kind(1))


def casting(call: Call, x: Any, code: int) -> Any:
    """Return a tensor in the dtype that ONNX numbers so."""
    dtype = dtype_of(code)
    if dtype is None:
        raise call.refusal(f"torch has no {TensorProto.DataType.Name(code)}")
    if code == TensorProto.FLOAT4E2M1:
        return four_bit_floats(x)
    if code in ENDS:
        low, high = ENDS[code]
        return ((x.to(torch.int32) - low) & (high - low)).add(low).to(dtype)
    return converted(x, dtype, saturate=bool(call.option("saturate", 1)))


def converted(x: Any, dtype: Any, *, saturate: bool) -> Any:
    """Return a tensor in another dtype, small floats ending at their largest number.

    Args:
        x: Any tensor.
        dtype: Torch's.
        saturate: Whether what does not fit into eight bits becomes the largest that does.
    """
    if not dtype.is_floating_point or dtype.itemsize > 1:
        return x.to(dtype)
    whole = x.to(torch.float32)
    if saturate:
        high = torch.finfo(dtype).max
        return torch.where(torch.isnan(whole), whole, whole.clamp(-high, high)).to(dtype)
    if dtype == torch.float8_e4m3fn:  # torch itself ends at the largest number
        whole = torch.where(whole.abs() > E4M3_END, float("nan"), whole)
    return whole.to(dtype)


def four_bit_floats(x: Any) -> Any:
    """Return the nearest of the sixteen numbers that four bits hold, halves to even."""
    whole = x.to(torch.float32)
    size = whole.abs().clamp(max=6.0)
    step = torch.where(size < 2, 0.5, torch.where(size < 4, 1.0, 2.0))  # noqa: PLR2004
    found = torch.copysign(torch.round(size / step) * step, whole)
    return torch.where(torch.isnan(whole), -0.0, found)  # as ONNX's own tests have it


@computes("BitCast")
def reinterpreted(call: Call) -> Any:
    """Return the same bits as another dtype of the same size."""
    return call.tensor(0).view(dtype_of(call.option("to")))


@computes("CumSum")
def running_sum(call: Call) -> Any:
    """Return sums along an axis up to each element."""
    return _running(call, torch.cumsum)


@computes("CumProd")
def running_product(call: Call) -> Any:
    """Return products along an axis up to each element."""
    return _running(call, torch.cumprod)


def _running(call: Call, function: Callable[..., Any]) -> Any:
    x, axis = call.tensor(0), call.number(1)
    if call.option("reverse", 0):
        x = x.flip(axis)
    found = function(x, axis, dtype=x.dtype)
    if call.option("exclusive", 0):
        start = torch.full_like(x.narrow(axis, 0, 1), int(function is torch.cumprod))
        found = torch.cat([start, found.narrow(axis, 0, x.shape[axis] - 1)], axis)
    return found.flip(axis) if call.option("reverse", 0) else found


@computes("Constant")
def constant(call: Call) -> Any:
    """Return what the node holds."""
    (attribute,) = call.node.attribute
    value = call.option(attribute.name)
    if attribute.name == "value":
        return numpy_helper.to_array(value)
    if attribute.name in {"value_float", "value_floats"}:
        return np.array(value, np.float32)
    if attribute.name in {"value_int", "value_ints"}:
        return np.array(value, np.int64)
    raise call.refusal(f"torch has no constant of the kind {attribute.name}")
