"""Faults of control-flow nodes, traced to the nodes inside that make them.

A body that deviates is a model that deviates: fed at each turn what the source's body is
fed, it is compared with it like any other two models, nested bodies included.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analyzer.bodies.branches import branch_cases
from analyzer.bodies.cases import Around, Case, known_around, twins
from analyzer.bodies.inner import Inner, inner_pair
from analyzer.bodies.loops import loop_cases
from analyzer.bodies.opened import Body
from analyzer.breakage import Runnable, runnable, whole
from analyzer.comparison import Compared, compare_values
from analyzer.core.errors import RunError
from analyzer.core.graph import node_reads
from analyzer.core.options import Options, Progress
from analyzer.core.report import InputPair
from analyzer.core.types import Fault, Feeds, Inside, Node, Pivot, Region, Status
from analyzer.effect import has_cause
from analyzer.isolation import kinds
from analyzer.matching.ends import target_feeds
from analyzer.runtime.dump import dump, instrument
from analyzer.runtime.session import open_session
from analyzer.samples import Probe, local_errors
from analyzer.sides import Side
from analyzer.view.classes import dangling_tensors


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """Both models, what they were compared on, and how."""

    pivots: tuple[Pivot, Pivot]
    samples: tuple[Feeds, ...]
    inputs: tuple[InputPair, ...]
    options: Options
    progress: Progress


def looked_into(
    compared: Compared,
    pivots: tuple[Pivot, Pivot],
    samples: tuple[Feeds, ...],
    inputs: tuple[InputPair, ...],
    options: Options,
    progress: Progress,
) -> Compared:
    """Return a comparison with the faults of bodies in the place of their nodes' faults.

    A node is looked into where it deviates and its counterpart is of its kind; where
    nothing inside deviates by itself, its fault stays as it was.

    Args:
        compared: What comparing the values of two models gave.
        pivots: The models, the source's first.
        samples: Samples by source input name.
        inputs: Which target input takes which source input.
        options: Seed and tolerances.
        progress: Told what is being done.
    """
    scene = _Scene(pivots, samples, inputs, replace(options, pairs=None), progress)
    found = (one for fault in compared.faults for one in _opened(scene, fault))
    return replace(compared, faults=tuple(one.fault for one in found))


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A fault on its way out of the body it was found in.

    Attributes:
        fault: The fault.
        samples: Places of the samples on which it was seen; None: not looked for.
        inside: Whether its root is a node of the body, not one around it.
    """

    fault: Fault
    samples: frozenset[int] | None = None
    inside: bool = True


def _opened(scene: _Scene, fault: Fault) -> tuple[_Seen, ...]:
    """Return the faults inside a fault's control-flow nodes; itself without any."""
    pairs = tuple(twins(fault))
    settled = fault.status is not Status.FAULT or has_cause(fault)
    if not pairs or settled or _is_severed(scene.pivots[1], pairs):
        return (_Seen(fault),)
    scene.progress("looking into bodies", 0.0)
    try:
        known = known_around(fault, scene.pivots, scene.samples, scene.inputs)
        around = (Around(scene.pivots, nodes, fault, known) for nodes in pairs)
        found = [one for each in around for one in _inside(scene, each)]
    except RunError:  # the source's body does not run by itself
        return (_Seen(fault),)
    kept = [one for one in found if one.fault.status in {Status.FAULT, Status.LATENT}]
    shown = any(one.fault.status is Status.FAULT for one in kept)
    if not shown or not all(one.inside for one in kept):
        return (_Seen(fault),)
    return tuple(sorted(kept, key=lambda one: one.fault.status is not Status.FAULT))


def _is_severed(target: Pivot, pairs: Sequence[tuple[Node, Node]]) -> bool:
    """Return whether a control-flow node reads a tensor that nobody around it gives."""
    nobody = dangling_tensors(target.model)
    return any(nobody & set(node_reads(node)) for _, node in pairs)


def _inside(scene: _Scene, around: Around) -> Iterator[_Seen]:
    """Yield the faults inside one control-flow node, or of what steers it."""
    cases = branch_cases if around.nodes[1].op == "If" else loop_cases
    for case in cases(around):
        if isinstance(case, Fault):
            yield _Seen(case)
        else:
            yield from _compared(scene, around, case)


