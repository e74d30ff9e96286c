"""Inputs that a torch program is traced with, and which of their axes stay open."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper

from analyzer.core.types import Array
from rewriter.export.torch_graph.dtypes import as_tensor

BATCH = 2
"""Samples of an example: torch takes an axis of 0 or 1 for one that never changes."""

SEED = 0

Shape = tuple[int | str, ...]
"""Sizes of an input; an axis that is open has a name."""


def shapes(model: onnx.ModelProto) -> dict[str, Shape]:
    """Return the shape of each input that is fed, by name."""
    held = {one.name for one in model.graph.initializer}
    fed = (one for one in model.graph.input if one.name not in held)
    return {one.name: tuple(_axes(one)) for one in fed}


def _axes(given: onnx.ValueInfoProto) -> Iterator[int | str]:
    for place, dim in enumerate(given.type.tensor_type.shape.dim):
        stated = dim.HasField("dim_value") and dim.dim_value > 0
        yield dim.dim_value if stated else dim.dim_param or f"{given.name} axis {place}"


def drawn(model: onnx.ModelProto, open_size: int) -> list[Array]:
    """Return an example of each input: normal floats, zeros of everything else.

    Args:
        model: What they are fed to.
        open_size: What an open axis behind the first has; the next one has as much more.
    """
    generator, known = np.random.default_rng(SEED), shapes(model)
    names = dict.fromkeys(
        axis for shape in known.values() for axis in shape[1:] if isinstance(axis, str)
    )
    sizes: dict[int | str, int] = {
        name: open_size * place for place, name in enumerate(names, 1)
    }
    firsts = {shape[0] for shape in known.values() if shape}
    sizes |= {name: BATCH for name in firsts - sizes.keys() if isinstance(name, str)}
    kinds = {one.name: one.type.tensor_type.elem_type for one in model.graph.input}
    return [
        _values(generator, [sizes.get(axis, axis) for axis in shape], kinds[name])
        for name, shape in known.items()
    ]


def _values(generator: np.random.Generator, shape: Sequence[Any], kind: int) -> Array:
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    if dtype.kind in "iub":
        return np.zeros(shape, dtype)
    return generator.standard_normal(shape).astype(dtype)


def stored(file: Path) -> list[Array]:
    """Return the arrays of an ``.npz``, in its order."""
    with np.load(file, allow_pickle=False) as found:
        return [found[name] for name in found.files]


def given(model: onnx.ModelProto, arrays: Sequence[Array]) -> list[Array]:
    """Return an example of each input from arrays of the user's.

    Args:
        model: What they are fed to.
        arrays: One per input, in the order of the inputs; an open axis of one element is
            doubled, since torch would take it for one that never changes.
    """
    return [
        _doubled(array, shape)
        for array, shape in zip(arrays, shapes(model).values(), strict=True)
    ]


def _doubled(array: Array, shape: Shape) -> Array:
    for axis, size in enumerate(shape):
        if isinstance(size, str) and array.shape[axis] == 1:
            array = np.repeat(array, BATCH, axis)
    return array


def as_tensors(arrays: Sequence[Array]) -> tuple[Any, ...]:
    """Return arrays as tensors."""
    return tuple(as_tensor(array) for array in arrays)


def dynamic(model: onnx.ModelProto, tensors: Mapping[str, Any], choice: Any) -> Any:
    """Return the open axes of each input, as torch wants them told.

    Args:
        model: What is exported.
        tensors: Its inputs by name.
        choice: What is said of each open axis.
    """
    told = torch.export.ShapesCollection()
    for name, shape in shapes(model).items():
        told[tensors[name]] = {
            place: choice for place, axis in enumerate(shape) if isinstance(axis, str)
        }
    return told
