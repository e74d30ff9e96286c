"""What is next computed from a deviating tensor, where all else that it reads is right."""

from collections.abc import Mapping, Sequence

from analyzer.core.errors import RunError
from analyzer.core.types import Fault
from analyzer.isolation import Kind
from analyzer.judge import NEGLIGIBLE
from analyzer.matching.tensors import Links
from analyzer.runtime.metrics import relative_error
from analyzer.samples import Probe, local_errors
from analyzer.sides import Side

Errors = Mapping[str, float]
"""Relative error of pairs on one sample, by target tensor."""


def fed_right(  # noqa: PLR0913 - the target, its faults, and what was seen of them
    faults: Sequence[Fault],
    target: Side,
    links: Links,
    probes: Sequence[Probe],
    known: Mapping[str, Kind],
    ordinary: Sequence[Errors],
    entering: Sequence[Errors],
) -> Sequence[Errors]:
    """Return the errors of what is next computed from faults, all other values right.

    Behind another fault everything deviates in an ordinary run, also what is computed from
    a deviation that nobody notices (a pad of zeros against one of the least number there
    is, both before a maximum of what a ReLU gives). There the target is fed the source's
    values everywhere but at the faults' own results, which flow on as they are.

    Args:
        faults: Root faults.
        target: The target.
        links: Tensor pairs by target tensor.
        probes: The samples.
        known: Kind of each target tensor.
        ordinary: Errors in ordinary runs of what is next computed, one mapping a sample.
        entering: The same of what the faults' regions read.

    Returns:
        One mapping a sample; the ordinary ones where no fault lies behind another, or
        where a node refuses what it is fed.
    """
    if not any(_is_behind(fault, entering) for fault in faults):
        return ordinary
    own = {name for fault in faults for name in fault.target.outputs}
    cut = {
        name: link
        for name, link in links.items()
        if name not in own or name in target.view.outputs
    }
    try:
        return [_shown(target, (links, cut), probe, known) for probe in probes]
    except RunError:
        return ordinary


def _shown(
    target: Side, both: tuple[Links, Links], probe: Probe, known: Mapping[str, Kind]
) -> Errors:
    """Return the errors of one sample; of faults' own results, what others do to them.

    A result of another fault is wrong whatever it reads: a deviation shows in it where it
    is another one with all that it reads fed right.

    Args:
        target: The target.
        both: Every pair, and those that are fed right while faults' results flow on.
        probe: One sample.
        known: Kind of each target tensor.
    """
    links, cut = both
    errors, _, flowing = local_errors(target, cut, probe, known)
    alone = local_errors(target, links, probe, known)[2]
    own = (name for name in links if name not in cut and name in flowing and name in alone)
    return errors | {name: relative_error(flowing[name], alone[name]) for name in own}


def _is_behind(fault: Fault, entering: Sequence[Errors]) -> bool:
    """Return whether what a fault's region reads deviates already in an ordinary run."""
    return any(
        sample.get(name, 0.0) > NEGLIGIBLE
        for name in fault.target.inputs
        for sample in entering
    )