def _compared(scene: _Scene, around: Around, case: Case) -> Iterator[_Seen]:
    """Yield the faults that comparing two bodies gives."""
    inner = inner_pair(
        scene.pivots, case.bodies, case.joined, around.fault.edges, case.shots
    )
    if inner is None:
        return
    compared = _values(inner, scene)
    within = replace(
        scene,
        pivots=(inner.source, inner.target),
        samples=inner.probes,
        inputs=inner.inputs,
    )
    for fault in compared.faults:
        for one in _opened(within, fault):
            yield _placed(inner, compared, one, around, case)


def _placed(
    inner: Inner, compared: Compared, seen: _Seen, around: Around, case: Case
) -> _Seen:
    """Return a fault inside a body as one of the graph around it."""
    fault = seen.fault
    places = seen.samples
    if places is None:
        places = _showing(inner, compared, fault.whole)
    shots = [inner.shots[place] for place in sorted(places)] or inner.shots[:1]
    numbers = [shot.number for shot in shots if shot.number is not None]
    samples = frozenset(shot.sample for shot in shots)
    body = case.bodies[1]
    here = Inside(body.node.op, body.node.name, body.attribute, min(numbers, default=None))
    shows = fault.status is not Status.FAULT or not case.latent
    found = replace(
        fault,
        status=fault.status if shows else Status.LATENT,
        output_error=around.fault.output_error,
        affected=around.fault.affected if numbers else len(samples),
        samples=around.fault.samples,
        entries=(),
        inside=(here, *fault.inside),
        outer=around.fault,
    )
    inside = _is_rooted(fault.whole, around.fault, case.bodies)
    return _Seen(found, samples, inside=inside)


def _is_rooted(fault: Fault, around: Fault, bodies: tuple[Body, Body]) -> bool:
    """Return whether a node of a body is at the root of a fault, not one around it.

    Where a region reaches out of its body, or reads a tensor around it whose counterpart
    the source's region does not read, only a passed cause test tells the two apart. Where
    the body does not even run, an order of axes around it may be what it stumbles over.
    """
    if bodies[1].made.isdisjoint(fault.guilty or fault.target.outputs):
        return False
    if has_cause(fault):
        return True
    read = {edge.target: edge.source for edge in fault.edges}
    outside = set(fault.target.inputs) - bodies[1].made - set(bodies[1].inputs)
    if not {read.get(name) for name in outside} <= set(fault.source.inputs):
        return False
    sides = zip((fault.source, fault.target), bodies, strict=True)
    if not all(_given(side) <= body.made for side, body in sides):
        return False
    as_is = all(edge.permutation is None and edge.shape is None for edge in around.edges)
    return as_is or bool(np.isfinite(fault.local_error))


def _given(region: Region) -> frozenset[str]:
    return frozenset(name for node in region.nodes for name in node.outputs if name)


def _values(inner: Inner, scene: _Scene) -> Compared:
    """Return the comparison of two bodies, of as much of the target's as runs.

    Raises:
        RunError: The source's body does not run.
    """

    def compare(working: Runnable) -> Compared:
        return compare_values(
            inner.source,
            inner.target,
            working,
            inner.probes,
            inner.inputs,
            ((), ()),
            scene.options,
            scene.progress,
            (),
            inner.outputs,
        )

    try:
        return compare(whole(inner.target))
    except RunError:  # it may stop at any turn
        fed = (target_feeds(feeds, inner.inputs, inner.target) for feeds in inner.probes)
        tried = (runnable(inner.target, feeds) for feeds in fed)
        stopped = next((one for one in tried if one.refusal), None)
        if stopped is None:
            raise
        return compare(stopped)


def _showing(inner: Inner, found: Compared, fault: Fault) -> frozenset[int]:
    """Return the places of the turns on which a fault shows."""
    side = Side(inner.target.model, inner.target.folder, found.target)
    session = open_session(instrument(inner.source.model), inner.source.folder)
    fed = (target_feeds(feeds, inner.inputs, inner.target) for feeds in inner.probes)
    probes = [
        Probe(dump(session, ours), theirs)
        for ours, theirs in zip(inner.probes, fed, strict=True)
    ]
    return frozenset(
        n for n, probe in enumerate(probes) if _shows(side, found, fault, probe)
    )


def _shows(side: Side, found: Compared, fault: Fault, probe: Probe) -> bool:
    """Return whether a fault's region deviates on one turn; also where it does not run."""
    try:
        known = kinds(dump(open_session(instrument(side.model), side.folder), probe.feeds))
        errors, _, _ = local_errors(side, found.links, probe, known)
    except RunError:
        return True
    return any(errors.get(name, 0.0) > fault.noise_floor for name in fault.target.outputs)
