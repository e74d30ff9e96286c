"""Bare weights, in the child: read as tensors alone, put into a module of the user's."""

from collections.abc import Iterator, Mapping
from pickle import UnpicklingError
from typing import Any

import torch

from analyzer.core.errors import LoadError
from analyzer.frontends.child.from_module import Built, built, imported
from analyzer.frontends.child.loaded import Loaded
from analyzer.frontends.child.words import one_line

WRAPPERS = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before the names of all weights."""

SHOWN = 3
"""Names that a message lists of each kind."""

Weights = dict[str, Any]


def load(path: str, *, trust_code: bool, model: str) -> Loaded:
    """Return the module that a factory builds, with the weights of a file.

    Args:
        path: What `torch.save` wrote of a ``state_dict``, alone or in a checkpoint.
        trust_code: True; the caller refuses without it.
        model: ``file.py:factory`` of the module; the weights themselves run no code.

    Raises:
        LoadError: The file holds more than tensors, or does not fit the module.
    """
    del trust_code
    made = built(model)
    found = fitting(path, read(path), made)
    made.module.load_state_dict(found)
    return imported(path, made, _narrowed(found, made))


def read(path: str) -> Any:
    """Return what a file of weights holds, read as tensors and plain containers alone.

    Args:
        path: What `torch.save` wrote.

    Raises:
        LoadError: It holds more than that.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as surprise:
        raise LoadError(
            f"{path} holds more than tensors ({one_line(surprise)})",
            hint="save model.state_dict() alone, with torch.save",
        ) from surprise


def fitting(path: str, saved: Any, made: Built) -> Weights:
    """Return the weights of a file, named as the module names its own.

    Args:
        path: What `torch.save` wrote.
        saved: What it holds.
        made: The module.

    Raises:
        LoadError: Some are missing, unexpected, or of other sizes.
    """
    own = made.module.state_dict()
    tried = [*_state_dicts(saved)]
    if not tried:
        raise LoadError(
            f"{path} holds a {type(saved).__name__} and no state_dict",
            hint="save model.state_dict() with torch.save",
        )
    nearest = max(tried, key=lambda weights: len(weights.keys() & own.keys()))
    problem = "; ".join(_misfits(nearest, own))
    if problem:
        raise LoadError(
            f"{path} does not fit {made.path}: {problem}",
            hint="let the factory build the module that these weights were saved of",
        )
    return nearest


def _state_dicts(saved: Any) -> Iterator[Weights]:
    """Yield what may be meant by a file's weights: itself, or an entry of a checkpoint."""
    if not isinstance(saved, Mapping):
        return
    if _is_weights(saved):
        yield dict(saved)
        yield from _unwrapped(saved)
        return
    for entry in saved.values():
        if isinstance(entry, Mapping) and _is_weights(entry):
            yield dict(entry)
            yield from _unwrapped(entry)


def _is_weights(saved: Mapping[Any, Any]) -> bool:
    named = all(isinstance(name, str) for name in saved)
    return (
        bool(saved)
        and named
        and any(isinstance(value, torch.Tensor) for value in saved.values())
        and not any(isinstance(value, Mapping) for value in saved.values())
    )


def _unwrapped(saved: Mapping[str, Any]) -> Iterator[Weights]:
    for prefix in WRAPPERS:
        if all(name.startswith(prefix) for name in saved):
            yield {name.removeprefix(prefix): value for name, value in saved.items()}


def _misfits(saved: Weights, own: Mapping[str, Any]) -> Iterator[str]:
    missing = [name for name in own if name not in saved]
    unexpected = [name for name in saved if name not in own]
    if missing:
        yield f"it has no {_listed(missing)}"
    if unexpected:
        yield f"the module has no {_listed(unexpected)}"
    for name, value in saved.items():
        sizes = [list(getattr(one, "shape", ())) for one in (value, own.get(name, value))]
        if sizes[0] != sizes[1]:
            yield f"{name} is {sizes[0]} there and {sizes[1]} in the module"
            return


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _narrowed(saved: Weights, made: Built) -> tuple[str, ...]:
    """Return a note where the module holds the weights in another dtype than the file."""
    own = made.module.state_dict()
    for name, value in saved.items():
        if isinstance(value, torch.Tensor) and value.dtype != own[name].dtype:
            return (f"The file has {name} as {value.dtype}, the module {own[name].dtype}.",)
    return ()
