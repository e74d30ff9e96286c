"""Differences that change nothing: settings that inference never reads."""

from collections.abc import Iterator

from analyzer.comparison import Compared
from analyzer.core.types import AttributeValue, FaultClass, Finding, Node, Pair, Status
from analyzer.differences import couples
from analyzer.outside import bare_fault, bare_finding
from analyzer.view.inline import Opened

NEVER_READ = "never-read"
"""The rule of a setting that differs and that inference never reads."""

OF_TRAINING = ("momentum", "seed")
"""Settings with which a model is trained: how fast statistics follow, what is dropped.

Source: https://onnx.ai/onnx/operators/onnx__BatchNormalization.html"""

Setting = tuple[str, str, AttributeValue, AttributeValue]
"""An operator's type, its setting, the source's value and the target's."""


def harmless_findings(compared: Compared, side: Opened) -> Iterator[Finding]:
    """Yield one finding for each setting that differs without effect, of all its nodes.

    Args:
        compared: What comparing the models gave.
        side: The target with its fused operators opened.
    """
    found: dict[Setting, list[Node]] = {}
    for ours, theirs in _couples(compared):
        for field in OF_TRAINING:
            value, other = ours.attributes.get(field), theirs.attributes.get(field)
            if value is not None and other is not None and value != other:
                found.setdefault((ours.op, field, value, other), []).append(theirs)
    for (op, field, value, other), nodes in found.items():
        names = dict.fromkeys(side.called(node.name) for node in nodes)
        few = ", ".join(list(names)[:FEW])
        more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
        problem = (
            f"{op} {few}{more}: {field} is {other!r}, the source's is {value!r}; inference "
            f"never reads it"
        )
        fault = bare_fault(
            FaultClass.LAYER_HYPERPARAMETERS,
            problem,
            nodes=tuple(nodes),
            guilty=tuple(side.held(node.outputs[0]) for node in nodes),
            status=Status.HARMLESS,
            error=0.0,
        )
        yield bare_finding(NEVER_READ, fault)


FEW = 3
"""Nodes that a message names."""


def _couples(compared: Compared) -> Iterator[tuple[Node, Node]]:
    """Yield the nodes of one type that stand for each other."""
    ours, theirs = compared.source.operators, compared.target.operators
    for one in compared.operators:
        both = Pair(ours[one.source].nodes, theirs[one.target].nodes, one.score)
        for couple in couples(both):
            source, target = couple.source, couple.target
            if source is not None and target is not None and source.op == target.op:
                yield source, target
