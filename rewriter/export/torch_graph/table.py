"""Which function computes which ONNX operator in torch."""

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from rewriter.export.torch_graph import operators
from rewriter.export.torch_graph.call import Call

Compute = Callable[[Call], Any]
"""Gives one value, or a tuple of one per output."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A function of this package, and the operators it computes."""

    kinds: tuple[str, ...]
    compute: Compute

    def __call__(self, call: Call) -> Any:
        """Return what the function gives."""
        return self.compute(call)


def computes(*kinds: str) -> Callable[[Compute], Entry]:
    """Let a function compute operators.

    Args:
        kinds: Their ONNX types; with ``domain:`` before where it is not ONNX's own.
    """
    return lambda function: Entry(kinds, function)


def each(**functions: Callable[..., Any]) -> tuple[Entry, ...]:
    """Return an entry for each operator that is one torch function of all its tensors."""
    return tuple(computes(kind)(_plain(given)) for kind, given in functions.items())


def _plain(function: Callable[..., Any]) -> Compute:
    return lambda call: function(*call.tensors)


@cache
def table() -> Mapping[str, Compute]:
    """Return the function of each operator that is known, by its key."""
    modules = pkgutil.iter_modules(operators.__path__)
    found = (import_module(f"{operators.__name__}.{one.name}") for one in modules)
    return {
        kind: entry.compute
        for module in found
        for entry in _entries(module)
        for kind in entry.kinds
    }


def _entries(module: ModuleType) -> Iterator[Entry]:
    for value in vars(module).values():
        together = value if isinstance(value, tuple) else (value,)
        yield from (one for one in together if isinstance(one, Entry))
