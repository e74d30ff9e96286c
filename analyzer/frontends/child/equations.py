"""What JAX itself computes at each equation of a function that jax2onnx translated.

jax2onnx goes through a function's equations and binds what each gives to a tensor; noted
while it does, they tell which tensor of its ONNX form should hold what.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jax.extend.core import Literal
from jax2onnx.converter import conversion_api, lowering_dispatch
from jax2onnx.converter.output_binding import get_bound_value

from analyzer.core.types import Array, Feeds

INLINED = frozenset(
    {"jit", "pjit", "closed_call", "core_call", "remat", "checkpoint", "remat2"}
    | {"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr", "custom_lin"}
)
"""Equations that stand for others, which are translated in their place."""

INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")
"""What they call those."""

KINDS = frozenset("fiub")
"""Kinds of dtypes that NumPy has as JAX has them."""

TRACE, BIND = "_trace_to_jaxpr", "finalize_eqn_lowering_outputs"
"""Where jax2onnx 0.17 traces a function, and where it is done with an equation."""

Variable = Any
Seen = tuple[Variable, Any]
"""What an equation gives, and its value."""


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A variable of a function and the tensor that it became.

    Attributes:
        variable: What an equation gives.
        tensor: An ``onnx_ir.Value``, whose name may change until the form is written.
        operator: The equation's primitive, by name.
    """

    variable: Variable
    tensor: Any
    operator: str


@dataclass(frozen=True, slots=True, eq=False)
class Equations:
    """A function's equations, noted by `noted` while jax2onnx translates them.

    Attributes:
        traced: The closed jaxpr, alone; empty until the function is traced.
        bound: What its equations give, in the order they were translated.
    """

    traced: list[Any] = field(default_factory=list)
    bound: list[Bound] = field(default_factory=list)

    def operators(self) -> dict[str, str]:
        """Return the primitive behind each tensor, by the tensor's name."""
        return {one.tensor.name: one.operator for one in self.bound if one.tensor.name}

    def values(self, arrays: Sequence[Array], names: Sequence[str]) -> dict[str, Array]:
        """Return what JAX computes of some tensors, as far as it can be asked.

        Args:
            arrays: The inputs of one sample, of the sizes that were traced, in order.
            names: The tensors that are asked for.
        """
        wanted = frozenset(names)
        times: Counter[int] = Counter()
        places: dict[tuple[int, int], str] = {}
        for one in self.bound:
            key = id(one.variable)
            places[key, times[key]] = one.tensor.name
            times[key] += 1
        seen: Counter[int] = Counter()
        found: dict[str, Array] = {}
        for variable, value in _computed(self.traced[0], arrays):
            name = places.get((id(variable), seen[id(variable)]))
            seen[id(variable)] += 1
            array = _as_array(value) if name in wanted else None
            if name is not None and array is not None:
                found[name] = array
        return found


@contextmanager
def noted() -> Iterator[Equations]:
    """Note the equations that jax2onnx translates in this context.

    Yields:
        What is filled while it does.
    """
    equations = Equations()
    trace, bind = getattr(conversion_api, TRACE), getattr(lowering_dispatch, BIND)

    def traced(*given: Any, **named: Any) -> Any:
        found = trace(*given, **named)
        equations.traced[:] = [found.closed_jaxpr]
        return found

    def bound(context: Any, equation: Any, *given: Any, **named: Any) -> Any:
        result = bind(context, equation, *given, **named)
        for variable in equation.outvars:
            tensor = get_bound_value(context, variable)
            if tensor is not None:
                one = Bound(variable, tensor, equation.primitive.name)
                equations.bound.append(one)
        return result

    setattr(conversion_api, TRACE, traced)
    setattr(lowering_dispatch, BIND, bound)
    try:
        yield equations
    finally:
        setattr(conversion_api, TRACE, trace)
        setattr(lowering_dispatch, BIND, bind)


def _computed(closed: Any, arrays: Sequence[Any]) -> Iterator[Seen]:
    """Yield what each equation gives, one after the other, until one cannot be computed."""
    given = map(jax.numpy.asarray, arrays)
    known = dict(zip(closed.jaxpr.invars, given, strict=True))
    known |= zip(closed.jaxpr.constvars, closed.consts, strict=True)
    try:
        yield from _of_each(closed.jaxpr, known)
    except Exception:  # noqa: BLE001  # jax2onnx's own primitives may know no way to run
        return


def _of_each(jaxpr: Any, known: dict[Variable, Any]) -> Iterator[Seen]:
    for equation in jaxpr.eqns:
        given = [_value(one, known) for one in equation.invars]
        inner = _inlined(equation)
        if inner is None:
            results = _bound(equation, given)
        else:
            plain = getattr(inner, "jaxpr", inner)
            own = dict(zip(plain.invars, given, strict=True))
            own |= zip(plain.constvars, getattr(inner, "consts", ()), strict=True)
            yield from _of_each(plain, own)
            results = [_value(one, own) for one in plain.outvars]
        made = [*zip(equation.outvars, results, strict=True)]
        known |= dict(made)
        yield from made


def _value(one: Any, known: Mapping[Variable, Any]) -> Any:
    return one.val if isinstance(one, Literal) else known[one]


def _inlined(equation: Any) -> Any:
    """Return the equations that one stands for; None where it is one of its own."""
    if equation.primitive.name not in INLINED:
        return None
    return next((equation.params[key] for key in INNER if key in equation.params), None)


def _bound(equation: Any, given: Sequence[Any]) -> Sequence[Any]:
    """Return what JAX computes at one equation."""
    settings = equation.primitive.get_bind_params(equation.params)
    result = equation.primitive.bind(*given, **settings)
    several: Sequence[Any] = result if equation.primitive.multiple_results else [result]
    return several


def _as_array(value: Any) -> Array | None:
    """Return a value as NumPy has it; None where NumPy has no such numbers."""
    dtype = getattr(value, "dtype", None)
    if dtype is None or jax.dtypes.issubdtype(dtype, jax.dtypes.extended):
        return None
    array = np.asarray(value)
    return array if array.dtype.kind in KINDS else None


def of_sizes(samples: Sequence[Feeds]) -> tuple[Feeds, ...]:
    """Return the samples of the first one's sizes: a form is made for one size.

    Args:
        samples: Samples by input name.
    """
    first = {name: value.shape for name, value in samples[0].items()}
    return tuple(
        one
        for one in samples
        if all(value.shape == first.get(name) for name, value in one.items())
    )
