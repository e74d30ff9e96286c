"""A target that does not load or run: which node stops it, what runs without that node."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import onnx

from analyzer.core.errors import RunError
from analyzer.core.graph import node_name, nodes
from analyzer.core.types import Fault, FaultClass, Feeds, Node, Pivot, Region, TensorPair
from analyzer.matching.operators import TRUST, OperatorPair
from analyzer.matching.tensors import Link, Links
from analyzer.outside import bare_fault
from analyzer.regions import region
from analyzer.runtime.dump import instrument
from analyzer.runtime.prefix import safe_prefix
from analyzer.runtime.session import open_session
from analyzer.view import Operator, View
from analyzer.view.absorb import LAYOUT_OPS
from analyzer.view.classes import dangling_tensors

BEHIND = "structure after"
"""The evidence by which a stopping node is paired."""


class _Named(TypedDict):
    """Nodes, and the tensors to name for them."""

    nodes: Sequence[Node]
    guilty: Sequence[str]


@dataclass(frozen=True, slots=True, eq=False)
class Runnable:
    """As much of a target as runs.

    Attributes:
        model: What runs as it stands; the target's own proto where all of it does.
        beyond: The target without the stopping nodes alone: it runs once their outputs are
            fed. The target's own proto where all of it runs.
        stopped: Names of the nodes at which the runtime stops, first one first.
        refusal: What the runtime said first; None where all of it runs.
    """

    model: onnx.ModelProto
    beyond: onnx.ModelProto
    stopped: tuple[str, ...]
    refusal: RunError | None


def whole(target: Pivot) -> Runnable:
    """Return a target of which everything runs."""
    return Runnable(target.model, target.model, (), None)


def runnable(target: Pivot, feeds: Feeds) -> Runnable:
    """Return as much of a target as runs on a sample.

    Args:
        target: The target's pivot.
        feeds: One sample by target input name.
    """
    try:
        open_session(instrument(target.model), target.folder).run(feeds)
    except RunError as refusal:
        model, stopped = safe_prefix(target.model, target.folder, feeds)
        names = stopped or (refusal.node,)
        return Runnable(model, _without(target.model, names), names, refusal)
    return whole(target)


def _without(model: onnx.ModelProto, names: Collection[str]) -> onnx.ModelProto:
    """Return a model without some nodes; their readers now read what nobody gives."""
    rest = onnx.ModelProto()
    rest.CopyFrom(model)
    del rest.graph.node[:]
    rest.graph.node.extend(
        node for node in model.graph.node if node_name(node) not in names
    )
    return rest


def bridged(
    working: Runnable,
    target: Pivot,
    left: View,
    right: View,
    operators: Sequence[OperatorPair],
) -> tuple[Runnable, dict[str, Link]]:
    """Return what runs once the stopping nodes' results are fed, and links for those.

    Fed the source's values there, what lies behind can be compared although the target
    never gets that far itself.

    Args:
        working: What stopped.
        target: The target's pivot.
        left: The source's macro graph.
        right: The target's macro graph.
        operators: Operator pairs from weights and structure.
    """
    partner = {both.target: left.operators[both.source] for both in operators}
    links: dict[str, Link] = {}
    gone = set(working.stopped)
    for node in right.nodes:
        owner = right.owner[next(name for name in node.outputs if name)]
        if node.name not in working.stopped or owner.index not in partner:
            continue
        ends, between = _bridge(node, owner, partner[owner.index])
        gone.update(between)
        links |= {
            other: Link(TensorPair(one, other), TRUST[BEHIND], (BEHIND,))
            for one, other in ends
            if one and other
        }
    return replace(working, beyond=_without(target.model, gone)), links


def _bridge(
    node: Node, owner: Operator, twin: Operator
) -> tuple[Iterable[tuple[str, str]], tuple[str, ...]]:
    """Return the tensors to pair for a stopping node, and the nodes left out on the way.

    Where both sides fold the same operators behind it, that is its own result; else what
    the whole macro operator gives.
    """
    same = next((one for one in twin.nodes if one.op == node.op), None)
    rest = owner.nodes[owner.nodes.index(node) + 1 :]
    beyond = twin.nodes[twin.nodes.index(same) + 1 :] if same else ()
    if same and _computing(rest) == _computing(beyond):
        return zip(same.outputs, node.outputs, strict=False), ()
    ends = zip(twin.outputs[-1:], owner.outputs[-1:], strict=False)
    return ends, tuple(one.name for one in rest)


def _computing(nodes: Iterable[Node]) -> list[str]:
    return [node.op for node in nodes if node.op not in LAYOUT_OPS]


def breakage_faults(
    working: Runnable,
    target: Pivot,
    left: View,
    right: View,
    links: Links,
    operators: Sequence[OperatorPair],
) -> tuple[Fault, ...]:
    """Return a fault for the node that stops the target, with the source's nodes for it.

    The region goes back to the nearest tensors that agree with the source's: what stops the
    runtime is often a right operator behind a wrong one.

    Args:
        working: What stopped, and why.
        target: The target's pivot.
        left: The source's macro graph.
        right: The target's macro graph.
        links: Tensor pairs by target tensor.
        operators: Operator pairs from weights and structure.
    """
    if working.refusal is None:
        return ()
    loading = working.refusal.loading
    kind = FaultClass.LOAD_FAILURE if loading else FaultClass.RUNTIME
    verb = "does not load" if loading else "does not run"
    problem = f"{target.path.name} {verb}: {working.refusal.problem}"
    stopped = [node for node in right.nodes if node.name in working.stopped]
    if not stopped:
        return (bare_fault(kind, problem, **_by_name(target, working.stopped)),)
    nobody = dangling_tensors(target.model)
    severed = [node for node in stopped if nobody & set(node.inputs)]
    fault = _broken(kind, problem, (severed or stopped)[0], left, right, links, operators)
    if not severed:
        return (fault,)
    names = [name for node in severed for name in node.outputs if name]
    return (replace(fault, guilty=tuple(dict.fromkeys(names))[:4]),)


def _by_name(target: Pivot, names: Collection[str]) -> _Named:
    """Return the stopping nodes where they compute with constants alone."""
    found = [node for node in nodes(target.model, target.folder) if node.name in names][:1]
    return {"nodes": found, "guilty": [name for node in found for name in node.outputs]}


def _broken(  # noqa: PLR0913 - see `breakage_faults`
    kind: FaultClass,
    problem: str,
    node: Node,
    left: View,
    right: View,
    links: Links,
    operators: Sequence[OperatorPair],
) -> Fault:
    part = region(right, [name for name in node.outputs if name][:1], links.keys())
    ours = {link.tensors.source: link.tensors for link in links.values()}
    expected = _expected(node, left, right, operators)
    twin = region(left, (expected,), ours.keys()) if expected else Region((), (), ())
    fault = bare_fault(kind, problem, nodes=part.nodes, counterparts=twin.nodes)
    known = {node.op for node in twin.nodes}
    odd = [one for one in part.nodes if one.op not in known] or [node]
    guilty = [name for one in (*odd, node) for name in one.outputs if name]
    edges = {links[name].tensors for name in part.inputs if name in links}
    edges |= {ours[name] for name in twin.inputs if name in ours}
    return replace(
        fault,
        source=twin,
        target=part,
        guilty=tuple(dict.fromkeys(guilty))[:4],
        edges=tuple(sorted(edges, key=lambda edge: edge.target)),
    )


def _expected(
    node: Node, left: View, right: View, operators: Sequence[OperatorPair]
) -> str | None:
    """Return the source tensor that a stopping node should give.

    A tensor of the same name and operator; else what the counterpart of a reader reads;
    else what the node's own counterpart gives.
    """
    given = next(name for name in node.outputs if name)
    namesake = left.giver.get(given)
    if namesake is not None and namesake.op == node.op:
        return given
    partner = {both.target: left.operators[both.source] for both in operators}
    for reader in (one for one in right.nodes if given in one.inputs):
        macro = partner.get(right.owner[next(n for n in reader.outputs if n)].index)
        slot = reader.inputs.index(given)
        for other in macro.nodes if macro else ():
            if other.op == reader.op and other.inputs[slot : slot + 1] != ("",):
                return next(
                    (n for n in other.inputs[slot : slot + 1] if n in left.giver), None
                )
    owner = partner.get(right.owner[given].index)
    return owner.outputs[-1] if owner else None
