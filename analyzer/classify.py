"""From faults to findings: every rule is asked, the most confident one speaks."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from analyzer.arithmetic import COMPUTED
from analyzer.core.listing import several
from analyzer.core.options import Judge
from analyzer.core.report import NotCompared
from analyzer.core.rulebook import WHATEVER, judged
from analyzer.core.types import Fault, FaultClass, Finding, NativeLayer, Node, Pivot, Status
from analyzer.core.words import REDUCED_PRECISION, UNEXPLAINED
from analyzer.judge import has_fewer_bits
from analyzer.origins import begins
from analyzer.view import View
from analyzer.view.provenance import nearest_layer


def classify(
    faults: Iterable[Fault], rules: Sequence[Judge]
) -> tuple[tuple[Finding, ...], tuple[NotCompared, ...]]:
    """Return at least one finding for each fault, in order, and the rules that failed.

    Args:
        faults: Root faults, worst first.
        rules: The rule book.
    """
    faults = tuple(faults)
    drifting = [fault for fault in faults if fault.status is Status.DRIFT]
    broken: dict[str, NotCompared] = {}
    found = [
        finding
        for fault in faults
        if fault.status is not Status.DRIFT
        for finding in _inside(fault, rules, broken)
    ]
    drift = (_drift(drifting),) if drifting else ()
    return (*_each_once(found), *drift), tuple(broken.values())


def _each_once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the findings; what misleads several regions is said of the worst alone."""
    said: set[str] = set()
    for finding in findings:
        if finding.rule != UNEXPLAINED.slug or finding.id not in said:
            yield finding
        said.add(finding.id)


def _inside(
    fault: Fault, rules: Sequence[Judge], broken: dict[str, NotCompared]
) -> tuple[Finding, ...]:
    """Return a fault's findings; of one inside a body they say where, and mend the whole.

    Edits speak of the main graph's nodes: only what cures the whole node can be offered.
    """
    found = _with_origin(fault, _explained(fault, rules, broken))
    if not fault.inside:
        return found
    whole = _explained(fault.whole, rules, broken)
    fixes = [fix for one in whole for fix in (one.fix, *one.alternatives) if fix]
    place = tuple(f"{one.node}.{one.body}" for one in fault.inside)
    named = (_by_rule_of(finding, whole[0]) for finding in found)
    return tuple(
        replace(
            finding,
            id=finding_id(finding.rule, (*place, *finding.target_tensors)),
            message=f"{finding.message}; this is {where(fault)}",
            fix=next(iter(fixes), None),
            alternatives=tuple(fixes[1:]),
        )
        for finding in named
    )


def _by_rule_of(finding: Finding, whole: Finding) -> Finding:
    """Return what no rule says inside a body by the rule that mends the node around it."""
    unsaid = UNEXPLAINED.slug
    if finding.rule != unsaid or whole.rule == unsaid:
        return finding
    return replace(
        finding,
        rule=whole.rule,
        fault_class=whole.fault_class,
        confidence=whole.confidence,
        message=f"{whole.message}; {finding.message}",
    )


