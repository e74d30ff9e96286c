"""A target that does not load or run: which node stops it, and how much of it runs without."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import onnx

from analyzer.core.errors import RunError
from analyzer.core.types import Fault, FaultClass, Feeds, Node, Pivot
from analyzer.matching.operators import OperatorPair
from analyzer.outside import bare_fault
from analyzer.matching.tensors import Links
from analyzer.regions import region
from analyzer.runtime.dump import instrument
from analyzer.runtime.prefix import safe_prefix
from analyzer.runtime.session import open_session
from analyzer.view import View


@dataclass(frozen=True, slots=True, eq=False)
class Runnable:
    """As much of a target as runs.

    Attributes:
        model: The target's own proto where all of it runs.
        stopped: Names of the nodes at which the runtime stops, first one first.
        refusal: What the runtime said first; None where all of it runs.
    """

    model: onnx.ModelProto
    stopped: tuple[str, ...]
    refusal: RunError | None


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
        return Runnable(model, stopped or (refusal.node,), refusal)
    return Runnable(target.model, (), None)


def breakage_faults(  # noqa: PLR0913 - the refusal, and all that is known of what lies before it
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
    nodes = [node for node in right.nodes if node.name in working.stopped]
    if not nodes:
        return (bare_fault(kind, problem),)
    return tuple(
        _broken(kind, problem, node, left, right, links, operators) for node in nodes[:1]
    )


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
    counterparts = _counterparts(left, right, node, links, operators)
    fault = bare_fault(kind, problem, nodes=part.nodes, counterparts=counterparts)
    known = {node.op for node in counterparts}
    odd = [one for one in part.nodes if one.op not in known] or [node]
    guilty = [name for one in (*odd, node) for name in one.outputs if name]
    return replace(
        fault, target=part, guilty=tuple(dict.fromkeys(guilty))[:4],
        edges=tuple(links[name].tensors for name in part.inputs if name in links),
    )


def _counterparts(
    left: View, right: View, node: Node, links: Links, operators: Sequence[OperatorPair]
) -> tuple[Node, ...]:
    """Return the source's nodes between the tensors the region starts from and its end."""
    partner = {both.target: both.source for both in operators}
    owner = right.owner[node.outputs[0]].index
    if owner not in partner:
        return ()
    ours = {link.tensors.source for link in links.values()}
    end = left.operators[partner[owner]].outputs[-1:]
    return region(left, end, ours).nodes
