"""A target that does not load or run: which node stops it, what runs without that node."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import onnx

from analyzer.core.errors import RunError
from analyzer.core.graph import node_name
from analyzer.core.types import Fault, FaultClass, Feeds, Node, Pivot, TensorPair
from analyzer.matching.operators import TRUST, OperatorPair
from analyzer.matching.tensors import Link, Links
from analyzer.outside import bare_fault
from analyzer.runtime.dump import instrument
from analyzer.runtime.prefix import safe_prefix
from analyzer.runtime.session import open_session
from analyzer.standstill import between, lost_part
from analyzer.torn import Torn
from analyzer.view import Operator, View
from analyzer.view.absorb import LAYOUT_OPS
from analyzer.view.classes import dangling_tensors

BEHIND = "structure after"
"""The evidence by which a stopping node is paired."""


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
    torn = Torn(target, left, right, links, operators, working.stopped)
    stopped = _named(right.nodes, working.stopped)
    if not stopped:  # it computes with constants and shapes alone
        apart = _named(torn.every, working.stopped)[:1]
        return tuple(torn.fault(kind, problem, node) for node in apart) or (
            bare_fault(kind, problem),
        )
    nobody = dangling_tensors(target.model)
    severed = [node for node in stopped if nobody & set(node.inputs)]
    fault = torn.fault(kind, problem, (severed or stopped)[0])
    if not severed:
        return (fault,)
    lost = lost_part(severed, nobody, (left, right), links, operators)
    names = [name for node in severed for name in node.outputs if name]
    guilty = tuple(dict.fromkeys(names))[:4]
    return (replace(fault if lost is None else between(fault, *lost), guilty=guilty),)


def _named(every: Iterable[Node], names: Collection[str]) -> list[Node]:
    return [node for node in every if node.name in names and any(node.outputs)]
