"""Findings and coverage in the names of the user's own files."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from analyzer.classify import where
from analyzer.core.report import Coverage
from analyzer.core.types import Finding, Fix, Inside
from analyzer.view.closed import closed
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
    found: dict[tuple[object, ...], list[Finding]] = {}
    for place, one in enumerate(findings):
        said = in_file(one, source, target)
        parts = one.target_nodes and all(name in target.parts for name in one.target_nodes)
        key: tuple[object, ...] = (one.rule, one.status, one.where)
        key = (*key, said.target_nodes, said.target_tensors)
        key = (*key, one.fault.inside) if parts else (place,)
        if _around(one, target):
            key = (one.status, one.where, said.target_nodes)
        found.setdefault(key, []).append(_placed(said, one, target))
    joined = (one for group in found.values() for one in _joined(group))
    return tuple(_saying_where(one, target) for one in joined)


def _joined(group: Sequence[Finding]) -> Sequence[Finding]:
    """Return the first of some findings on one node, the others' edits in its fix."""
    first, *others = group
    fixes = [one.fix for one in group if one.fix is not None]
    inside = tuple(one for finding in group for one in finding.fault.inside)
    if not others or (len(fixes) < len(group) and not inside):
        return group
    edits = tuple(edit for fix in fixes for edit in fix.edits)
    fix = replace(fixes[0], edits=edits) if len(fixes) == len(group) else None
    if inside:
        earliest = min(inside, key=lambda one: one.iteration or 0)
        fault = replace(first.fault, inside=(earliest,))
        return (replace(first, fix=fix, fault=fault),)
    message = f"{first.message}; {len(others)} more of its parts likewise"
    return (replace(first, message=message, fix=fix),)


def _around(finding: Finding, target: Opened) -> tuple[Inside, ...]:
    """Return the turns of control-flow nodes that a finding's nodes were written out of."""
    found = ((name, target.inside.get(name)) for name in finding.target_nodes)
    return tuple(
        Inside(target.parts[name].outer.op_type, target.node(name), one.body, one.turn)
        for name, one in found
        if one is not None
    )


def _saying_where(finding: Finding, target: Opened) -> Finding:
    """Return a finding on a written-out node whose message says where it stands."""
    around = finding.fault.inside[:1]
    outer = {target.node(name) for name in target.inside}
    if not around or around[0].node not in outer:
        return finding
    return replace(finding, message=f"{finding.message}; this is {where(finding.fault)}")


def _placed(said: Finding, finding: Finding, target: Opened) -> Finding:
    """Return a finding on nodes of a body that says where they are."""
    around = _around(finding, target)
    if not around:
        return said
    first = min(around, key=lambda one: one.iteration or 0)
    fault = replace(finding.fault, inside=(first, *finding.fault.inside))
    return replace(said, fault=fault, message=finding.message)


def _each(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _inside(finding: Finding, target: Opened) -> str:
    """Return what to add to a message: which parts of the user's nodes are meant."""
    inner = [name for name in finding.target_nodes if name in target.parts]
    unsaid = [name for name in inner if name not in finding.message]
    return f" (it is in {', '.join(unsaid)})" if unsaid else ""


def _fix_in_file(fix: Fix, target: Opened) -> Fix:
    edits = tuple(closed(edit, target) for edit in fix.edits)
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