def _with_origin(fault: Fault, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings, told that the model's NaN or infinity begins with this fault."""
    what = begins(fault)
    if not what:
        return tuple(findings)
    return tuple(
        replace(one, message=f"{one.message}; {what} begins here") for one in findings
    )


def where(fault: Fault) -> str:
    """Return the control-flow nodes that a fault lies inside of, innermost first.

    Args:
        fault: A fault inside a body.
    """
    return ", ".join(
        f"inside {one.body} of {one.op} {one.node}"
        + ("" if one.iteration is None else f", first seen at iteration {one.iteration}")
        for one in reversed(fault.inside)
    )


def _drift(faults: Sequence[Fault]) -> Finding:
    """Return one finding for all regions that lose but their declared precision."""
    worst = max(faults, key=lambda fault: fault.local_error)
    count = len(faults)
    before = not has_fewer_bits(worst.target.nodes) and has_fewer_bits(worst.source.nodes)
    few, many = ("source", "target") if before else ("target", "source")
    problem = (
        f"{count} region{'s' if count > 1 else ''} of the {few} compute with fewer bits "
        f"than the {many}'s: they lose up to {worst.local_error:.3g} of the largest value, "
        f"at {worst.target.outputs[0]}, where their declared precision allows "
        f"{worst.noise_floor:.3g}"
    )
    kept = replace(worst, problem=problem, fault_class=FaultClass.DTYPE_PRECISION)
    return replace(unexplained(kept), rule=REDUCED_PRECISION.slug, confidence=0.99)


def _explained(
    fault: Fault, rules: Sequence[Judge], broken: dict[str, NotCompared]
) -> tuple[Finding, ...]:
    """Return the best explanation, the cures of the others as its alternatives.

    A rule that raises is noted in `broken` and says nothing more. A region may hold several
    causes that only together cure it; each then has its finding.
    """
    offered = sorted(
        (finding for rule in rules for finding in _asked(rule, fault, broken)),
        key=lambda finding: -finding.confidence,
    )
    if not offered:
        return (unexplained(fault),)
    best = [offered[0]]
    for other in offered[1:]:
        if _is_another_cause(other, best, fault):
            best.append(other)
    return tuple(
        _told(_at_root(_with_alternatives(one, offered, best), fault), fault)
        for one in best
    )


def _told(finding: Finding, fault: Fault) -> Finding:
    """Return the finding with what its finder knows, where the rule does not say it.

    What a runtime says of a model that it refuses stands in the rules' own words.
    """
    if fault.fault_class or not fault.problem or fault.problem in finding.message:
        return finding
    return replace(finding, message=f"{finding.message}; {fault.problem}")


def _at_root(finding: Finding, fault: Fault) -> Finding:
    """Return the finding with the fault's root named, where a rule names but its effect."""
    effects = set(fault.target.outputs)
    if not fault.guilty or not effects & set(finding.target_tensors):
        return finding
    tensors = tuple(dict.fromkeys((*fault.guilty, *finding.target_tensors)))[:4]
    return replace(finding, target_tensors=tensors)


def _asked(rule: Judge, fault: Fault, broken: dict[str, NotCompared]) -> Sequence[Finding]:
    """Return what a rule says; a rule may be anybody's code, and must not end the run."""
    if rule.slug in broken:
        return ()
    try:
        return judged(rule, fault)
    except WHATEVER as surprise:
        why = f"it raised {type(surprise).__name__}: {surprise}"
        broken[rule.slug] = NotCompared(f"rule {rule.slug}", why)
        return ()


def _is_another_cause(finding: Finding, best: Sequence[Finding], fault: Fault) -> bool:
    joint = {
        diff.target_node.name
        for diff in fault.differences
        if diff.jointly and diff.target_node is not None
    }
    named = {name for one in best for name in one.target_nodes}
    return (
        len(joint) > 1
        and bool(finding.target_nodes)
        and set(finding.target_nodes) <= joint
        and not named & set(finding.target_nodes)
    )


def _with_alternatives(
    finding: Finding, offered: Sequence[Finding], best: Sequence[Finding]
) -> Finding:
    others = (one for one in offered if all(one is not chosen for chosen in best))
    fixes = [*finding.alternatives, *(one.fix for one in others if one.fix is not None)]
    if finding.fix is None and fixes:
        return replace(finding, fix=fixes[0], alternatives=tuple(fixes[1:]))
    return replace(finding, alternatives=tuple(fixes))


def unexplained(fault: Fault) -> Finding:
    """Return a finding that says where and how much, and leaves the why open."""
    tensors = fault.guilty or fault.target.outputs[:4]
    blamed = (one.target_node for one in fault.differences if one.field == COMPUTED)
    known = (*(node for node in blamed if node), *fault.target.nodes)
    nodes = [node for node in known if set(node.outputs) & set(tensors)]
    sources = fault.source.nodes
    message = (
        f"{several(tensors)} deviates by {fault.local_error:.3g} of its largest value "
        f"when fed the source's own inputs "
        f"({_ops(fault.target.nodes)} against {_ops(sources)}); "
        f"rounding explains {fault.noise_floor:.3g}"
    )
    message = fault.problem or message
    return Finding(
        id=finding_id(UNEXPLAINED.slug, tensors),
        rule=UNEXPLAINED.slug,
        fault_class=fault.fault_class or FaultClass.COMPUTATIONAL_GRAPH,
        status=fault.status,
        where=fault.where,
        confidence=0.5,
        source_nodes=tuple(node.name for node in sources[:4]),
        target_nodes=tuple(node.name for node in nodes[:4]),
        source_tensors=fault.source.outputs[:4],
        target_tensors=tensors[:4],
        native_source=None,
        native_target=None,
        location=None,
        local_error=fault.local_error,
        noise_floor=fault.noise_floor,
        output_error=fault.output_error,
        affected=fault.affected,
        samples=fault.samples,
        message=message,
        fix=None,
        alternatives=(),
        outcome=None,
        fault=fault,
    )


def finding_id(rule: str, tensors: Sequence[str]) -> str:
    """Return an identifier that the same finding gets in every run."""
    return hashlib.sha256("\0".join((rule, *tensors)).encode()).hexdigest()[:12]


def _ops(nodes: Sequence[Node]) -> str:
    return " → ".join(node.op for node in nodes[:6]) or "nothing"


def with_layers(
    finding: Finding, source: Pivot, target: Pivot, left: View, right: View
) -> Finding:
    """Return the finding with the user's own layer names, as far as they are known.

    Args:
        finding: As a rule made it.
        source: The source's pivot.
        target: The target's pivot.
        left: The source's macro graph.
        right: The target's macro graph.
    """
    fault = finding.fault
    known = finding.source_tensors, finding.target_tensors
    if fault.inside:  # the layer is that of the node they lie inside of
        known = fault.whole.source.outputs, fault.whole.target.outputs
    ours = _layer(known[0], source, left)
    theirs = _layer(known[1], target, right)
    return replace(
        finding,
        native_source=ours.name if ours else None,
        native_target=theirs.name if theirs else None,
        location=ours.location if ours else None,
    )


def _layer(tensors: Sequence[str], pivot: Pivot, view: View) -> NativeLayer | None:
    known = (name for name in tensors if name in view.giver)
    found = (nearest_layer(view.giver[name], pivot, view.giver) for name in known)
    return next((layer for layer in found if layer is not None), None)
