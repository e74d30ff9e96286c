"""Two files that are not the same model: nothing is to be mended there, and it is said."""

from collections.abc import Iterable, Sequence

from analyzer.comparison import Compared
from analyzer.core.types import Fault, FaultClass, Finding, Status
from analyzer.core.words import UNRELATED_MODELS
from analyzer.isolation import WEIGHTY
from analyzer.matching.weights import SMALLEST_WEIGHT, kernel_size
from analyzer.outside import bare_fault, bare_finding
from analyzer.view import INPUT, Operator, View

FEWEST_LAYERS = 2
"""Layers with weights from which a model is known by them: one layer may be the fault."""

MATCHED = 0.5
"""Share of either model's operators that belong together in two spellings of one model;
of six unrelated pairs of networks, none reached it."""

SHARED = 1 / 8
"""The same for layers whose weights are alike: weights that nobody trained, as a table of
positions or a norm as it was made, occur in more than one model."""


def unrelated(compared: Compared, faults: Sequence[Fault]) -> Finding | None:
    """Return the finding that two models are not the same one; None: they may be.

    Args:
        compared: What comparing them gave.
        faults: What is wrong, worst first; without any they are the same.
    """
    worst = next((one for one in faults if one.status is Status.FAULT), None)
    if worst is None or any(map(_is_regridded, faults)) or not _are_strangers(compared):
        return None
    ours, theirs = (_computing(view) for view in (compared.source, compared.target))
    layers = len(_layers(ours)), len(_layers(theirs))
    problem = (
        f"the two do not look like the same model: {_matched(ours, compared)} of the "
        f"source's {len(ours)} operators have a counterpart among the target's "
        f"{len(theirs)}, and the weights of {_alike(compared)} of its {layers[0]} layers "
        f"occur among those of the target's {layers[1]}"
    )
    fault = bare_fault(
        FaultClass.COMPUTATIONAL_GRAPH,
        problem,
        guilty=compared.target.outputs,
        error=worst.local_error,
        floor=worst.noise_floor,
        samples=worst.samples,
    )
    return bare_finding(UNRELATED_MODELS.slug, fault)


def _is_regridded(fault: Fault) -> bool:
    """Return whether a region is right with the source's weights on the target's grids.

    Integers resemble no weights; that they should be the source's is evidence enough.
    """
    return any(d.grid is not None and fault.is_cured_by(d) for d in fault.differences)


def has_stranger(findings: Iterable[Finding]) -> bool:
    """Return whether a finding says that the two are not the same model."""
    return any(one.rule == UNRELATED_MODELS.slug for one in findings)


def _are_strangers(compared: Compared) -> bool:
    """Return whether few operators belong together, and next to no weights."""
    both = [_computing(view) for view in (compared.source, compared.target)]
    layers = min(len(_layers(one)) for one in both)
    if layers < FEWEST_LAYERS or _alike(compared) > SHARED * layers:
        return False
    return all(_matched(one, compared) < MATCHED * len(one) for one in both)


def _computing(view: View) -> list[Operator]:
    return [one for one in view.operators if one.op != INPUT and one.nodes]


def _layers(operators: Sequence[Operator]) -> list[Operator]:
    return [one for one in operators if kernel_size(one) >= SMALLEST_WEIGHT]


def _matched(operators: Sequence[Operator], compared: Compared) -> int:
    """Return how many of a model's operators have a counterpart, on paper or by values."""
    links = compared.links.values()
    linked = {name for link in links for name in (link.tensors.source, link.tensors.target)}
    by_value = sum(not linked.isdisjoint(one.tensors) for one in operators)
    on_paper = sum(_computes(one.source, compared.source) for one in compared.operators)
    return max(by_value, on_paper)


def _computes(index: int, view: View) -> bool:
    return view.operators[index].op != INPUT


def _alike(compared: Compared) -> int:
    """Return how many layers hold weights that the other model's layers hold too."""
    return sum(not WEIGHTY.isdisjoint(one.reasons) for one in compared.operators)
