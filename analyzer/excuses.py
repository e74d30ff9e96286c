"""Faults of regions in which integers stand for floats, and nothing else is wrong.

What was drawn at random lies beyond the ranges that a model was calibrated on. There its
grids cut values off, be it the source's or the target's, and the region deviates by far
more than a step.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analyzer.core.types import Aspect, Fault, Status
from analyzer.isolation import Kind, cuts
from analyzer.judge import INT8_LEVELS, QUANTIZATION, is_quantized
from analyzer.matching.tensors import Links
from analyzer.off_grids import Part, error_off_grids, round_trips
from analyzer.regions import reached, region
from analyzer.samples import Probe
from analyzer.sides import Side

AS_WELL = 2.0
"""Times the error that a cause leaves when it is undone, up to which regions are as right
off their grids: both leave the rounding of the weights, in regions of other sizes."""


WRONG = 10.0
"""Times its floor, or a step of eight bits, that a quantized region is off, with its grids
and without, to be wrong whatever the cause: the zoo's healthy pairs reach 2.7 without."""

BOUNDING = frozenset({"Clip", "Min", "HardSigmoid", "HardSwish"})
"""Operators with an upper bound, which a grid may end at in their place."""

STAYS = 0.5
"""Share of a region's error that stays, at least, where its grids are not what is wrong;
healthy pairs keep up to 0.3 of it, where operators were merged into grids."""


@dataclass(frozen=True, slots=True, eq=False)
class Excuses:
    """What tells whether a region deviates by nothing but what its grids do to numbers.

    Attributes:
        source: The source.
        target: The target.
        links: Tensor pairs by target tensor.
        probes: The samples that show the faults.
        known: Kind of each target tensor.
        deviating: Target tensors that deviate where everything before them is fed right.
    """

    source: Side
    target: Side
    links: Links
    probes: tuple[Probe, ...]
    known: Mapping[str, Kind]
    deviating: frozenset[str]

    def judged(self, faults: Sequence[Fault], *, settled: bool) -> tuple[Fault, ...]:
        """Return the faults, those that are none without integer grids as drift.

        A grid that its own cause test proves wrong excuses nothing; what another cause
        explains is excused only where the regions are as right off their grids.

        Args:
            faults: Root faults with recorded samples.
            settled: Whether the pairs are final. Until then no grid of the target excuses:
                that it is wrong may show only between other pairs.
        """
        view = self.target.view
        return tuple(
            replace(fault, status=Status.DRIFT)
            if (settled or not round_trips(fault.target, view)) and self._is_excused(fault)
            else fault
            for fault in faults
        )

    def clears(self, fault: Fault) -> bool:
        """Return whether a fault of the target is so surely none that no cause is tested.

        Its own grids then have no part in it, and off the source's what is left is within
        one rounding to a grid.

        Args:
            fault: A root fault with recorded samples.
        """
        if fault.status is not Status.FAULT or round_trips(fault.target, self.target.view):
            return False
        return self._is_right(fault, fault.noise_floor / QUANTIZATION)

    def stays_wrong(self, fault: Fault) -> bool:
        """Return whether a region is as wrong without its grids as it is with them.

        Of a region with a bound in it nothing is known: a grid that ends there may stand
        for it, and without the grid it is gone.

        Args:
            fault: A root fault with recorded samples.
        """
        least = WRONG * max(fault.noise_floor, 1 / INT8_LEVELS)
        if fault.status is not Status.FAULT or fault.local_error <= least:
            return False
        if any(node.op in BOUNDING for node in fault.source.nodes):
            return False
        off = (
            error_off_grids(part, self.source, self.target) for part in self._parts(fault)
        )
        known = [error for error in off if np.isfinite(error)]
        return bool(known) and min(known) > max(least, STAYS * fault.local_error)

    def _is_excused(self, fault: Fault) -> bool:
        grids = (one for one in fault.differences if one.aspect is Aspect.GRID)
        if fault.status is not Status.FAULT or any(map(fault.is_cured_by, grids)):
            return False
        cures = [one.cure or 0.0 for one in fault.differences if fault.is_cured_by(one)]
        return self._is_right(fault, AS_WELL * min(cures) if cures else fault.noise_floor)

    def _is_right(self, fault: Fault, limit: float) -> bool:
        """Return whether the regions, or those around a pair, agree off their grids."""
        both = (self.source.view, fault.source), (self.target.view, fault.target)
        if not any(is_quantized(view, one.outputs, one.inputs) for view, one in both):
            return False
        return any(
            error_off_grids(part, self.source, self.target) <= limit
            for part in self._parts(fault)
        )

    def _parts(self, fault: Fault) -> Iterator[Part]:
        """Yield the regions of a fault, and those around each of its pairs.

        On a grid, a sum before its bias resembles the sum behind it and may be paired with
        it: the region before that pair is wrong by the bias then, and so is the one behind.
        Where only one of the two deviates, the pair is none of those.
        """
        fed = tuple((one.source_inputs, one.inputs) for one in fault.recorded)
        yield Part(fault.source, fault.target, fault.results, fed)
        giver = self.target.view.giver
        for name in fault.target.inputs:
            if name in self.deviating and name in giver:
                yield self._around(name, fault.target.outputs)
        reads = reached(self.target.view, self.links.keys())
        for name in fault.target.outputs:
            behind = [one for one in self.links if name in reads.get(one, ())]
            inner = name not in self.target.view.outputs
            if inner and not self.deviating.isdisjoint(behind):
                yield self._around(name, behind)

    def _around(self, name: str, outputs: Sequence[str]) -> Part:
        """Return the regions of some tensors without one of the pairs."""
        links = {one: link for one, link in self.links.items() if one != name}
        results = tuple(links[one].tensors for one in outputs if one in links)
        ours = {link.tensors.source for link in links.values()}
        left = region(self.source.view, [one.source for one in results], ours)
        right = region(self.target.view, [one.target for one in results], links.keys())
        read = {one: links[one] for one in right.inputs if one in links}
        fed = tuple(
            (
                {one: probe.given[one] for one in left.inputs if one in probe.given},
                {**probe.feeds, **cuts(read, probe.given, self.target.view, self.known)},
            )
            for probe in self.probes
        )
        return Part(left, right, results, fed)
