"""A pivot that is not what its framework computes, imported anew before it is judged by.

The exporter that makes the source's pivot may share the very fault that is hunted: compared
with such a pivot, a target with the same fault would look right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from analyzer.core.report import OutputPair
from analyzer.core.types import (
    FaultClass,
    Feeds,
    Finding,
    Mistranslation,
    Pivot,
    Status,
    Where,
)
from analyzer.core.words import UNFAITHFUL_IMPORT
from analyzer.fidelity import excess, widest_first
from analyzer.judge import NEGLIGIBLE
from analyzer.matching.ends import target_feeds
from analyzer.outside import bare_fault, bare_finding
from analyzer.prepared import Prepared

IMPORTS = (Where.SOURCE_IMPORT, Where.TARGET_IMPORT)

MOST_SENT = 4
"""Samples that an importer looks at an operator on, those with the widest gap first."""


@dataclass(frozen=True, slots=True, eq=False)
class Reimported:
    """A pair after its importers were looked at.

    Attributes:
        pivots: Source and target.
        changed: Whether a pivot is another one: what was found of the old is void.
    """

    pivots: tuple[Pivot, Pivot]
    changed: bool

    def told(self, pair: Prepared) -> Prepared:
        """Return a pair whose pivots know what is wrong with them.

        Args:
            pair: The pair as it was compared.
        """
        source, target = self.pivots
        cut = replace(
            pair.cut,
            source=_annotated(pair.cut.source, source),
            target=_annotated(pair.cut.target, target),
        )
        return replace(pair, source=source, target=target, cut=cut)


def reimported(
    pair: Prepared, gaps: tuple[Sequence[float], Sequence[float]], seed: int
) -> Reimported:
    """Return both pivots, anew where one is not what its framework computes.

    Args:
        pair: The pair, with its samples.
        gaps: Relative deviation of each pivot's outputs from its native runtime's, by
            sample.
        seed: Seed of the noise measurement.
    """
    source, target = pair.source, pair.target
    fed = tuple(target_feeds(one, pair.inputs, target) for one in pair.samples)
    left, left_changed = _anew(source, gaps[0], pair.samples, seed)
    right, right_changed = _anew(target, gaps[1], fed, seed)
    return Reimported((left, right), left_changed or right_changed)


def _anew(
    pivot: Pivot, gaps: Sequence[float], samples: Sequence[Feeds], seed: int
) -> tuple[Pivot, bool]:
    """Return a pivot, mended or told what is wrong with it, and whether it is another."""
    if pivot.remake is None or excess(pivot, gaps, samples, seed, NEGLIGIBLE) is None:
        return pivot, False
    better = pivot.remake(widest_first(samples, gaps)[:MOST_SENT])
    if better is None:
        return pivot, False
    better = replace(better, signature=pivot.signature, trusted=pivot.trusted)
    if better.layerwise or (better.wrong and not any(one.mended for one in better.wrong)):
        return _annotated(pivot, better), False
    if better.wrong:
        return better, True
    whole = Mistranslation("a part of it", None, "", max(gaps), mended=True)
    return replace(better, wrong=(whole,)), True


def _annotated(pivot: Pivot, told: Pivot) -> Pivot:
    """Return the same pivot with what another one says is wrong with it."""
    return replace(
        pivot, wrong=told.wrong, layerwise=told.layerwise, steps=told.steps, remake=None
    )


def import_findings(source: Pivot, target: Pivot) -> Iterator[Finding]:
    """Yield a finding for each operator that an importer gets wrong and that is mended.

    Args:
        source: The source's pivot.
        target: The target's pivot.
    """
    for pivot, where in ((source, Where.SOURCE_IMPORT), (target, Where.TARGET_IMPORT)):
        for one in pivot.wrong:
            if not one.mended:
                continue
            place = f" in {one.layer.name}" if one.layer else ""
            fault = bare_fault(
                FaultClass.RUNTIME,
                f"the exporter that reads {pivot.path.name} gets {one.operator}{place} "
                f"wrong by {one.error:.3g} on the framework's own values; it is spelled "
                "with other operators here, and the models are compared by that",
                guilty=(one.tensor,) if one.tensor else (),
                error=one.error,
                where=where,
                status=Status.HARMLESS,
            )
            found = bare_finding(UNFAITHFUL_IMPORT.slug, fault)
            if where is Where.SOURCE_IMPORT:
                found = replace(
                    found, source_tensors=found.target_tensors, target_tensors=()
                )
            yield found


def without_importers(
    findings: Sequence[Finding], outputs: Sequence[OutputPair]
) -> tuple[Finding, ...]:
    """Return findings in which no conversion is blamed for what an importer made.

    Where a pivot is not its model and the two models agree, each in its own framework, what
    is wrong in the pivot is no fault of the conversion.

    Args:
        findings: Everything found.
        outputs: Native outputs, compared.
    """
    agree = bool(outputs) and all(map(_agrees, outputs))
    blamed = (one for one in findings if one.status is Status.FAULT)
    made = next((one.where for one in blamed if one.where in IMPORTS), None)
    if not agree or made is None:
        return tuple(findings)
    return tuple(
        replace(one, where=made) if one.where is Where.CONVERSION else one
        for one in findings
    )


def _agrees(pair: OutputPair) -> bool:
    """Return whether an output agrees as measured: the user's tolerance excuses none."""
    return pair.within and pair.relative_error <= pair.noise_floor
