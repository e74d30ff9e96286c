"""A target whose file states what its operators contradict: it stops before they compute.

A runtime refuses such a file as a whole, often without a node's name. Read as its operators
have it, it can be compared like any other.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from analyzer.core.errors import RunError
from analyzer.core.graph import nodes
from analyzer.core.report import NotCompared, Report, Verdict
from analyzer.core.types import Fault, Finding, Pivot, Restate
from analyzer.frontends.imported import specs
from analyzer.outside import bare_fault
from analyzer.restated import restated
from analyzer.runtime.session import open_session
from analyzer.statements import ends, names, types, versions
from analyzer.statements.scene import SHOWN, Contradiction, Scene

LOOKS: tuple[Callable[[Scene], Iterator[Contradiction]], ...] = (
    versions.old_format,
    names.valueless,
    names.node_names,
    names.tensor_names,
    names.given_twice,
    versions.opset,
    types.weights,
    ends.lost_inputs,
    ends.added_inputs,
    ends.outputs,
    ends.input_types,
    types.types,
)
"""In this order: names before what is told by them, ends before types."""

FED: tuple[Callable[[Scene], Iterator[Contradiction]], ...] = (
    ends.added_inputs,
    ends.input_types,
)
"""What may keep a model that loads from taking a sample."""


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """A target as its operators have it.

    Attributes:
        target: The target, restated; the very same where nothing is contradicted.
        faults: A fault for each contradiction.
    """

    target: Pivot
    faults: tuple[Fault, ...]


def read_as_meant(source: Pivot, target: Pivot, refusal: RunError | None) -> Read:
    """Return a target that a runtime refuses as its operators have it.

    Args:
        source: The source.
        target: The target; only an ONNX file is the user's own.
        refusal: What the runtime said; None: it takes the target.
    """
    if refusal is None or target.framework != "onnx":
        return Read(target, ())
    meant, found = target, list[Contradiction]()
    for look in LOOKS if refusal.loading else FED:
        here = tuple(look(Scene(source, meant, refusal)))
        found += here
        if here:
            meant = _restated(meant, [one.edit for one in here])
    return Read(meant, tuple(_fault(one, target, meant) for one in found))


def _fault(found: Contradiction, target: Pivot, meant: Pivot) -> Fault:
    first, last = nodes(target.model, target.folder), nodes(meant.model, meant.folder)
    known = (*reversed(first), *last)
    own = (next((n for n in known if name in n.outputs), None) for name in found.guilty)
    concerned = tuple({one.name: one for one in own if one is not None}.values())
    problem = f"{target.path.name} does not load: {found.problem}"
    bare = bare_fault(found.kind, problem, nodes=concerned, guilty=found.guilty[:SHOWN])
    return replace(bare, restated=(found.edit,))


def _restated(pivot: Pivot, edits: Sequence[Restate]) -> Pivot:
    """Return a pivot of a restated model; its native runtime is ONNX Runtime."""
    model, folder = restated(pivot.model, edits), pivot.folder
    weights = {tensor.name for tensor in model.graph.initializer}
    fed = (value for value in model.graph.input if value.name not in weights)
    return replace(
        pivot,
        model=model,
        inputs=specs(fed),
        outputs=specs(model.graph.output),
        run_native=lambda feeds: open_session(model, folder, optimize=True).run(feeds),
    )


def with_contradictions(
    base: Report, told: Sequence[Finding], broken: Sequence[NotCompared]
) -> Report:
    """Return a report with what stands in the target's file and is not so.

    Args:
        base: What there is to say of the target as it is meant.
        told: The findings of its contradictions.
        broken: Rules that failed.
    """
    missed = dict.fromkeys((*base.coverage.not_compared, *broken))
    return replace(
        base,
        verdict=Verdict.DIVERGENT,
        findings=(*told, *base.findings),
        coverage=replace(base.coverage, not_compared=tuple(missed)),
    )
