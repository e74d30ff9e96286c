"""What each root fault does to the model's outputs, the most damaging first."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from analyzer.core.errors import RunError
from analyzer.core.types import Fault
from analyzer.isolation import Kind, cuts
from analyzer.matching.layouts import layout_of
from analyzer.matching.tensors import Links, carried_or_none
from analyzer.runtime.metrics import relative_error
from analyzer.samples import Probe
from analyzer.sides import Side, isolation_run

MOST_MEASURED = 12
"""Faults whose damage is measured, at most: each costs a run of the whole target."""


def damages(
    target: Side,
    links: Links,
    faults: Sequence[Fault],
    probes: Sequence[Probe],
    known: Mapping[str, Kind],
    flowing: Sequence[Mapping[str, float]] = (),
) -> tuple[Fault, ...]:
    """Return the faults with the error each makes in the outputs, most damaging first.

    A fault's damage is that of the target in which every other fault's result is the
    source's. A fault that another one hides on its way to the outputs keeps its local error
    as its rank.

    Args:
        target: The target.
        links: Tensor pairs by target tensor.
        faults: Root faults.
        probes: Samples, the one that shows the faults most plainly first.
        known: Kind of each target tensor.
        flowing: Errors of the pairs in an ordinary run on each probe, where they are known:
            a fault that stands alone has that damage.
    """
    if not faults or not probes:
        return tuple(faults)
    if len(faults) == 1 and flowing and _reached(target, links) <= flowing[0].keys():
        errors = (flowing[0][name] for name in _reached(target, links))
        return (replace(faults[0], output_error=float(max(errors, default=0.0))),)
    measured = [
        replace(fault, output_error=_damage(target, links, fault, faults, probes[0], known))
        for fault in faults[:MOST_MEASURED]
    ]
    ranked = sorted(measured, key=lambda fault: (-fault.output_error, -fault.local_error))
    return (*ranked, *faults[MOST_MEASURED:])


def _reached(target: Side, links: Links) -> frozenset[str]:
    """Return the target's outputs that have a counterpart."""
    return frozenset(name for name in target.view.outputs if name in links)


def _damage(
    target: Side,
    links: Links,
    fault: Fault,
    faults: Sequence[Fault],
    probe: Probe,
    known: Mapping[str, Kind],
) -> float:
    """Return the largest relative error of an output when this fault stands alone."""
    others = {name for one in faults if one is not fault for name in one.target.outputs}
    rest = {name: link for name, link in links.items() if name in others}
    fed = cuts(rest, probe.given, target.view, known)
    held = target.known(rest, fed, probe.given, probe.feeds)
    try:
        seen = isolation_run(target, fed, probe.feeds, held)
    except RunError:  # the target does not get to its outputs
        return float(np.inf)
    wanted = {name: links[name] for name in target.view.outputs if name in links}
    errors = []
    for name, link in wanted.items():
        value = carried_or_none(probe.given[link.tensors.source], layout_of(link.tensors))
        if name in seen:
            errors.append(np.inf if value is None else relative_error(seen[name], value))
    return float(max(errors, default=0.0))
