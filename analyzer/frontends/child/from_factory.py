"""Modules that the user's own function builds, in the child."""

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils import _pytree as pytree

from analyzer.core.errors import LoadError
from analyzer.frontends.child.export import flat_call, pivot_of
from analyzer.frontends.child.loaded import Loaded
from analyzer.frontends.child.remake import remaking
from analyzer.frontends.child.words import converted, one_line

FORM_HINT = "return (module, example_inputs); the inputs are a tuple, or a dict by name"

JAX_HINT = (
    "functions of JAX are not read yet: bring this one into an .onnx file with jax2onnx"
)

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


def load(path: str, *, trust_code: bool) -> Loaded:
    """Return the module that a factory builds, with its pivot.

    Args:
        path: ``file.py:factory``.
        trust_code: True; the caller refuses without it.

    Raises:
        LoadError: The file does not run, or its factory gives something else.
    """
    del trust_code
    return imported(path, built(path))


def imported(path: str, made: Built, notes: tuple[str, ...] = ()) -> Loaded:
    """Return a module, set to evaluate, with its pivot.

    Args:
        path: As the user gave it, for messages.
        made: The module and its example inputs.
        notes: What is to be said of it besides.
    """
    made.module.eval()
    with torch.no_grad():
        program, note = _exported(made.module, made.positional, dict(made.named))
    pivot, layers = converted(path, "torch.onnx", lambda: pivot_of(program))
    run = flat_call(program, made.module, pivot)
    remake = remaking(program, made.module, pivot)
    return Loaded(pivot, run, layers, (*notes, *note), remake)


def built(path: str) -> Built:
    """Return a factory's module and its example inputs.

    Args:
        path: ``file.py:factory``.

    Raises:
        LoadError: The file does not run, or its factory gives something else.
    """
    file, _, name = path.rpartition(":")
    factory = getattr(_imported(path, file), name, None)
    if not callable(factory):
        raise LoadError(f"{file} has no function {name}", hint=f"define {name}() in it")
    try:
        result = factory()
    except Exception as surprise:  # the user's code may raise anything
        raise _failed(path, surprise) from surprise
    match result:
        case (torch.nn.Module() as module, Mapping() as named):
            return Built(path, module, (), dict(named))
        case (torch.nn.Module() as module, tuple() | list() as positional):
            return Built(path, module, tuple(positional), {})
        case (torch.nn.Module() as module, torch.Tensor() as single):
            return Built(path, module, (single,), {})
    raise LoadError(
        f"{path} returns a {type(result).__name__}, not a module and example inputs",
        hint=JAX_HINT if _is_jax(result) else FORM_HINT,
    )


def _is_jax(result: Any) -> bool:
    """Return whether a factory gives a function and arrays of JAX."""
    leaves = pytree.tree_leaves(result)
    return any(type(leaf).__module__.startswith("jax") for leaf in leaves)


def _imported(path: str, file: str) -> Any:
    sys.path.insert(0, str(Path(file).resolve().parent))
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    if spec is None or spec.loader is None:
        raise LoadError(f"{file} cannot be imported", hint="name a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as surprise:  # the user's code may raise anything
        raise _failed(path, surprise) from surprise
    return module


def _failed(path: str, surprise: Exception) -> LoadError:
    return LoadError(
        f"{path} fails with {one_line(surprise)}", hint="run the file by itself first"
    )


def _exported(
    module: Any, positional: tuple[Any, ...], named: dict[str, Any]
) -> tuple[Any, tuple[str, ...]]:
    """Return the exported program, its batch dynamic where the module allows it."""
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
