"""Is a local error a fault, declared loss of precision, or noise?

Every threshold comes from a measured noise floor: the error that one unit in the last place
makes in the same region. Constants here are factors on that measurement, with reasons.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.core.types import Feeds, Node, Pivot, Status
from analyzer.floors import Step, region_floors
from analyzer.halves import kept_halves
from analyzer.matching.weights import bits_hash
from analyzer.regions import region
from analyzer.runtime.noise import noise_floor
from analyzer.samples import largest
from analyzer.sides import Side
from analyzer.view import View
from analyzer.view.halves import FEW, is_half

ROUNDING = 16.0
"""Local errors up to this many noise floors are rounding. One perturbation samples the
error that another order of summation makes; over thousands of elements the largest of them
lies within four standard deviations, and each side brings its own; the rest is a safety
factor of two."""

END_TO_END_SAMPLES = 3
"""Samples on which whole-model noise is measured: a saturated one alone would show none."""

NEGLIGIBLE = 2e-6
"""Relative local error below which nothing is measured: sixteen units in the last place of
float32, which any reassociated sum of a few hundred terms reaches."""

INT8_LEVELS = 255
"""Steps of an eight-bit grid."""

QUANTIZATION = 4.0
"""Local errors up to this many quantization floors are quantization: the floor is that of
one rounding of inputs and weights, a region rounds its result and often an intermediate
too, and per-tensor grids are coarser than the range of one sample."""

UNIT_ROUNDOFF = 2.0**-24
"""Largest relative error of rounding to float32."""

HALF_UNIT = 2.0**-11
"""Largest relative error of rounding to float16."""

WHOLE = 1.0
"""Noise of a model's output, relative to its largest value, that none is said to exceed."""

CALIBRATED = 0.25
"""Share of samples that are taken to lie within the range a quantized model was calibrated
on: a sample beyond it saturates, which is no fault; a wrong scale or weight shows on every
one."""

QUANTIZING = (
    "QLinear",
    "QGemm",
    "QAttention",
    "QEmbed",
    "Quantize",
    "Dequantize",
    "DynamicQuantize",
    "ConvInteger",
    "MatMulInteger",
)
"""How the names of operators begin in which integers stand for floats."""

CALIBRATING = ("QLinear", "QGemm", "QAttention", "QEmbed", "QuantizeLinear")
"""The same of those that put values on a grid of the file's own, which may saturate."""

NONE_KEPT: frozenset[int] = frozenset()
"""Every weight of half precision was rounded to it."""

NARROW_TYPES = frozenset({10, 16})
"""TensorProto.FLOAT16 and BFLOAT16."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One target tensor whose region deviates.

    Attributes:
        name: The target tensor.
        error: Its local error, relative to the largest magnitude of the source's value.
        floor: The error that counts as rounding here, same unit.
        status: A fault, or drift.
    """

    name: str
    error: float
    floor: float
    status: Status


def judged(  # noqa: PLR0913 - both sides, the cuts on each, and the errors
    source: Side,
    target: Side,
    samples: Sequence[Mapping[str, float]],
    partners: Mapping[str, str],
    given: Feeds,
    fed: Feeds,
    seed: int,
    *,
    strict: bool = False,
) -> tuple[Judged, ...]:
    """Return the target tensors whose regions deviate by more than rounding, worst first.

    Args:
        source: The source.
        target: The target.
        samples: Local error of each sample, by target tensor.
        partners: Source tensor by target tensor, for every pair.
        given: The source's values of one sample.
        fed: The same values at the target's cuts and inputs.
        seed: Seed of the perturbations.
        strict: Whether fewer bits excuse nothing.
    """
    errors = largest(samples)
    suspects = [name for name, error in errors.items() if error > NEGLIGIBLE]
    if not suspects:
        return ()
    known = _known(given, partners)
    theirs = region_floors(target, suspects, fed, seed)
    names = [partners[name] for name in suspects]
    ours = region_floors(source, names, known, seed)
    excused = {} if strict else {name: partners[name] for name in suspects}
    copied = NONE_KEPT if strict else kept_halves(source.view, target.view)
    few = (
        _fewer_bits(source, excused, known, copied),
        _fewer_bits(target, {name: name for name in excused}, fed, copied),
    )
    quantized = few[0].quantized, few[1].quantized
    halved = few[0].halved, few[1].halved
    both = (source, known), (target, fed)
    grid, half = Step(levels=INT8_LEVELS), Step(unit=HALF_UNIT)
    steps = _step_floors(both, partners, quantized, seed, grid)
    halves = _step_floors(both, partners, halved, seed, half)
    calibrated = few[0].calibrated | few[1].calibrated
    found = (
        _against_rounding(
            name,
            _typical(name, samples) if name in calibrated else errors[name],
            ROUNDING * ours.get(partners[name], 0.0),
            max(
                ROUNDING * theirs.get(name, 0.0),
                ROUNDING * halves.get(name, 0.0),
                QUANTIZATION * steps.get(name, 0.0),
            ),
            lossy=name in frozenset().union(*quantized, *halved),
            discrete=name in fed and fed[name].dtype.kind in "biu",
        )
        for name in suspects
    )
    kept = (one for one in found if one is not None)
    return tuple(sorted(kept, key=lambda one: -one.error))


