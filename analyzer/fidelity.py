"""Is a pivot what its native runtime computes? An importer's fault, or an optimizer's."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from analyzer.core.graph import nodes
from analyzer.core.report import OutputPair
from analyzer.core.types import FaultClass, Feeds, Finding, Pivot, Status, Where
from analyzer.core.words import RUNTIME_OPTIMIZER, UNFAITHFUL_IMPORT
from analyzer.judge import (
    NARROW_TYPES,
    NEGLIGIBLE,
    QUANTIZING,
    least_noise,
    whole_model_noise,
)
from analyzer.outside import bare_fault, bare_finding

if TYPE_CHECKING:
    from analyzer.observer import Changed

MOST_NAMED = 3
"""Operators that a sentence lists."""

MOST_WATCHED = 3
"""Samples on which the part that an optimizer changes is looked for, at most."""


def fidelity_findings(
    pivots: tuple[Pivot, Pivot],
    gaps: tuple[Sequence[float], Sequence[float]],
    feeds: tuple[Sequence[Feeds], Sequence[Feeds]],
    seed: int,
    outputs: Sequence[OutputPair] = (),
) -> Iterator[Finding]:
    """Yield a finding for each pivot that is not its native model.

    Args:
        pivots: Source and target.
        gaps: Relative deviation of each pivot's outputs from its native runtime's, by
            sample.
        feeds: Samples for each.
        seed: Seed of the noise measurement.
        outputs: Native outputs, compared; where they agree, an optimizer has done the same
            to both sides, and the conversion is no worse for it.
    """
    agree = bool(outputs) and all(pair.within for pair in outputs)
    floor = (
        NEGLIGIBLE  # both spell one network: what rounding explains in one, it may in both
    )
    for place, pivot in enumerate(pivots):
        gap = max(gaps[place], default=0.0)
        samples = widest_first(feeds[place], gaps[place])
        above = excess(pivot, gaps[place], feeds[place], seed, floor)
        if above is None:
            continue
        floor = above
        is_source = place == 0
        if pivot.framework == "onnx":
            found = _optimized(pivot, gap, floor, samples, is_source=is_source)
            shared = agree and found.status is Status.FAULT
            yield replace(found, status=Status.LATENT) if shared else found
        else:
            yield _unfaithful(pivot, gap, floor, is_source=is_source)


def excess(
    pivot: Pivot, gaps: Sequence[float], feeds: Sequence[Feeds], seed: int, floor: float
) -> float | None:
    """Return the noise floor above which a pivot deviates; None where it does not.

    Args:
        pivot: The pivot.
        gaps: Relative deviation of its outputs from its native runtime's, by sample.
        feeds: The samples.
        seed: Seed of the noise measurement.
        floor: What is known to be noise.
    """
    gap = max(gaps, default=0.0)
    if gap <= max(floor, least_noise(pivot)):
        return None
    noise = whole_model_noise(pivot, widest_first(feeds, gaps), seed, enough=gap)
    measured = max((floor, *noise.values()))
    return None if gap <= measured else measured


def widest_first(samples: Sequence[Feeds], gaps: Sequence[float]) -> tuple[Feeds, ...]:
    """Return the samples, those with the largest gap first: there it must be explained."""
    ranked = sorted(range(len(gaps)), key=lambda place: -gaps[place])
    return tuple(samples[place] for place in ranked)


def _unfaithful(pivot: Pivot, gap: float, floor: float, *, is_source: bool) -> Finding:
    side = "source" if is_source else "target"
    problem = (
        f"the pivot of the {side} {pivot.path.name} is not the {pivot.framework} model: "
        f"its outputs {_told(gap, floor)}{_operators(pivot)}"
        f"{'; ' if pivot.layerwise else ''}{pivot.layerwise}"
    )
    where = Where.SOURCE_IMPORT if is_source else Where.TARGET_IMPORT
    fault = bare_fault(
        FaultClass.RUNTIME,
        problem,
        error=gap,
        floor=floor,
        where=where,
        status=Status.DRIFT if _is_lossy(pivot) else Status.FAULT,
    )
    return bare_finding(UNFAITHFUL_IMPORT.slug, fault)


def _operators(pivot: Pivot) -> str:
    """Return, as the end of a sentence, the operators that the importer gets wrong."""
    left = [one for one in pivot.wrong if not one.mended]
    named = (
        f"{one.operator}{f' in {one.layer.name}' if one.layer else ''} by {one.error:.3g}"
        for one in left[:MOST_NAMED]
    )
    return f"; its importer gets {', '.join(named)} wrong" if left else ""


def _optimized(
    pivot: Pivot, gap: float, floor: float, samples: Sequence[Feeds], *, is_source: bool
) -> Finding:
    """Return what the optimizer does to a model, with the part it does it to."""
    side = "source" if is_source else "target"
    lossy = _is_lossy(pivot)  # quantized operators are fused and rounded once less
    part = None if lossy else _part(pivot, samples)
    problem = (
        f"ONNX Runtime's optimizer changes the {side} {pivot.path.name}: its optimized "
        f"outputs {_told(gap, floor)}{_blame(part)}"
    )
    made = {name for node in part.nodes for name in node.output} if part else set()
    inside = [n for n in nodes(pivot.model, pivot.folder) if made & set(n.outputs)]
    fault = bare_fault(
        FaultClass.RUNTIME,
        problem,
        nodes=inside,
        guilty=(part.tensor,) if part else (),
        error=gap,
        floor=floor,
        where=Where.SOURCE_IMPORT if is_source else Where.RUNTIME,
        status=Status.DRIFT if lossy else Status.FAULT,
    )
    names = tuple(node.name for node in inside)
    found = bare_finding(RUNTIME_OPTIMIZER.slug, fault)
    if is_source:
        return replace(
            found,
            source_nodes=names,
            source_tensors=found.target_tensors,
            target_tensors=(),
        )
    return replace(found, target_nodes=names)


def _part(pivot: Pivot, samples: Sequence[Feeds]) -> "Changed | None":
    """Return the part that the optimizer changes, on the first sample that shows it."""
    from analyzer.observer import changed_part  # hardly a model is changed

    tried = (
        changed_part(pivot.model, pivot.folder, feeds) for feeds in samples[:MOST_WATCHED]
    )
    return next((part for part in tried if part is not None), None)


def _blame(part: "Changed | None") -> str:
    """Return, as the end of a sentence, what is changed, and whom the reference backs."""
    if part is None:
        return ""
    spelled = " → ".join(node.op_type for node in part.nodes[-6:])
    said = f"; it changes {part.tensor} ({spelled}) by {part.error:.3g}"
    witnesses = ("onnx.reference", part.by_reference), ("IREE", part.by_compiler)
    votes = [f"{name} computes that part {_side(v)}" for name, v in witnesses if v]
    return f"{said}, and {' and '.join(votes)}" if votes else said


def _side(distances: tuple[float, float]) -> str:
    written, optimized = distances
    return "as it is written" if written <= optimized else "as it is optimized"


def _told(gap: float, floor: float) -> str:
    return f"deviate by {gap:.3g} of their largest value, rounding explains {floor:.3g}"


def _is_lossy(pivot: Pivot) -> bool:
    graph = pivot.model.graph
    return any(node.op_type.startswith(QUANTIZING) for node in graph.node) or any(
        tensor.data_type in NARROW_TYPES for tensor in graph.initializer
    )
