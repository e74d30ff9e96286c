"""What is known around two control-flow nodes, and what of their insides to compare."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analyzer.bodies.entries import Joined
from analyzer.bodies.inner import Shot
from analyzer.bodies.opened import Body, body_of, is_control
from analyzer.core.report import InputPair
from analyzer.core.types import Array, Fault, FaultClass, Feeds, Node, Pivot
from analyzer.matching.ends import target_feeds
from analyzer.matching.layouts import layout_of
from analyzer.matching.tensors import carried_or_none
from analyzer.runtime.dump import dump, instrument
from analyzer.runtime.session import open_session


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Two bodies to be compared.

    Attributes:
        bodies: The source's and the target's.
        joined: Which of their ends belong together.
        shots: The turns to compare them on.
        latent: Whether no sample of the user's takes this branch.
    """

    bodies: tuple[Body, Body]
    joined: Joined
    shots: tuple[Shot, ...]
    latent: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """The values at which two regions begin on one sample, and those of the models' inputs.

    Attributes:
        sample: The sample's place.
        ours: The source's, by tensor.
        theirs: The same in the target's layouts, by its own tensors.
    """

    sample: int
    ours: Feeds
    theirs: Feeds

    def shot(self, number: int | None, inputs: Feeds, others: Feeds) -> Shot:
        """Return one turn on this sample.

        Args:
            number: The turn's number.
            inputs: What the source's body is given.
            others: What the target's is given.
        """
        ours, theirs = {**self.ours, **inputs}, {**self.theirs, **others}
        return Shot(self.sample, number, ours, theirs)


@dataclass(frozen=True, slots=True, eq=False)
class Around:
    """Two control-flow nodes that belong together, and what is known around them.

    Attributes:
        pivots: The models they stand in, the source's first.
        nodes: Both nodes.
        fault: The fault of the region that the target's lies in.
        known: What is known of each sample, plainest first.
    """

    pivots: tuple[Pivot, Pivot]
    nodes: tuple[Node, Node]
    fault: Fault
    known: tuple[Known, ...]

    def bodies(self, *attributes: str) -> tuple[Body, Body] | None:
        """Return two bodies laid open; None where one of them cannot be."""
        both = zip(self.pivots, self.nodes, attributes, strict=True)
        one, other = (body_of(p.model, p.folder, n, name) for p, n, name in both)
        return None if one is None or other is None else (one, other)

    def steered(self, name: str, problem: str) -> Fault:
        """Return the fault of what says which turns or which branch the target takes.

        Args:
            name: The target tensor that says so.
            problem: The sentence to report.
        """
        givers = {n for node in self.fault.target.nodes for n in node.outputs}
        known = tuple(one for one in (name, *self.nodes[1].outputs[:1]) if one)
        return replace(
            self.fault,
            guilty=known[:1] if name in givers else known,
            problem=f"{problem}, as {name} says" if name else problem,
            fault_class=FaultClass.COMPUTATIONAL_GRAPH,
        )


def twins(fault: Fault) -> Iterator[tuple[Node, Node]]:
    """Yield the control-flow nodes of both regions that belong together, in order.

    Args:
        fault: A fault of the region they stand in.
    """
    ours, theirs = (
        [node for node in side.nodes if is_control(node)]
        for side in (fault.source, fault.target)
    )
    for op in dict.fromkeys(node.op for node in theirs):
        yield from zip(
            (node for node in ours if node.op == op),
            (node for node in theirs if node.op == op),
            strict=False,
        )


def known_around(
    fault: Fault,
    pivots: tuple[Pivot, Pivot],
    samples: Sequence[Feeds],
    inputs: Sequence[InputPair],
) -> tuple[Known, ...]:
    """Return what both regions of a fault are fed on each sample, plainest first.

    Args:
        fault: The fault.
        pivots: Both models, the source's first.
        samples: Samples by source input name.
        inputs: Which target input takes which source input.

    Raises:
        RunError: The source does not run.
    """
    session = open_session(instrument(pivots[0].model), pivots[0].folder)
    edges = (edge.source for edge in fault.edges)
    wanted = dict.fromkeys((*fault.source.inputs, *edges))
    found = []
    for place, sample in enumerate(samples):
        given = dump(session, sample)
        ours = {**sample, **{name: given[name] for name in wanted if name in given}}
        theirs = {**target_feeds(sample, inputs, pivots[1]), **_carried(fault, ours)}
        found.append(Known(place, ours, theirs))
    return tuple(sorted(found, key=lambda one: not _is_recorded(fault, one.ours)))


def _carried(fault: Fault, ours: Feeds) -> dict[str, Array]:
    """Return the values at the edges of the target's region, in its own layouts."""
    seen: Feeds = fault.recorded[0].inputs if fault.recorded else {}
    wanted = [
        edge
        for edge in fault.edges
        if edge.target in fault.target.inputs and edge.source in ours
    ]
    found = {}
    for edge in wanted:
        value = carried_or_none(ours[edge.source], layout_of(edge))
        if value is not None:
            kind = seen.get(edge.target, value).dtype
            found[edge.target] = np.require(value, kind, "C")
    return found


def _is_recorded(fault: Fault, ours: Feeds) -> bool:
    """Return whether a sample is one of those that the fault was recorded on."""
    return any(
        all(
            np.array_equal(value, ours[name])
            for name, value in sample.source_inputs.items()
            if name in ours
        )
        for sample in fault.recorded
    )
