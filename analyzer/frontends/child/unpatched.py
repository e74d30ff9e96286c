"""JAX as it was: jax2onnx replaces some of its functions to trace them, one for good."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

INSIDE = "._"
"""How the names of JAX's private modules go on; what users call is public."""


@contextmanager
def jax_restored() -> Iterator[None]:
    """Put back what is replaced in this context of JAX's public functions.

    After a conversion by jax2onnx 0.17.1 ``jax.numpy.cumsum(x, 1)`` fails, and what JAX
    itself computes would be judged by another function.
    """
    before = [(module, _functions(module)) for module in _public()]
    try:
        yield
    finally:
        for module, functions in before:
            for name, function in functions.items():
                if getattr(module, name, None) is not function:
                    setattr(module, name, function)


def _public() -> list[Any]:
    loaded = tuple(sys.modules.items())
    names = (name for name, _ in loaded if name == "jax" or name.startswith("jax."))
    return [sys.modules[name] for name in names if INSIDE not in name]


def _functions(module: Any) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, FunctionType) or type(value).__name__ == "PjitFunction"
    }
