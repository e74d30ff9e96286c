"""Findings and coverage in the names of the user's own files."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from analyzer.core.report import Coverage
from analyzer.core.types import Finding, Fix
from analyzer.view.closed import closed
from analyzer.view.inline import Opened


def in_file(finding: Finding, source: Opened, target: Opened) -> Finding:
    """Return a finding whose nodes, tensors and edits are those of the user's files.

    A part of a fused operator is called by the node that holds it, a node of a function by
    the call and the name it has there; the message keeps the part's own name.

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
        source_tensors=_each(map(source.tensor, finding.source_tensors)),
        target_tensors=_each(map(target.tensor, finding.target_tensors)),
        message=finding.message + _inside(finding, target),
        fix=None if fix is None else _fix_in_file(fix, target),
        alternatives=tuple(_fix_in_file(one, target) for one in finding.alternatives),
    )


def said_in_file(
    findings: Iterable[Finding], source: Opened, target: Opened
) -> tuple[Finding, ...]:
    """Return findings by the user's names, what one rule says of one node's parts but once.

    A wrong weight that is opened into three products is one wrong weight, and one fix.

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
        found.setdefault(key, []).append(said)
    return tuple(one for group in found.values() for one in _joined(group))


def _joined(group: Sequence[Finding]) -> Sequence[Finding]:
    """Return the first of some findings on one node, the others' edits in its fix."""
    first, *others = group
    fixes = [one.fix for one in group if one.fix is not None]
    if not others or len(fixes) < len(group):
        return group
    message = f"{first.message}; {len(others)} more of its parts likewise"
    edits = tuple(edit for fix in fixes for edit in fix.edits)
    return (replace(first, message=message, fix=replace(fixes[0], edits=edits)),)


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
