"""Functions of JAX, in the child: JAX runs them compiled, jax2onnx converts them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax2onnx
import numpy as np
import onnx

from analyzer.core.errors import LoadError, RunError
from analyzer.core.types import Array, Feeds, Mistranslation, NativeLayer
from analyzer.frontends.child.callsites import Layers, layers_of
from analyzer.frontends.child.equations import Equations, noted, of_sizes
from analyzer.frontends.child.functions import Function, function_of
from analyzer.frontends.child.loaded import Loaded
from analyzer.frontends.child.naming import io_names, renamed
from analyzer.frontends.child.parameters import (
    drop_unread,
    named_parameters,
    twin_parameters,
)
from analyzer.frontends.child.translated import mistranslated
from analyzer.frontends.child.unpatched import jax_restored
from analyzer.frontends.child.words import converted, one_line
from analyzer.runtime.metrics import relative_error
from analyzer.runtime.session import open_session

OPSET = 18
"""The same as the other importers', so that a difference of opsets is never ours."""

BATCH = "batch"

TRUE_ENOUGH = 1e-2
"""Relative error up to which the form with an open batch is kept: one that is not what the
function computes is off by far more, and rounding in a deep network by less."""

MOST_SAMPLES = 4
"""Samples on which equations are looked at; each is run with every tensor kept."""

Native = Callable[..., Sequence[Any]]


def imported(path: str, product: Any) -> Loaded:
    """Return a function with its pivot.

    Args:
        path: ``file.py:factory``, for messages.
        product: What the factory gave: ``(function, inputs)``, or with params between.

    Raises:
        LoadError: It is something else, or does not run.
    """
    given = function_of(path, product)
    native = jax.jit(given.flat(given.params))
    try:
        native(*given.examples)
    except Exception as surprise:  # the user's code may raise anything
        raise LoadError(
            f"{path} gives a function that fails on its own example inputs "
            f"({one_line(surprise)})",
            hint=f"call it by itself first; it is called as {given.called}",
        ) from surprise
    model, notes = converted(path, "jax2onnx", lambda: _pivot(given, native))
    model, roots = named_parameters(
        model, given.call, given.params, lambda: _twin(given, model)
    )
    layers = layers_of(model, roots)
    inputs, outputs = io_names(model)

    def run(feeds: Feeds) -> Feeds:
        arrays = [np.asarray(value) for value in native(*map(feeds.get, inputs))]
        return dict(zip(outputs, arrays, strict=True))

    by = {"framework": "jax", "tool": "jax2onnx"}
    example = dict(zip(inputs, map(np.asarray, given.examples), strict=True))
    anew = partial(_looked_into, given, run)
    return Loaded(model, run, layers, notes, anew, importer=by, example=example)


def _looked_into(
    given: Function, run: Callable[[Feeds], Feeds], samples: Sequence[Feeds]
) -> Loaded | None:
    """Return the form for some samples with the equations that it translates wrongly.

    None where it does not tell: no equation by itself is wrong, or jax2onnx traces another
    function than it was given.
    """
    few = of_sizes(samples[:MOST_SAMPLES])
    with noted() as equations:
        model = _exported(given, given.params, [few[0][n].shape for n in given.names])
    model, roots = named_parameters(
        model, given.call, given.params, lambda: _twin(given, model)
    )
    inputs, outputs = io_names(model)

    def values(feeds: Feeds, names: Sequence[str]) -> Feeds:
        return equations.values([feeds[name] for name in inputs], names)

    traced, right = values(few[0], outputs), run(few[0])
    if any(_distance(traced[n], right[n]) > TRUE_ENOUGH for n in traced if n in right):
        return None
    layers = layers_of(model, roots)
    wrong = tuple(_told_wrong(mistranslated(model, few, values), equations, layers))
    return Loaded(model, run, layers, wrong=wrong) if wrong else None


def _told_wrong(
    wrong: Mapping[str, float], equations: Equations, layers: Layers
) -> Iterator[Mistranslation]:
    """Yield, for each kind of equation, the worst that is translated wrongly."""
    kinds = equations.operators()
    for kind in dict.fromkeys(kinds[name] for name in wrong if name in kinds):
        names = [name for name in wrong if kinds.get(name) == kind]
        worst = max(names, key=wrong.__getitem__)
        found = layers.get(worst)
        layer = NativeLayer(*found) if found else None
        yield Mistranslation(kind, layer, worst, wrong[worst], mended=False)


