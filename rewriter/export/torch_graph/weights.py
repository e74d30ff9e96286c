"""A graph's constants as the parameters and buffers of a module, under their own names."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from rewriter.export.torch_graph.call import Held
from rewriter.export.torch_graph.dtypes import as_tensor

PART = re.compile(r"[^\W]\w*|\d+", re.ASCII)
COUNTED = re.compile(r"val_\d+")
"""How torch's exporter to ONNX counts tensors: a weight of the same name confuses it."""

OTHERS = "constants"
"""The module of what the graph does not store, or stores under such a name."""

RESERVED = frozenset(dir(torch.nn.Module()))
STATISTICS = (3, 4)
"""Inputs of BatchNormalization that training does not learn: torch has them as buffers."""


class Weights:
    """The constants of a graph that it computes with, held by a module.

    A constant is taken in when it is first read as a tensor; what is only read as a shape
    or an axis never is.

    Args:
        module: What holds them: its ``state_dict`` has the names of the graph.
        statistics: Names of running means and variances.
    """

    def __init__(self, module: Any, statistics: frozenset[str]) -> None:
        self._module = module
        self._statistics = statistics
        self._places: dict[int, tuple[Held, Any, str]] = {}

    def __call__(self, held: Held) -> Any:
        """Return the tensor that stands for a constant."""
        if id(held) not in self._places:
            self._places[id(held)] = (held, *self._taken_in(held))
        _, owner, name = self._places[id(held)]
        return getattr(owner, name)

    @property
    def names(self) -> dict[str, str]:
        """The name in the ``state_dict`` of each constant that was taken in."""
        module = self._module
        paths = {id(part): path for path, part in module.named_modules()}
        return {
            held.name: ".".join(filter(None, (paths[id(owner)], attribute)))
            for held, owner, attribute in self._places.values()
        }

    def keep(self, state: Mapping[str, Any]) -> None:
        """Hold what a module counts besides its weights, and no graph computes with.

        Args:
            state: Tensors by their name in a ``state_dict``; floats are left out, since
                they would be weights that the graph does without.
        """
        known = set(self._module.state_dict())
        for name, tensor in state.items():
            if name in known or tensor.is_floating_point():
                continue
            *path, last = name.split(".")
            owner = self._owner(path)
            owner.register_buffer(_free(owner, last), tensor)

    def _owner(self, path: Sequence[str]) -> Any:
        owner = self._module
        for part in path:
            if not isinstance(getattr(owner, part, None), torch.nn.Module):
                part = _free(owner, part)  # noqa: PLW2901  # a tensor may have that name
                owner.add_module(part, torch.nn.Module())
            owner = getattr(owner, part)
        return owner

    def _taken_in(self, held: Held) -> tuple[Any, str]:
        *path, name = _parts(held.name)
        if not held.stored or COUNTED.fullmatch(held.name):
            path = [OTHERS, *path]
        owner = self._owner(path)
        name = _free(owner, name)
        tensor = as_tensor(held.array)
        if held.weight and tensor.is_floating_point() and held.name not in self._statistics:
            owner.register_parameter(name, torch.nn.Parameter(tensor))
        else:
            owner.register_buffer(name, tensor, persistent=held.stored)
        return owner, name


def _parts(name: str) -> list[str]:
    """Return a name as the path of modules it says, or as one word where it says none."""
    parts = name.split(".")
    if all(PART.fullmatch(part) for part in parts):
        return parts
    return [re.sub(r"\W", "_", name, flags=re.ASCII) or "constant"]


def _free(owner: Any, name: str) -> str:
    """Return a name that is not yet taken, by a module's own attributes either."""
    while hasattr(owner, name) or name in RESERVED:
        name += "_"
    return name