@dataclass(frozen=True, slots=True)
class _FewerBits:
    """Target tensors whose regions, on one side, compute with fewer bits than float32."""

    quantized: frozenset[str]
    calibrated: frozenset[str]
    halved: frozenset[str]


def _fewer_bits(
    side: Side, named: Mapping[str, str], held: Feeds, kept: frozenset[int]
) -> _FewerBits:
    """Return where one side has fewer bits.

    Args:
        side: The source, or the target.
        named: What the side calls a tensor, by target tensor.
        held: Values at the cuts and inputs of its regions.
        kept: Weights of half precision that the conversion did not round.
    """
    cuts = held.keys()
    quantized = {n for n, own in named.items() if is_quantized(side.view, own, cuts)}
    return _FewerBits(
        frozenset(quantized),
        frozenset(n for n in quantized if _is_calibrated(side.view, named[n], cuts)),
        frozenset(  # a value that is rounded to half shows no smaller step
            name
            for name, own in named.items()
            if is_narrow(side.view, own, held)
            or has_half_weights(side.view, own, cuts, kept)
        ),
    )


Held = tuple[Side, Feeds]
"""A side, and the values at the cuts and inputs of its regions."""


def _step_floors(
    both: tuple[Held, Held],
    partners: Mapping[str, str],
    few: tuple[frozenset[str], frozenset[str]],
    seed: int,
    step: Step,
) -> dict[str, float]:
    """Return what a step does to regions, on the side whose own bits do not hide it.

    Args:
        both: The source and the target.
        partners: Source tensor by target tensor.
        few: Target tensors where the source has fewer bits, and where the target has.
        seed: Seed of the perturbations.
        step: The step of the fewer bits.

    Returns:
        Relative error by target tensor.
    """
    ours, theirs = few
    (source, given), (target, fed) = both
    before = region_floors(source, [partners[n] for n in theirs], given, seed, step)
    kept = {name: before[partners[name]] for name in theirs if partners[name] in before}
    return {**kept, **region_floors(target, [*(ours - theirs)], fed, seed, step)}


def _typical(name: str, samples: Sequence[Mapping[str, float]]) -> float:
    """Return the error of a quantized region that three quarters of the samples exceed."""
    found = [sample[name] for sample in samples if name in sample]
    finite = bool(np.isfinite(found).all())  # between two infinities lies no number
    return float(np.quantile(found, CALIBRATED, method="linear" if finite else "lower"))


def _known(given: Feeds, partners: Mapping[str, str]) -> Feeds:
    names = set(partners.values())
    return {name: value for name, value in given.items() if name in names}


def _against_rounding(
    name: str, error: float, ours: float, theirs: float, *, lossy: bool, discrete: bool
) -> Judged | None:
    """Return a fault above both sides' noise, drift above the source's alone, else None.

    A comparison or an arg-max behind fewer bits flips wherever its operands come close;
    that is no fault of its own.
    """
    plain = max(ours, NEGLIGIBLE)
    limit = float(np.inf) if lossy and discrete else max(plain, theirs)
    if error > limit:
        return Judged(name, error, limit, Status.FAULT)
    return Judged(name, error, limit, Status.DRIFT) if lossy and error > plain else None


