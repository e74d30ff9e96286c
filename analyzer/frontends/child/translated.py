"""Which operators of a model its importer translates wrongly, one by one.

Each operator's part of the ONNX form is fed what the framework itself gives before it:
what deviates there is the translation of this very operator, whatever came before it.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from analyzer.core.errors import RunError
from analyzer.core.types import Array, Feeds
from analyzer.frontends.child.correspondence import aligned, outputs_reached, reads
from analyzer.runtime.metrics import relative_error
from analyzer.runtime.session import open_session

Values = Callable[[Feeds, Sequence[str]], Feeds]
"""Gives, for a sample by input name, the framework's own values of the named tensors: of
those it has."""

OWN = "/translated"
"""Behind the name of a tensor: what the ONNX form gives, not the framework."""

ROUNDING = {"f8": 1e-9, "f4": 1e-4, "f2": 2e-2}
"""Relative error up to which one operator in two runtimes is put down to rounding: some
thousand units in the last place of each float. Integers and booleans are right or wrong."""

ROUNDS = 3
"""Times that tensors are set aside which only bear the name of the framework's: where one
is, those around it are looked at again."""


def mistranslated(
    model: onnx.ModelProto,
    samples: Sequence[Feeds],
    values: Values,
    on_grid: AbstractSet[str] = frozenset(),
) -> dict[str, float]:
    """Return the relative error of each wrongly translated tensor, by its name.

    Args:
        model: The ONNX form, whose tensors bear the names of the framework's.
        samples: Samples by input name.
        values: The framework's own values.
        on_grid: Tensors whose integers are quantized floats: they may round to either side.
    """
    worst: dict[str, float] = {}
    names = given(model)
    for feeds in samples:
        for name, error in _errors(model, feeds, values(feeds, names), on_grid):
            worst[name] = max(error, worst.get(name, 0.0))
    return worst


def given(model: onnx.ModelProto) -> list[str]:
    """Return what a model is fed and what its main graph computes, by name, in order."""
    held = {tensor.name for tensor in model.graph.initializer}
    fed = (value.name for value in model.graph.input if value.name not in held)
    made = (name for node in model.graph.node for name in node.output if name)
    return [*fed, *made]


def observed(model: onnx.ModelProto, feeds: Feeds, names: Sequence[str]) -> Feeds:
    """Return what the ONNX form gives for tensors inside of it; nothing where it stops.

    Args:
        model: The ONNX form.
        feeds: One sample by input name.
        names: Tensors of its main graph.
    """
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    del opened.graph.output[:]
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    fed = {value.name: feeds[value.name] for value in _fed(model)}
    return _ran(opened, fed, names)


def _fed(model: onnx.ModelProto) -> Iterator[onnx.ValueInfoProto]:
    held = {tensor.name for tensor in model.graph.initializer}
    yield from (value for value in model.graph.input if value.name not in held)


def _ran(model: onnx.ModelProto, feeds: Feeds, names: Sequence[str]) -> Feeds:
    with tempfile.TemporaryDirectory() as folder:
        try:
            return open_session(model, Path(folder)).run(feeds, names)
        except RunError:
            return {}  # what does not run is told as that


def _errors(
    model: onnx.ModelProto, feeds: Feeds, native: Feeds, on_grid: AbstractSet[str]
) -> Iterator[tuple[str, float]]:
    made = {name for node in model.graph.node for name in node.output}
    whole = observed(model, feeds, [name for name in native if name in made])
    known = aligned(whole, native) if whole else dict(native)
    apart: Mapping[str, float] = {}
    off = set(_off({name: whole[name] for name in known if whole}, known, on_grid))
    for _ in range(ROUNDS):
        apart = _off(isolated(model, {**known, **feeds}), known, on_grid)
        idle = {name for name in apart if whole and not _shows(model, name, known, off)}
        if not idle:
            break
        known = {name: value for name, value in known.items() if name not in idle}
        apart = {name: error for name, error in apart.items() if name not in idle}
    yield from apart.items()


def _shows(model: onnx.ModelProto, name: str, known: Feeds, off: set[str]) -> bool:
    """Return whether what is wrong with a tensor goes on behind it in the whole model.

    Where it does not, another value bears the name: a fused operator's, say.
    """
    if name not in off:
        return False
    after = outputs_reached(model, name, set(known) - {name})
    return not after or bool(after & off) or not after <= known.keys()


def isolated(model: onnx.ModelProto, native: Feeds) -> Feeds:
    """Return what each part of a model gives where it is fed native values.

    Args:
        model: The ONNX form.
        native: Native values in the layout of the ONNX form, its inputs among them.
    """
    apart = _apart(model, native)
    names = [value.name for value in apart.graph.output]
    fed = {value.name: native[value.name] for value in apart.graph.input}
    found = _ran(apart, fed, names) if names else {}
    return {name.removesuffix(OWN): value for name, value in found.items()}


def _off(given: Feeds, native: Feeds, on_grid: AbstractSet[str]) -> dict[str, float]:
    """Return the relative error of each tensor that rounding does not explain."""
    found = {}
    for name, value in given.items():
        error = relative_error(value, native[name])
        step = steps(value, native[name]) if name in on_grid else 0
        if error > _rounding(native[name]) and not 0 < step <= ONE_STEP:
            found[name] = float(error)
    return found


def steps(value: Array, native: Array) -> int:
    """Return how many steps of their grid the integers of two arrays are apart at most."""
    apart = np.abs(value.astype(np.int64) - native.astype(np.int64))
    return int(apart.max(initial=0))


ONE_STEP = 1
"""Steps of its grid that a quantized value may round to either side."""


def _rounding(value: Array) -> float:
    return ROUNDING.get(f"{value.dtype.kind}{value.dtype.itemsize}", 0.0)


def _apart(model: onnx.ModelProto, native: Feeds) -> onnx.ModelProto:
    """Return a model cut at every tensor that there is a native value for."""
    held = {tensor.name for tensor in model.graph.initializer}
    known = {name: value for name, value in native.items() if name not in held}
    apart = onnx.ModelProto()
    apart.CopyFrom(model)
    made = []
    for node in apart.graph.node:
        for place, name in enumerate(node.output):
            if name in known:
                node.output[place] = name + OWN
                made.append(name)
    read = {name for node in apart.graph.node for name in reads(node)} & known.keys()
    graph = apart.graph
    _declare(graph.input, {name: known[name] for name in sorted(read)})
    _declare(graph.output, {name + OWN: known[name] for name in made})
    inner = [value for value in graph.value_info if value.name not in known]
    del graph.value_info[:]
    graph.value_info.extend(inner)
    return apart


def _declare(place: Any, values: Mapping[str, Array]) -> None:
    del place[:]
    place.extend(
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype)), None
        )
        for name, value in values.items()
    )
