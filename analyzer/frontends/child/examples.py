"""Example inputs of a TorchScript module, in sizes of its trace, the user or the other."""

import io
import pickle
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any
from zipfile import ZipFile

import torch

from analyzer.core.errors import LoadError, UsageError
from analyzer.frontends.child.words import one_line

Example = tuple[str, str, Sequence[int | str | None] | None]
"""Name, NumPy dtype and sizes of an input."""

Tensors = tuple[Any, ...]

Known = tuple[Sequence[int] | None, Any]
"""Sizes and torch dtype of an input, each None where unknown."""

LARGEST_INDEX = 2
"""Integers of example inputs stay below: an embedding has two rows at least."""

SEED = 0
"""A module that is recorded on its inputs is recorded alike in every run."""

CHANNELS_FIRST = (0, 3, 1, 2)
"""An image model's axes where the other model of the pair has its channels last."""


def examples(
    path: str,
    module: Any,
    shapes: Mapping[str, Sequence[int]],
    others: Sequence[Example],
) -> tuple[list[str], Tensors]:
    """Return the names of a module's inputs, and tensors that it takes.

    Args:
        path: What `torch.jit.save` wrote; a traced module keeps the inputs of its trace.
        module: The module in it.
        shapes: The user's shapes by input name.
        others: The inputs of the model that it is compared with.

    Raises:
        LoadError: An input is no tensor, or the module takes nothing that fits.
        UsageError: Nothing says what an input looks like.
    """
    names = _names(path, module)
    traced = _traced(path)
    told = [_told(name, place, traced, others) for place, name in enumerate(names)]
    known = [
        (shapes.get(name, sizes), dtype)
        for name, (sizes, dtype) in zip(names, told, strict=True)
    ]
    for name, (sizes, _) in zip(names, known, strict=True):
        if sizes is None:
            raise UsageError(
                f"{path} is TorchScript, which says nothing of the sizes of its input "
                f"{name}",
                hint=f"add --input-shapes {name}:[1,3,224,224], with its own sizes",
            )
    return names, _accepted(path, module, known)


def _names(path: str, module: Any) -> list[str]:
    """Return the names of the inputs that must be given."""
    taken = module.forward.schema.arguments[1:]
    wanted = [argument for argument in taken if not argument.has_default_value()]
    odd = next((one for one in wanted if str(one.type) != "Tensor"), None)
    if odd is not None:
        raise LoadError(
            f"{path} takes {odd.name}, a {odd.type}, and only tensors can be fed",
            hint="wrap the module in one that takes tensors alone, and save that",
        )
    return [argument.name for argument in wanted]


def _told(
    name: str, place: int, traced: Sequence[Known], others: Sequence[Example]
) -> Known:
    """Return sizes and dtype of an input, from its trace or from the other model."""
    if place < len(traced):
        return traced[place]
    named = next((one for one in others if one[0] == name), None)
    chosen = named or (others[place] if place < len(others) else None)
    if chosen is None:
        return None, None
    _, dtype, sizes = chosen
    return _closed(sizes), getattr(torch, dtype, None)


def _closed(sizes: Sequence[int | str | None] | None) -> tuple[int, ...] | None:
    """Return sizes with an open batch of one; None where another one is open."""
    if sizes is None or not all(isinstance(size, int) for size in sizes[1:]):
        return None
    return tuple(size if isinstance(size, int) else 1 for size in sizes)


def _accepted(path: str, module: Any, known: Sequence[Known]) -> Tensors:
    """Return the first tensors of these sizes that a module takes.

    Of an unknown dtype floats are tried before integers, and of an image the order of axes
    that is given before the one with its channels first.

    Raises:
        LoadError: It takes none of them.
    """
    first: Exception | None = None
    for given in _attempts(known):
        try:
            module(*given)
        except Exception as surprise:  # noqa: BLE001  # whatever a module says
            first = first or surprise
            continue
        return given
    sizes = " and ".join(str(list(shape or ())) for shape, _ in known)
    raise LoadError(
        f"{path} does not take inputs of sizes {sizes} ({one_line(first or Exception())})",
        hint="give the sizes it takes with --input-shapes NAME:[1,3,224,224]",
    ) from first


def _attempts(known: Sequence[Known]) -> Iterator[Tensors]:
    choices = [list(_choices(sizes or (), dtype)) for sizes, dtype in known]
    for chosen in product(*choices):
        seeded = torch.Generator().manual_seed(SEED)
        yield tuple(_tensor(sizes, dtype, seeded) for sizes, dtype in chosen)


def _choices(sizes: Sequence[int], dtype: Any) -> Iterator[tuple[Sequence[int], Any]]:
    dtypes = (dtype,) if dtype is not None else (torch.float32, torch.int64)
    moved = (
        tuple(sizes[axis] for axis in CHANNELS_FIRST)
        if len(sizes) == len(CHANNELS_FIRST)
        else sizes
    )
    for layout in dict.fromkeys((tuple(sizes), tuple(moved))):
        yield from ((layout, one) for one in dtypes)


def _tensor(sizes: Sequence[int], dtype: Any, seeded: Any) -> Any:
    if dtype.is_floating_point:
        return torch.randn(tuple(sizes), generator=seeded).to(dtype)
    return torch.randint(0, LARGEST_INDEX, tuple(sizes), generator=seeded).to(dtype)


class _Inputs(pickle.Unpickler):  # noqa: S301  # `find_class` lets nothing else in
    """Reads sizes and dtypes of a trace's inputs; a pickle of anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a stand-in for one of the few names that a trace's inputs need."""
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if f"{module}.{name}" not in STAND_INS:
            problem = f"{module}.{name} is no part of a tensor"
            raise pickle.UnpicklingError(problem)
        return STAND_INS[f"{module}.{name}"]

    def persistent_load(self, saved: Any) -> Any:
        """Return the dtype of a storage; its numbers are not in the file."""
        return saved[1]


def _rebuilt(dtype: Any, _offset: int, sizes: Sequence[int], *_: object) -> Known:
    return tuple(sizes), dtype


STAND_INS: Mapping[str, Any] = {
    "torch.jit._pickle.restore_type_tag": lambda value, _: value,
    "torch._utils._rebuild_tensor_v2": _rebuilt,
    "collections.OrderedDict": OrderedDict,
}

STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}

UNREADABLE = (pickle.UnpicklingError, KeyError, ValueError, TypeError, IndexError)
"""What reading a trace's inputs raises where it has none, or other ones than tensors."""


def _traced(path: str) -> tuple[Known, ...]:
    """Return sizes and dtypes that a module was traced with; none where it keeps none."""
    with ZipFile(path) as archive:
        ends = "/traced_inputs.pkl"
        member = next((name for name in archive.namelist() if name.endswith(ends)), None)
        if member is None:
            return ()
        try:
            given = _Inputs(io.BytesIO(archive.read(member))).load()["forward"]
        except UNREADABLE:
            return ()
    whole = all(isinstance(one, tuple) for one in given)
    return tuple(given) if whole else ()
