"""The user's own inputs, read from a ``.npz`` file."""

import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from analyzer.core.errors import UsageError
from analyzer.core.listing import several
from analyzer.core.types import Array, Feeds, Pivot, TensorSpec
from analyzer.frontends.child.memory import ceiling, in_words
from analyzer.probes.sizes import declared, is_batch

BY_POSITION = re.compile(r"(?:arr_|in)(\d+)")
"""How NumPy names unnamed arrays, and the shorter form of it."""

SIGNED = re.compile(r"(?:serving_default_)?(.+?)(?::\d+)?")
"""What TensorFlow puts around the name of a layer that a signature feeds."""

UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    EOFError,
    KeyError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy and zipfile raise on truncated, damaged, encrypted or pickled files."""


def read_npz(path: Path, source: Pivot) -> tuple[Feeds, ...]:
    """Return the samples in a file, in its order, each of the source's dtypes.

    Args:
        path: A ``.npz`` with one array per source input.
        source: The model to feed.

    Raises:
        UsageError: The file is no ``.npz`` of numbers, or its arrays do not fit the inputs.
    """
    arrays = _by_input(path, _load(path), source.inputs)
    rows = {
        spec.name: _rows(path, spec, _converted(path, spec, arrays[spec.name]))
        for spec in source.inputs
    }
    counts = {name: len(samples) for name, samples in rows.items()}
    if len(set(counts.values())) > 1:
        listed = several(f"{name} {count}" for name, count in counts.items())
        raise UsageError(
            f"{path} holds unequal numbers of samples: {listed}",
            hint="give every input the same number of samples",
        )
    return tuple(
        dict(zip(rows, sample, strict=True)) for sample in zip(*rows.values(), strict=True)
    )


def _load(path: Path) -> dict[str, Array]:
    """Return the arrays of a file, refusing what needs code to be read."""
    if not path.is_file():
        raise UsageError(
            f"{path} is not a file, so no inputs can be read from it",
            hint="give --inputs the path of a .npz written by numpy.savez",
        )
    try:
        with zipfile.ZipFile(path) as members:
            _refuse_bomb(path, members)
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except UNREADABLE as surprise:
        reason = "it holds objects" if "allow_pickle" in str(surprise) else str(surprise)
        raise UsageError(
            f"{path} cannot be read as a .npz of plain arrays: {reason}",
            hint="write it with numpy.savez(path, input_name=array, ...), numbers only",
        ) from surprise


def _refuse_bomb(path: Path, members: zipfile.ZipFile) -> None:
    """Refuse what does not fit into memory, before any of it is unpacked.

    A bound on the factor, as models have it, would refuse masks and padded sequences: all
    zeros, they unpack to a thousand times their size.
    """
    unpacked = sum(member.file_size for member in members.infolist())
    if unpacked > ceiling():
        raise UsageError(
            f"{path} unpacks to {in_words(unpacked)}, more than the {in_words(ceiling())} "
            "that there is room for",
            hint="save fewer samples: eight show most faults",
        )


def _by_input(
    path: Path, arrays: Mapping[str, Array], inputs: Sequence[TensorSpec]
) -> dict[str, Array]:
    """Return the array of each input: by name, else by position, a lone one as it is."""
    if len(arrays) == len(inputs) == 1:
        return {inputs[0].name: next(iter(arrays.values()))}
    found: dict[str, Array] = {}
    for name, array in arrays.items():
        owner = _owner(name, inputs)
        if owner is None or owner in found:
            raise _names_error(path, f"array {name} that fits no input", arrays, inputs)
        found[owner] = array
    missing = next((spec.name for spec in inputs if spec.name not in found), None)
    if missing is not None:
        raise _names_error(path, f"no array for input {missing}", arrays, inputs)
    return found


def _owner(name: str, inputs: Sequence[TensorSpec]) -> str | None:
    """Return the input an array is meant for."""
    if any(spec.name == name for spec in inputs):
        return name
    place = BY_POSITION.fullmatch(name)
    if place is None or int(place[1]) >= len(inputs):
        alike = [spec.name for spec in inputs if _bare(spec.name) == _bare(name)]
        return alike[0] if len(alike) == 1 else None
    return inputs[int(place[1])].name


def _bare(name: str) -> str:
    """Return a name without what TensorFlow puts around it."""
    whole = SIGNED.fullmatch(name)
    return name if whole is None else whole[1]


def _names_error(
    path: Path, surprise: str, arrays: Mapping[str, Array], inputs: Sequence[TensorSpec]
) -> UsageError:
    names = several(spec.name for spec in inputs) or "none"
    return UsageError(
        f"{path} has {surprise}; it holds {several(arrays) or 'nothing'}",
        hint=f"name one array after each input ({names}), or arr_0, arr_1, ... in order",
    )


def _converted(path: Path, spec: TensorSpec, array: Array) -> Array:
    """Return an array in the input's own dtype, where no value is lost on the way."""
    if spec.dtype == "unknown":
        return array
    if spec.dtype == "string":
        return _strings(path, spec, array)
    dtype = np.dtype(spec.dtype)
    if _kind(array.dtype) != _kind(dtype):
        raise _dtype_error(path, spec, array)
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    kept = (
        np.isfinite(converted.astype(np.float64)) == np.isfinite(array.astype(np.float64))
        if _kind(dtype) == "f"
        else converted == array
    )
    if not np.all(kept):
        raise _dtype_error(path, spec, array)
    if _kind(dtype) == "f" and array.size and not np.any(np.isfinite(converted)):
        raise UsageError(
            f"{path} has no finite value for input {spec.name}",
            hint="look at how the file was made: NaN and infinity alone show nothing",
        )
    return np.asarray(converted)


