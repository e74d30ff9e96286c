"""What is wrong with a region in which integers stand for floats, beside their rounding."""

from collections.abc import Sequence
from dataclasses import replace

from analyzer.core.grids import GridFault
from analyzer.core.types import Difference, Fault, Status
from analyzer.judge import is_quantized
from analyzer.runtime.metrics import spared_error
from analyzer.sides import Side

SATURATED = 0.01
"""Share of a tensor's values that a healthy grid may cut off: percentile calibrators leave
out a thousandth or less of what they saw, and other inputs go a little beyond that."""


def with_spared(fault: Fault, target: Side) -> Fault:
    """Return a fault whose causes need not explain what a healthy grid may saturate.

    A fault that lies in such values alone is judged by them.
    """
    region = fault.target.outputs, fault.target.inputs
    if fault.status is not Status.FAULT or not is_quantized(target.view, *region):
        return fault
    left = (
        spared_error(sample.observed[name], value, SATURATED)
        for sample in fault.recorded
        for name, value in sample.expected.items()
        if name in sample.observed
    )
    if max(left, default=0.0) <= fault.noise_floor:
        return fault
    spared = tuple(replace(one, spared=SATURATED) for one in fault.recorded)
    return replace(fault, recorded=spared)


MISREAD_LEAVES = 0.1
"""Share of a region's error that stays, at most, where a tensor was read by another grid
than it was written with: no calibration makes the two disagree, and what is left is what
inputs beyond it saturate."""


def _with_saturation(fault: Fault, found: Sequence[Difference]) -> Fault:
    """Return a fault whose floor holds what saturates where a misread grid is set right."""
    cures = [
        one.cure
        for one in found
        if one.grid is not None
        and one.grid.fault is GridFault.MISREAD
        and one.cure is not None
        and one.cure <= MISREAD_LEAVES * fault.local_error
    ]
    least = min(cures, default=0.0)
    return replace(fault, noise_floor=max(fault.noise_floor, least))


def with_lossy_causes(
    fault: Fault, source: Side, target: Side, calibrated: frozenset[str] | None
) -> Fault:
    """Return a fault with what is wrong with a quantized region: grids, lost nodes.

    Args:
        fault: A root fault.
        source: The source.
        target: The target.
        calibrated: The integers whose grids were made for such samples; None: all are.
    """
    if not is_quantized(target.view, fault.target.outputs, fault.target.inputs):
        return fault
    from analyzer.grids import grid_causes  # most models have none

    found = grid_causes(fault, target, calibrated)
    fault = _with_saturation(fault, found)
    rest = fault.differences
    if any(map(fault.is_cured_by, found)):  # what cures without them needs no weight
        joint = {id(one) for one in rest if one.jointly}
        rest = tuple(
            replace(d, cure=None, jointly=False) if id(d) in joint else d for d in rest
        )
    whole = replace(fault, differences=(*found, *rest))
    if whole.is_explained or whole.status is not Status.FAULT:
        return whole
    from analyzer.lost import lost_activations

    lost = lost_activations(whole, source, target)
    return replace(whole, differences=(*whole.differences, *lost))
