"""Sizes for the axes a model leaves open: one per symbol, wherever the symbol stands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analyzer.core.errors import UsageError
from analyzer.core.types import TensorSpec

SPATIAL_RANK = 4
"""From this rank on, an open axis is a picture's; below it, a sequence's."""

SEQUENCE_WORDS = ("seq", "len", "time", "step", "token", "frame")
"""A first axis whose symbol has one of these is a sequence, not a batch."""


@dataclass(frozen=True, slots=True)
class SizePlan:
    """First sizes to give an open axis; each further symbol gets one step more.

    Attributes:
        sequence: Length of the first open axis of a sequence.
        spatial: Size of the first open axis of a picture, in pixels.
        step: What each further picture axis has more, so that no two axes are alike.
    """

    sequence: int
    spatial: int
    step: int


PLANS = (SizePlan(8, 64, 32), SizePlan(128, 224, 0), SizePlan(4096, 512, 0))
"""Tried in order: small and all different; then what most networks of the field were
trained with, for a model that calls an axis open and works at one size; then long, for
waveforms."""


def is_batch(axis: int, size: int | str | None) -> bool:
    """Return whether an axis is an open batch: the first, unless its symbol denies it."""
    if axis != 0 or isinstance(size, int):
        return False
    return not any(word in str(size).lower() for word in SEQUENCE_WORDS)


def has_open_sizes(spec: TensorSpec) -> bool:
    """Return whether an input has an axis, other than its batch, without a size."""
    return any(
        not isinstance(size, int) and not is_batch(axis, size)
        for axis, size in enumerate(spec.shape or ())
    )


def sample_shapes(
    inputs: Iterable[TensorSpec], given: Mapping[str, tuple[int, ...]], plan: SizePlan
) -> dict[str, tuple[int, ...]]:
    """Return the shape of one sample of each input; a dynamic batch has size 1.

    Args:
        inputs: The declared inputs.
        given: Shapes the user chose, by input name; their symbols keep these sizes.
        plan: Sizes for what is still open.

    Raises:
        UsageError: A given shape contradicts the declared one, or none is declared.
    """
    specs = tuple(inputs)
    for spec in specs:
        _refuse_contradiction(spec, given.get(spec.name))
    symbols = _given_symbols(specs, given)
    shapes: dict[str, tuple[int, ...]] = {}
    for spec in specs:
        if spec.name in given:
            shapes[spec.name] = given[spec.name]
            continue
        symbols = _with_symbols_of(spec, symbols, plan)
        shapes[spec.name] = tuple(
            size if isinstance(size, int) else symbols[_symbol(spec, axis, size)]
            for axis, size in enumerate(spec.shape or ())
        )
    return shapes


def _symbol(spec: TensorSpec, axis: int, size: str | None) -> str:
    """Return the name an open axis goes by; an unnamed one stands alone."""
    return size or f"{spec.name}[{axis}]"


def _given_symbols(
    specs: tuple[TensorSpec, ...], given: Mapping[str, tuple[int, ...]]
) -> dict[str, int]:
    return {
        size: chosen
        for spec in specs
        for size, chosen in zip(spec.shape or (), given.get(spec.name, ()), strict=False)
        if isinstance(size, str)
    }


def _with_symbols_of(
    spec: TensorSpec, known: Mapping[str, int], plan: SizePlan
) -> dict[str, int]:
    """Return the known symbols and those of one more input."""
    symbols = dict(known)
    spatial = len(spec.shape or ()) >= SPATIAL_RANK
    for axis, size in enumerate(spec.shape or ()):
        if isinstance(size, int) or _symbol(spec, axis, size) in symbols:
            continue
        place = sum(value > 1 for value in symbols.values())
        chosen = plan.spatial + plan.step * place if spatial else plan.sequence + place
        symbols[_symbol(spec, axis, size)] = 1 if is_batch(axis, size) else chosen
    return symbols


def _refuse_contradiction(spec: TensorSpec, given: tuple[int, ...] | None) -> None:
    """Refuse a given shape that the declared one rules out, and an input without a rank."""
    if spec.shape is None and given is None:
        raise UsageError(
            f"input {spec.name} declares no shape, so nothing can be drawn for it",
            hint=f"pass --input-shapes '{spec.name}:[1,3,224,224]' with the sizes it takes",
        )
    if spec.shape is None or given is None:
        return
    fits = len(given) == len(spec.shape) and all(
        not isinstance(size, int) or size == chosen
        for size, chosen in zip(spec.shape, given, strict=True)
    )
    if not fits:
        raise UsageError(
            f"--input-shapes gives {spec.name} the shape {list(given)}, "
            f"but the model declares {declared(spec)}",
            hint="give every axis a size, and leave the fixed ones as they are declared",
        )


def declared(spec: TensorSpec) -> str:
    """Return a declared shape as people write it, ``?`` for an open axis."""
    if spec.shape is None:
        return "no shape"
    return "[" + ", ".join("?" if size is None else str(size) for size in spec.shape) + "]"
