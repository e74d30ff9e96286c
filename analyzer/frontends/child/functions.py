"""A function of JAX as a factory gave it: its parameters, its inputs and their names."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from analyzer.core.errors import LoadError

WITH_PARAMS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """What a factory gave.

    Attributes:
        call: Takes the parameters, where there are any apart, and the inputs.
        params: The parameters, a pytree; None where the function closes over them.
        positional: Example inputs by position, each a pytree.
        named: Example inputs by name.
    """

    call: Callable[..., Any]
    params: Any
    positional: tuple[Any, ...]
    named: Mapping[str, Any]

    def flat(self, params: Any) -> Callable[..., tuple[Any, ...]]:
        """Return a function of the inputs' arrays alone, which gives a tuple of arrays.

        Args:
            params: What takes the place of the parameters.
        """
        structure = jax.tree.structure((self.positional, dict(self.named)))
        first = () if params is None else (params,)

        def call(*leaves: Any) -> tuple[Any, ...]:
            positional, named = jax.tree.unflatten(structure, leaves)
            return tuple(jax.tree.leaves(self.call(*first, *positional, **named)))

        return call

    @property
    def examples(self) -> list[Any]:
        """The example inputs' arrays."""
        return [jax.numpy.asarray(leaf) for leaf in jax.tree.leaves(self._inputs)]

    @property
    def names(self) -> list[str]:
        """A name for each of them: the argument's, and where in it the array is."""
        paths, _ = jax.tree_util.tree_flatten_with_path(self._inputs)
        own = _arguments(self.call)[0 if self.params is None else 1 :]
        return [_name(path, own) for path, _ in paths]

    @property
    def called(self) -> str:
        """How it is called, as a user would write it."""
        first = [] if self.params is None else ["params"]
        return f"function({', '.join([*first, *self.names])})"

    @property
    def _inputs(self) -> tuple[Any, Any]:
        return self.positional, dict(self.named)


def function_of(path: str, product: Sequence[Any]) -> Function:
    """Return what a factory gave as a function with its inputs.

    Args:
        path: ``file.py:factory``, for messages.
        product: ``(function, inputs)``, or with params between.

    Raises:
        LoadError: It is something else.
    """
    call, *between, inputs = product
    if len(product) > WITH_PARAMS:
        raise LoadError(
            f"{path} returns {len(product)} things, not a function, parameters and inputs",
            hint="return (function, params, example_inputs); put the inputs into a tuple",
        )
    params = between[0] if between else None
    if isinstance(inputs, Mapping):
        return Function(call, params, (), dict(inputs))
    if isinstance(inputs, (tuple, list)):
        return Function(call, params, tuple(inputs), {})
    return Function(call, params, (inputs,), {})


def _arguments(call: Callable[..., Any]) -> list[str]:
    """Return the names of a function's positional arguments, as far as it tells them."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):  # built in
        return []
    by_place = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return [one.name for one in parameters if one.kind in by_place]


def _name(path: Sequence[Any], own: Sequence[str]) -> str:
    """Return the name of an input by the path to it: by position or name, then inside."""
    _, argument, *inside = path
    key = getattr(argument, "key", None)
    place = getattr(argument, "idx", 0)
    first = str(key) if key else own[place] if place < len(own) else f"input_{place}"
    rest = jax.tree_util.keystr(tuple(inside), simple=True, separator="/")
    return f"{first}/{rest}" if rest else first
