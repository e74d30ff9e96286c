"""Findings and coverage in the names of the user's own files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from analyzer.classify import where
from analyzer.core.listing import several
from analyzer.core.report import Coverage
from analyzer.core.types import Fault, Finding, Fix, Inside
from analyzer.view.closed import closed, reached
from analyzer.view.inline import Opened


def in_file(finding: Finding, source: Opened, target: Opened) -> Finding:
    """Return a finding whose nodes, tensors and edits are those of the user's files.

    A part of a fused operator is called by the node that holds it, a node of a function by
    the call and the name it has there, one of a body by its own; the message says the rest.

    Args:
        finding: By the names of the opened models.
        source: The source, opened.
        target: The target, opened.
    """
    fix = finding.fix
    return replace(
        finding,
        source_nodes=_each(map(source.called, finding.source_nodes)),
        target_nodes=_each(map(target.called, finding.target_nodes)),
        source_tensors=_each(map(source.held, finding.source_tensors)),
        target_tensors=_each(map(target.held, finding.target_tensors)),
        message=finding.message + _inside(finding, target),
        fix=None if fix is None else _fix_in_file(fix, target),
        alternatives=tuple(_fix_in_file(one, target) for one in finding.alternatives),
    )


def said_in_file(
    findings: Iterable[Finding], source: Opened, target: Opened
) -> tuple[Finding, ...]:
    """Return findings by the user's names, what one rule says of one node's parts but once.

    A wrong weight that is opened into three products is one wrong weight, and one fix. A
    wrong node of a body is one node, whatever it does at each turn.

    Args:
        findings: By the names of the opened models, the most damaging first.
        source: The source, opened.
        target: The target, opened.
    """
    found: dict[_Key, list[Finding]] = {}
    for place, one in enumerate(findings):
        said = in_file(one, source, target)
        around = _around(one, target)
        parts = one.target_nodes and all(name in target.parts for name in one.target_nodes)
        if around:
            key = _of_body(said, around, found)
            said = replace(said, fault=_inside_of(one.fault, around), message=one.message)
        elif parts:
            key = _Key(said.target_nodes, (one.rule, said.target_tensors, one.fault.inside))
        else:
            key = _Key(said.target_nodes, (place,))
        key = replace(key, status=(one.status, one.where))
        found.setdefault(key, []).append(said)
    return tuple(
        one
        for key, group in found.items()
        for one in (_of_turns(group) if key.turns else _joined(group))
    )


@dataclass(frozen=True, slots=True)
class _Key:
    """What findings have in common that are one: nodes, and whatever else tells them.

    Attributes:
        nodes: The user's nodes.
        others: What else must be the same.
        status: Status, and who made the fault.
        turns: Whether the nodes were written out of a body.
    """

    nodes: tuple[str, ...]
    others: tuple[object, ...]
    status: tuple[object, ...] = ()
    turns: bool = False


def _of_body(said: Finding, around: Sequence[Inside], found: Iterable[_Key]) -> _Key:
    """Return the key of a finding on a body: of an earlier one on some of its nodes."""
    bodies = tuple((one.node, one.body) for one in around)
    key = _Key(said.target_nodes, bodies, (said.status, said.where), turns=True)
    same = (
        one
        for one in found
        if one.turns and (one.others, one.status) == (key.others, key.status)
    )
    return next((one for one in same if {*one.nodes} & {*key.nodes}), key)


def _of_turns(group: Sequence[Finding]) -> tuple[Finding]:
    """Return the worst of some findings on one node of a body, at their first turn."""
    first = group[0]
    inside = min((one.fault.inside for one in group), key=_turns)
    fault = replace(first.fault, inside=inside)
    message = f"{first.message}; this is {where(fault)}"
    alike = [one.fix for one in group if one.fix is not None and one.rule == first.rule]
    edits = tuple(edit for fix in alike for edit in fix.edits)
    fix = replace(alike[0], edits=edits) if len(alike) == len(group) else first.fix
    return (replace(first, message=message, fix=fix, fault=fault),)


def _joined(group: Sequence[Finding]) -> Sequence[Finding]:
    """Return the first of some findings on one node, the others' edits in its fix."""
    first, *others = group
    fixes = [one.fix for one in group if one.fix is not None]
    if not others or len(fixes) < len(group):
        return group
    message = f"{first.message}; {len(others)} more of its parts likewise"
    edits = tuple(edit for fix in fixes for edit in fix.edits)
    return (replace(first, message=message, fix=replace(fixes[0], edits=edits)),)


def _around(finding: Finding, target: Opened) -> tuple[Inside, ...]:
    """Return the turns that a finding's node was written out of, at the first of them."""
    found = (target.inside.get(name) for name in finding.target_nodes)
    paths = [one.path for one in found if one is not None]
    return min(paths, key=_turns, default=())


def _turns(path: Sequence[Inside]) -> tuple[int, ...]:
    return tuple(one.iteration or 0 for one in path)


def _inside_of(fault: Fault, around: tuple[Inside, ...]) -> Fault:
    return replace(fault, inside=(*around, *fault.inside))


def _each(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _inside(finding: Finding, target: Opened) -> str:
    """Return what to add to a message: which parts of the user's nodes are meant."""
    inner = [name for name in finding.target_nodes if name in target.parts]
    unsaid = [name for name in inner if name not in finding.message]
    return f" (it is in {several(unsaid)})" if unsaid else ""


def _fix_in_file(fix: Fix, target: Opened) -> Fix:
    """Return a fix as the user's file takes it: a node is opened for all of it or none."""
    said = [(edit, closed(edit, target)) for edit in fix.edits]
    within = (name for edit, now in said if now is edit for name in reached(edit))
    opened = {target.node(name) for name in within if name in target.parts}
    edits = tuple(
        edit if opened.intersection(map(target.node, reached(edit))) else now
        for edit, now in said
    )
    return replace(fix, edits=edits)


def coverage_in_file(coverage: Coverage, source: Opened, target: Opened) -> Coverage:
    """Return a coverage statement in the names of the user's files.

    Args:
        coverage: By the names of the opened models.
        source: The source, opened.
        target: The target, opened.
    """
    missed = {
        replace(one, what=target.node(target.tensor(one.what))): None
        for one in coverage.not_compared
    }
    return replace(
        coverage,
        unpaired_source=_each(map(source.node, coverage.unpaired_source)),
        unpaired_target=_each(map(target.node, coverage.unpaired_target)),
        not_compared=tuple(missed),
    )
