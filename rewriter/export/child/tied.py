"""Weights given other values in place, those of several names among them."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from analyzer.core.errors import ExportError
from analyzer.core.types import Array
from analyzer.frontends.child.export import as_array

HINT = "write the repaired model with -o to an .onnx file"

Tensors = Mapping[str, Any]
"""Tensors of torch by name; names may share memory."""


def write_all(tensors: Tensors, values: Mapping[str, Array], read: Collection[str]) -> None:
    """Give tensors other values where they lie; all names of one memory see them.

    Args:
        tensors: All that there are; those of `values` are changed.
        values: The new values by name, each of its tensor's shape.
        read: Names whose tensors are computed with: no other is missed.

    Raises:
        ExportError: A name would get a value that it is not to have, as it shares the
            memory of another.
    """
    beside = set(sharing(tensors, values)) & {*values, *read}
    wanted = {name: np.array(as_array(tensors[name])) for name in beside - values.keys()}
    for name, value in values.items():
        new = torch.from_numpy(np.array(value)).to(tensors[name].dtype)
        wanted[name] = as_array(new)
        with torch.no_grad():
            tensors[name].copy_(new)
    for name in sorted(wanted):
        if not np.array_equal(as_array(tensors[name]), wanted[name], equal_nan=True):
            raise _torn(tensors, values, name)


def sharing(tensors: Tensors, names: Collection[str]) -> Iterator[str]:
    """Yield the names whose tensors lie in the memory of some others, and those themselves.

    Args:
        tensors: All that there are.
        names: Of the others.
    """
    places = {_memory(tensors[name]) for name in names}
    for name, tensor in tensors.items():
        if name in names or (
            isinstance(tensor, torch.Tensor) and _memory(tensor) in places
        ):
            yield name


def _memory(tensor: Any) -> int:
    return int(tensor.untyped_storage().data_ptr())


def _torn(tensors: Tensors, values: Mapping[str, Array], name: str) -> ExportError:
    """Return the error for a name that would get what another is to have."""
    other = next(one for one in values if one != name and one in sharing(tensors, [name]))
    kept = "another value" if name in values else "its old value"
    return ExportError(
        f"the weights {other} and {name} are one tensor, of which {name} is to have {kept}",
        hint=HINT,
    )
