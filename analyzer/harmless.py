"""Differences that change nothing: told where they are asked for, as harmless."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from analyzer.comparison import Compared
from analyzer.core.report import InputPair
from analyzer.core.settings import NOT_COMPUTED_WITH
from analyzer.core.types import (
    Aspect,
    Difference,
    Fault,
    FaultClass,
    Finding,
    Node,
    Pair,
    Pivot,
    Region,
    Status,
    TensorPair,
)
from analyzer.core.words import INTERFACE_DIFFERS, UNEXPLAINED
from analyzer.differences import couples
from analyzer.differences.attributes import compare_attributes
from analyzer.differences.layout import Layouts
from analyzer.outside import bare_fault, bare_finding


def told_harmless(
    compared: Compared,
    samples: int,
    explain: Callable[[Compared], tuple[tuple[Finding, ...], object]],
) -> tuple[Finding, ...]:
    """Return a finding for each difference that changes nothing and that a rule knows.

    Args:
        compared: What comparing the values of two models gave.
        samples: Number of samples on which it changed nothing.
        explain: Gives the findings of a comparison, and what is not asked for here.
    """
    found, _ = explain(harmless(compared, samples))
    return tuple(one for one in found if one.rule != UNEXPLAINED.slug)


def fixed_sizes(
    source: Pivot, target: Pivot, inputs: Sequence[InputPair]
) -> Iterator[Finding]:
    """Yield a finding for each input whose open size the target declares fixed.

    Args:
        source: The source.
        target: The target.
        inputs: Which target input takes which source input.
    """
    ours = {spec.name: spec.shape for spec in source.inputs}
    theirs = {spec.name: spec.shape for spec in target.inputs}
    for pair in inputs:
        one, other = ours.get(pair.source), theirs.get(pair.target)
        if one is None or other is None or len(one) != len(other):
            continue
        order = pair.permutation or tuple(range(len(one)))
        moved = [one[axis] for axis in order]
        yield from (
            _fixed(pair, axis, size)
            for axis, (free, size) in enumerate(zip(moved, other, strict=True))
            if isinstance(size, int) and not isinstance(free, int)
        )


def _fixed(pair: InputPair, axis: int, size: int) -> Finding:
    problem = (
        f"input {pair.target} takes {size} along axis {axis} and no other size, the "
        f"source's {pair.source} any"
    )
    fault = bare_fault(
        FaultClass.INPUT_DIMS,
        problem,
        guilty=(pair.target,),
        status=Status.HARMLESS,
        error=0.0,
    )
    return bare_finding(INTERFACE_DIFFERS.slug, fault)


def harmless(compared: Compared, samples: int) -> Compared:
    """Return a comparison whose faults are what differs on paper and changes nothing.

    Args:
        compared: What comparing the values of two models gave.
        samples: Number of samples on which it changed nothing.
    """
    guilty = {id(node) for fault in compared.faults for node in fault.target.nodes}
    found = tuple(
        fault
        for pair in _pairs(compared)
        if pair.source and pair.target  # an input of the model has no node
        if not any(id(node) in guilty for node in pair.target)
        for fault in _of_pair(pair, compared.tensors, samples)
    )
    return replace(compared, faults=found)


def _pairs(compared: Compared) -> Iterator[Pair]:
    """Yield the nodes of each operator pair, side by side, as the target's values flow."""
    ours, theirs = compared.source.operators, compared.target.operators
    for one in sorted(compared.operators, key=lambda one: one.target):
        nodes = ours[one.source].nodes, theirs[one.target].nodes
        yield Pair(*nodes, one.score, one.reasons)


def _of_pair(pair: Pair, tensors: Collection[TensorPair], samples: int) -> Iterator[Fault]:
    """Yield one fault for each setting of a pair that differs, and one for its spelling."""
    names = {name for node in pair.target for name in (*node.inputs, *node.outputs)}
    edges = tuple(one for one in tensors if one.target in names)
    settings = (*_unread(pair), *compare_attributes(Layouts(pair, edges)))
    for difference in settings:
        yield _fault(pair, (difference,), samples)
    if _operators(pair.source) != _operators(pair.target):
        yield _fault(pair, (), samples)


def _unread(pair: Pair) -> Iterator[Difference]:
    """Yield the settings that inference never reads and the two sides disagree on."""
    for couple in couples(pair):
        source, target = couple.source, couple.target
        if source is None or target is None or source.op != target.op:
            continue
        for field in sorted(NOT_COMPUTED_WITH):
            ours, theirs = (node.attributes.get(field) for node in (source, target))
            if ours != theirs:
                yield Difference(Aspect.ATTRIBUTE, field, ours, theirs, source, target)


def _operators(nodes: tuple[Node, ...]) -> list[tuple[str, str]]:
    return sorted((node.domain, node.op) for node in nodes)


def _fault(pair: Pair, differences: tuple[Difference, ...], samples: int) -> Fault:
    """Return what differs in a pair as a fault that does no harm."""
    return Fault(
        _region(pair.source),
        _region(pair.target),
        (),
        (),
        (pair,),
        differences,
        (),
        (),
        local_error=0.0,
        noise_floor=0.0,
        output_error=0.0,
        affected=0,
        samples=samples,
        recorded=(),
        status=Status.HARMLESS,
    )


def _region(nodes: tuple[Node, ...]) -> Region:
    given = {name for node in nodes for name in node.outputs}
    reads = dict.fromkeys(name for node in nodes for name in node.inputs if name)
    inputs = tuple(name for name in reads if name not in given)
    return Region(nodes, inputs, tuple(name for name in nodes[-1].outputs if name))
