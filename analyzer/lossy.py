"""What is wrong with a region in which integers stand for floats, beside their rounding."""

from dataclasses import replace

from analyzer.core.types import Fault, Status
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


def with_lossy_causes(fault: Fault, source: Side, target: Side, *, drawn: bool) -> Fault:
    """Return a fault with what is wrong with a quantized region: grids, lost nodes."""
    if not is_quantized(target.view, fault.target.outputs, fault.target.inputs):
        return fault
    from analyzer.grids import grid_causes  # most models have none

    found = grid_causes(fault, target, drawn=drawn)
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
