"""Outputs that the target lacks, with what the source computes them of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from analyzer.comparison import Compared
from analyzer.core.listing import several
from analyzer.core.types import (
    Fault,
    FaultClass,
    Feeds,
    Finding,
    Region,
    Sample,
    TensorPair,
    TensorSpec,
)
from analyzer.matching.ends import output_names
from analyzer.matching.layouts import layout_of
from analyzer.matching.tensors import carried_or_none
from analyzer.outside import bare_fault
from analyzer.prepared import Prepared
from analyzer.regions import region
from analyzer.runtime.dump import dump, instrument
from analyzer.runtime.session import open_session

MOST_SAMPLES = 2
"""Samples on which what is written for a lost output is proven."""


def lost_output_faults(pair: Prepared, compared: Compared) -> Iterator[Fault]:
    """Yield a fault for each output of the source that the target lacks.

    Args:
        pair: The pair.
        compared: What comparing the values of the models gave.
    """
    source, target = pair.cut.source, pair.cut.target
    paired = {left: TensorPair(left, right) for left, right in output_names(source, target)}
    lost = [spec for spec in source.outputs if spec.name not in paired]
    if not lost or pair.cut.missed:
        return
    session = open_session(instrument(source.model), source.folder)
    values = [dump(session, feeds) for feeds in pair.cut.samples[:MOST_SAMPLES]]
    taken = {name for node in target.model.graph.node for name in node.output}
    for spec in lost:
        name = f"{spec.name}_lost" if spec.name in taken else spec.name
        before = [one.name for one in source.outputs[: source.outputs.index(spec)]]
        kept = [paired[one] for one in before if one in paired]
        fault = _lost(spec, (TensorPair(spec.name, name), *kept), compared, values)
        if fault is not None:
            yield fault


def told_lost(findings: Sequence[Finding]) -> frozenset[str]:
    """Return the source's outputs that findings say are missing.

    Args:
        findings: Any; those of `lost_output_faults` are told by what nothing gave.
    """
    faults = (one.fault for one in findings)
    bare = (one for one in faults if one.recorded and not one.recorded[0].observed)
    return frozenset(one.results[0].source for one in bare if one.results)


def _lost(
    spec: TensorSpec,
    pairs: tuple[TensorPair, ...],
    compared: Compared,
    values: Sequence[Feeds],
) -> Fault | None:
    """Return the fault of one output; None where the target has nothing to make it of.

    Its results are the lost output, and those of the target that stand before it.
    """
    name = pairs[0].target
    known: Mapping[str, TensorPair] = {
        link.tensors.source: link.tensors
        for link in reversed(list(compared.links.values()))
    }
    held = spec.name in known and known[spec.name].target in compared.target.giver
    left = (
        Region((), (spec.name,), (spec.name,))  # it is computed, and not given
        if held
        else region(compared.source, (spec.name,), known)
    )
    edges = tuple(known[one] for one in left.inputs if one in known)
    givers = compared.target.giver
    nodes = tuple(givers[edge.target] for edge in edges if edge.target in givers)
    if len(edges) != len(left.inputs) or not edges or not nodes:
        return None
    fault = bare_fault(
        FaultClass.COMPUTATIONAL_GRAPH,
        f"the source's output {spec.name} is missing: nothing in the target gives it, "
        f"{several(edge.target for edge in edges)} is what it is made of",
        nodes=nodes,
        guilty=[edge.target for edge in edges],
        samples=len(values),
    )
    return replace(
        fault,
        source=left,
        target=replace(
            fault.target, inputs=tuple(e.target for e in edges), outputs=(name,)
        ),
        edges=edges,
        results=pairs,
        recorded=tuple(_samples(spec.name, name, edges, values)),
    )


def _samples(
    ours: str, theirs: str, edges: Sequence[TensorPair], values: Sequence[Feeds]
) -> Iterator[Sample]:
    for given in values:
        fed = {
            one.target: carried_or_none(given[one.source], layout_of(one)) for one in edges
        }
        yield Sample(
            {one.source: given[one.source] for one in edges},
            {ours: given[ours]},
            {name: value for name, value in fed.items() if value is not None},
            {theirs: given[ours]},
            {},
        )
