"""Torch modules that the user's own function builds, in the child."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import onnx
import torch
from torch.utils import _pytree as pytree

from analyzer.core.types import Feeds
from analyzer.frontends.child.export import as_array, flat_call, pivot_of
from analyzer.frontends.child.from_factory import misformed, product_of
from analyzer.frontends.child.loaded import Loaded
from analyzer.frontends.child.naming import io_names
from analyzer.frontends.child.native_values import native_values
from analyzer.frontends.child.remake import remaking
from analyzer.frontends.child.words import converted, one_line

LARGEST_BATCH = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """What a factory gave.

    Attributes:
        path: ``file.py:factory``.
        module: The `torch.nn.Module`.
        positional: Example inputs by position.
        named: Example inputs by name.
    """

    path: str
    module: Any
    positional: tuple[Any, ...]
    named: Mapping[str, Any]


def imported(path: str, made: Built, notes: tuple[str, ...] = ()) -> Loaded:
    """Return a module, set to evaluate, with its pivot.

    Args:
        path: As the user gave it, for messages.
        made: The module and its example inputs.
        notes: What is to be said of it besides.
    """
    made.module.eval()
    with torch.no_grad():
        program, note = exported_module(made.module, made.positional, dict(made.named))
    pivot, layers, lowered = converted(path, "torch.onnx", lambda: pivot_of(program))
    run = flat_call(program, made.module, pivot)
    remake = remaking(program, made.module, pivot)
    by = {"framework": "torch", "tool": "torch.onnx"}
    values = partial(native_values, lowered)
    loaded = Loaded(pivot, run, layers, (*notes, *note), remake, importer=by, values=values)
    return replace(loaded, example=_example(made, program, pivot))


def _example(made: Built, program: Any, pivot: onnx.ModelProto) -> Feeds:
    """Return the factory's example inputs by pivot name, where they are its tensors."""
    leaves, structure = pytree.tree_flatten((made.positional, dict(made.named)))
    if structure != program.call_spec.in_spec:
        return {}
    named = zip(program.graph_signature.user_inputs, leaves, strict=True)
    inputs, _ = io_names(pivot)
    return {name: as_array(leaf) for name, leaf in named if name in inputs}


def built(path: str) -> Built:
    """Return a factory's module and its example inputs.

    Args:
        path: ``file.py:factory``.

    Raises:
        LoadError: The file does not run, or its factory gives something else.
    """
    return module_of(path, product_of(path))


def module_of(path: str, product: Any) -> Built:
    """Return the module and example inputs that a factory gave.

    Args:
        path: ``file.py:factory``.
        product: What it gave.

    Raises:
        LoadError: It is something else.
    """
    match product:
        case (torch.nn.Module() as module, Mapping() as named):
            return Built(path, module, (), dict(named))
        case (torch.nn.Module() as module, tuple() | list() as positional):
            return Built(path, module, tuple(positional), {})
        case (torch.nn.Module() as module, torch.Tensor() as single):
            return Built(path, module, (single,), {})
    raise misformed(path, product)


def exported_module(
    module: Any, positional: tuple[Any, ...], named: dict[str, Any]
) -> tuple[Any, tuple[str, ...]]:
    """Return the exported program of a module, its batch dynamic where it allows that.

    Args:
        module: The `torch.nn.Module`, set to evaluate.
        positional: Example inputs by position.
        named: Example inputs by name.

    Returns:
        The `torch.export.ExportedProgram`, and notes in sentences.
    """
    batch = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    first, second = _with_batch(positional), _with_batch(named)
    shapes = pytree.tree_map(
        lambda leaf: {0: batch} if isinstance(leaf, torch.Tensor) and leaf.ndim else None,
        (first, second),
    )
    by_name = (*shapes[0],) if not named else shapes[1]
    try:
        program = torch.export.export(module, first, second, dynamic_shapes=by_name)
    except Exception as surprise:  # noqa: BLE001  # the static export decides
        note = f"The batch size is fixed: a dynamic one fails with {one_line(surprise)}."
        return torch.export.export(module, positional, named), (note,)
    return program, ()


def _with_batch(inputs: Any) -> Any:
    """Return inputs with two samples where they have one, which torch takes for fixed."""
    return pytree.tree_map(
        lambda leaf: (
            torch.cat([leaf, leaf])
            if isinstance(leaf, torch.Tensor) and leaf.ndim and len(leaf) == 1
            else leaf
        ),
        inputs,
    )