def _pivot(given: Function, native: Native) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Return the ONNX form, its batch open where that makes it no worse, and notes."""
    fixed = [example.shape for example in given.examples]
    batches = {shape[0] for shape in fixed if shape}
    if len(batches) == 1:
        try:
            model = _exported(given, given.params, map(_opened, fixed))
            gap = max(_gap(model, given, native, times) for times in (1, 2))
        except Exception as surprise:  # noqa: BLE001  # the form with fixed sizes decides
            why, gap = f"an open one fails with {one_line(surprise)}", np.inf
        else:
            why = f"with an open one {_told(gap)}"
        if gap <= TRUE_ENOUGH:
            return model, ()
    else:
        why, gap = "the inputs differ in it", np.inf
    closed = _exported(given, given.params, fixed)
    notes = (f"The batch size is fixed: {why}.",) if batches else ()
    return closed, (*notes, *_doubts(closed, given, native))


def _doubts(model: onnx.ModelProto, given: Function, native: Native) -> Iterator[str]:
    """Yield, as a note, that a form is not the function on the function's own examples.

    The samples of a run may not show it: an index beyond its axis, or a number halfway
    between two integers.

    Raises:
        LoadError: It does not run on them.
    """
    try:
        gap = _gap(model, given, native, 1)
    except RunError as refusal:
        if refusal.loading:
            return  # whoever loads the pivot tells
        raise LoadError(
            f"jax2onnx's form of the function does not run on the function's own example "
            f"inputs: {refusal.problem}",
            hint="the fault is jax2onnx's, not the function's: try its newest release",
        ) from refusal
    else:
        if gap > TRUE_ENOUGH:
            yield (
                f"jax2onnx's form of it is not what JAX computes on the example inputs: "
                f"{_told(gap)}."
            )


def _told(gap: float) -> str:
    return f"it is {gap:.3g} off" if np.isfinite(gap) else "it gives another shape"


def _opened(shape: Sequence[int]) -> tuple[int | str, ...]:
    return (BATCH, *shape[1:]) if shape else ()


def _gap(model: onnx.ModelProto, given: Function, native: Native, times: int) -> float:
    """Return how far a form is off on the example inputs, or on them so many times."""
    names, outputs = io_names(model)
    arrays = [_repeated(np.asarray(example), times) for example in given.examples]
    expected = [np.asarray(value) for value in native(*arrays)]
    feeds = dict(zip(names, arrays, strict=True))
    observed = open_session(model, Path()).run(feeds, outputs)
    return max(map(_distance, observed.values(), expected), default=0.0)


def _repeated(value: Array, times: int) -> Array:
    return np.concatenate([value] * times) if value.ndim else value


def _distance(observed: Array, expected: Array) -> float:
    if observed.shape != expected.shape:
        return np.inf
    return relative_error(observed, expected)


def _exported(
    given: Function, params: Any, sizes: Iterable[Sequence[int | str]]
) -> onnx.ModelProto:
    """Return the ONNX form for inputs of some sizes, with the names that the user knows."""
    specs = [
        jax.ShapeDtypeStruct(tuple(shape), example.dtype)
        for shape, example in zip(sizes, given.examples, strict=True)
    ]
    wide = any(example.dtype == np.float64 for example in given.examples)
    with jax_restored():
        model: onnx.ModelProto = jax2onnx.to_onnx(
            given.flat(params), specs, opset=OPSET, enable_double_precision=wide
        )
    own, _ = io_names(model)
    drop_unread(model)
    return renamed(model, dict(zip(own, given.names, strict=True)))[0]


def _twin(given: Function, model: onnx.ModelProto) -> tuple[onnx.ModelProto, Any]:
    """Return the same form with parameters of other values, and these parameters."""
    other = twin_parameters(given.params)
    sizes = [
        [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in model.graph.input
    ]
    return _exported(given, other, sizes), other