def _kind(dtype: np.dtype[np.generic]) -> str:
    """Return ``f``, ``i``, ``b`` or another letter; bfloat16 and float8 count as ``f``."""
    if dtype.kind == "V" and "float" in dtype.name:
        return "f"
    return {"u": "i"}.get(dtype.kind, dtype.kind)


def _strings(path: Path, spec: TensorSpec, array: Array) -> Array:
    if array.dtype.kind not in "US":
        raise _dtype_error(path, spec, array)
    return array.astype(np.str_).astype(np.object_)


def _dtype_error(path: Path, spec: TensorSpec, array: Array) -> UsageError:
    return UsageError(
        f"{path} has {array.dtype} values for input {spec.name}, "
        f"and not all of them are {spec.dtype} values",
        hint=f"convert them yourself before saving: array.astype('{spec.dtype}')",
    )


def _rows(path: Path, spec: TensorSpec, array: Array) -> tuple[Array, ...]:
    """Return one array per sample.

    One axis more than the input: samples along the first. The input's own rank: one sample
    where its batch size is fixed, one per row where it is dynamic.
    """
    if spec.shape is None:
        samples: tuple[Array, ...] = (array,)
    elif array.ndim == len(spec.shape) + 1:
        samples = tuple(array)
    elif array.ndim == len(spec.shape) and array.ndim and is_batch(0, spec.shape[0]):
        samples = tuple(array[row : row + 1] for row in range(len(array)))
    else:
        samples = (array,)
    if not samples or not array.size:
        raise UsageError(
            f"{path} holds no sample for input {spec.name}, only {list(array.shape)}",
            hint="save at least one sample of each input",
        )
    if not all(_fits(sample.shape, spec) for sample in samples):
        raise UsageError(
            f"{path} has an array of {list(array.shape)} for input {spec.name}, "
            f"which declares {declared(spec)}",
            hint="save one sample as declared, or several stacked along one more axis",
        )
    return samples


def _fits(shape: tuple[int, ...], spec: TensorSpec) -> bool:
    if spec.shape is None:
        return True
    return len(shape) == len(spec.shape) and all(
        not isinstance(size, int) or size == actual
        for size, actual in zip(spec.shape, shape, strict=True)
    )