def least_noise(pivot: Pivot) -> float:
    """Return a relative error of an output that rounding makes in any model of its size.

    It is what `whole_model_noise` gives for a model that passes one rounding of its
    operands on as one rounding of its output; below it there is nothing to measure.

    Args:
        pivot: The model.
    """
    return max(ROUNDING * _steps(pivot) * UNIT_ROUNDOFF, NEGLIGIBLE)


def _steps(pivot: Pivot) -> float:
    """Return by how much one rounding an operator adds up over a model."""
    return float(np.sqrt(max(1, len(pivot.model.graph.node))))


def whole_model_noise(
    pivot: Pivot, samples: Sequence[Feeds], seed: int, *, enough: float = np.inf
) -> dict[str, float]:
    """Return the relative error that rounding can make in each output, end to end.

    A perturbation of inputs and weights shows how the model amplifies one rounding error;
    each of its operators adds one, and independent ones add as a root of squares.

    Args:
        pivot: The model.
        samples: Samples by pivot input name; the first few are used.
        seed: Seed of the perturbations.
        enough: The error to be explained: nothing is measured beyond it.
    """
    outputs = [spec.name for spec in pivot.outputs]
    gain = ROUNDING * _steps(pivot)
    floors = noise_floor(
        pivot.model,
        pivot.folder,
        samples[:END_TO_END_SAMPLES],
        outputs,
        seed=seed,
        enough=min(enough, WHOLE) / gain,
    )
    return {
        name: min(max(gain * floor, NEGLIGIBLE), WHOLE)
        for name, floor in floors.items()  # infinite: rounding decides how much is found
    }


def is_quantized(view: View, names: str | Sequence[str], cuts: Iterable[str]) -> bool:
    """Return whether integers stand in for floats in the region that gives some tensors."""
    wanted = (names,) if isinstance(names, str) else names
    nodes = region(view, wanted, frozenset(cuts)).nodes
    return any(
        node.op.startswith(QUANTIZING) or view.rounded & set(node.inputs) for node in nodes
    )


def _is_calibrated(view: View, name: str, cuts: Iterable[str]) -> bool:
    """Return whether a region puts values on a grid that does not go by the sample."""
    nodes = region(view, (name,), frozenset(cuts)).nodes
    return any(
        node.op.startswith(CALIBRATING) or view.rounded & set(node.inputs) for node in nodes
    )


def is_narrow(view: View, name: str, fed: Feeds) -> bool:
    """Return whether a tensor's region computes with fewer bits than float32."""
    part = region(view, (name,), frozenset(fed))
    return any(narrows(node) for node in part.nodes) or any(
        fed[edge].dtype == np.float16 for edge in part.inputs if edge in fed
    )


def has_half_weights(
    view: View, name: str, cuts: Iterable[str], kept: frozenset[int] = NONE_KEPT
) -> bool:
    """Return whether the region of a tensor holds weights rounded to half precision.

    An importer may hand them on as float32. Where most weights of a model were rounded, a
    number was that is one of half precision, though alone it would prove nothing.

    Args:
        view: The macro graph.
        name: The tensor.
        cuts: Tensors at which regions begin.
        kept: Those that were not rounded on the way, by their `bits_hash`.
    """
    part = region(view, (name,), frozenset(cuts))
    few = 1 if view.is_halved and not kept else FEW
    values = (value for node in part.nodes for value in node.constants.values())
    halves = (value for value in values if is_half(value, few))
    return any(not kept or bits_hash(value) not in kept for value in halves)


def has_fewer_bits(nodes: Iterable[Node]) -> bool:
    """Return whether some node computes with integers for floats, or half precision."""
    return any(
        node.op.startswith(QUANTIZING)
        or narrows(node)
        or any(map(is_half, node.constants.values()))
        for node in nodes
    )


def narrows(node: Node) -> bool:
    """Return whether a node holds, or makes, numbers of half precision."""
    return any(value.dtype == np.float16 for value in node.constants.values()) or (
        node.op == "Cast" and node.attributes.get("to") in NARROW_TYPES
    )
