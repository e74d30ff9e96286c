"""Which function draws which TFLite operator."""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType

from analyzer.frontends.child.lite import operators
from analyzer.frontends.child.lite.call import Call, Drawn

Result = str | Drawn | tuple[str | Drawn, ...]
"""What a function gives: a tensor for each output, laid out as the flatbuffer's or not."""

Draw = Callable[[Call], Result]


@dataclass(frozen=True, slots=True)
class Entry:
    """A function of this package, and the operators it draws."""

    kinds: tuple[str, ...]
    draw: Draw

    def __call__(self, call: Call) -> Result:
        """Return what the function draws."""
        return self.draw(call)


def draws(*kinds: str) -> Callable[[Draw], Entry]:
    """Let a function draw operators.

    Args:
        kinds: Their names in the schema.
    """
    return lambda function: Entry(kinds, function)


@cache
def table() -> Mapping[str, Draw]:
    """Return the function of each operator that is known, by its name in the schema."""
    found: dict[str, Draw] = {}
    for entry in pkgutil.iter_modules(operators.__path__):
        found |= _entries(import_module(f"{operators.__name__}.{entry.name}"))
    return found


def _entries(module: ModuleType) -> dict[str, Draw]:
    entries = [one for one in vars(module).values() if isinstance(one, Entry)]
    return {kind: entry.draw for entry in entries for kind in entry.kinds}
