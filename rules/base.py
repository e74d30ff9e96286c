"""What a rule is: a value made of three functions, with the examples that prove it.

A rule file defines, documented here once for all:

``detect(fault)``
    Return the cause as far as the evidence proves it, or None. Arrays in a fault have the
    shapes, dtypes and units of the models they were recorded from.
``explain(cause)``
    Return one sentence with this fault's names and numbers.
``repair(cause)``
    Return the cures in the order they should be tried; none where nothing can be offered.
``sabotage(model, rng)``
    Return a copy of a healthy model with this fault put in, or None where it has no place
    for it; optional.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np
import onnx

from analyzer.core.types import Fault, FaultClass, Finding, Fix, Node, Status
from rules.evidence import facets
from rules.regions import reconciled

MOST_TENSORS = 4
"""Tensors a finding names, at most."""

PROVEN = 0.95
"""Confidence of a rule with a passed cause test and an unmistakable pattern."""

LIKELY = 0.8
"""Confidence of a rule whose cause test cured the region, whatever the pattern."""

PLAUSIBLE = 0.6
"""Confidence of a rule that goes by structure: only its repair can prove it."""


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """Where a cause lies.

    Attributes:
        source: Source nodes concerned.
        target: Guilty target nodes.
        edge: Target tensors to name where no target node is guilty: an operator is missing.
        certainty: Factor on the rule's confidence, in [0, 1].
    """

    source: tuple[Node, ...] = ()
    target: tuple[Node, ...] = ()
    edge: tuple[str, ...] = ()
    certainty: float = 1.0


class Located(Protocol):
    """A cause that knows where it lies."""

    @property
    def spot(self) -> Spot:
        """The nodes or the edge at fault."""


CauseT = TypeVar("CauseT", bound=Located)


@dataclass(frozen=True, slots=True)
class Example:
    """A source model, and the same with the rule's fault, each built when called."""

    source: Callable[[], onnx.ModelProto]
    target: Callable[[], onnx.ModelProto]


@dataclass(frozen=True, slots=True, eq=False)
class Rule(Generic[CauseT]):
    """One kind of fault: how to know it, say it, cure it and make it.

    Attributes:
        slug: Its name: the file's, with dashes.
        fault_class: The class of its findings.
        confidence: In [0, 1]; specific rules outrank general ones.
        detect: See the module.
        explain: See the module.
        repair: See the module.
        examples: Pairs that one shared test runs.
        sabotage: See the module.
        statuses: What it speaks of; drift is left to the rules that name it.
        kind: The class of one fault, where that is not always the rule's own: of a rule
            that stands under the special ones.
        together: Like `detect`, for a cause that lies in several nodes at once; asked first
            where only several differences together cure a region.
    """

    slug: str
    fault_class: FaultClass
    confidence: float
    detect: Callable[[Fault], CauseT | None]
    explain: Callable[[CauseT], str]
    repair: Callable[[CauseT], tuple[Fix, ...]]
    examples: tuple[Example, ...]
    sabotage: (
        Callable[[onnx.ModelProto, np.random.Generator], onnx.ModelProto | None] | None
    ) = None
    statuses: frozenset[Status] = field(default=frozenset(Status) - {Status.DRIFT})
    kind: Callable[[Fault], FaultClass | None] = field(default=lambda fault: None)  # noqa: ARG005 - the rule's own class
    together: Callable[[Fault], CauseT | None] | None = None

    def judge(self, fault: Fault) -> tuple[Finding, ...]:
        """Return what this rule makes of a fault: one finding per guilty node, or nothing.

        Args:
            fault: A region that deviates, with its evidence.
        """
        if fault.status not in self.statuses:
            return ()
        whole = reconciled(fault)
        parts = facets(whole)
        several = any(one.jointly for one in whole.differences)
        joint = self.together(whole) if self.together and several else None
        if joint is not None:
            return (self._finding(whole, joint),)
        causes = ((facet, self.detect(facet)) for facet in parts)
        return tuple(
            self._finding(facet, cause) for facet, cause in causes if cause is not None
        )

    def _finding(self, fault: Fault, cause: CauseT) -> Finding:
        spot = cause.spot
        tensors = _outputs(spot.target) or spot.edge[:MOST_TENSORS] or fault.guilty
        fixes = self.repair(cause)
        return Finding(
            id=finding_id(self.slug, tensors),
            rule=self.slug,
            fault_class=_class_of(fault, self.kind(fault) or self.fault_class),
            status=fault.status,
            where=fault.where,
            confidence=self.confidence * spot.certainty,
            source_nodes=tuple(node.name for node in spot.source),
            target_nodes=tuple(node.name for node in spot.target),
            source_tensors=_outputs(spot.source),
            target_tensors=tensors,
            native_source=None,
            native_target=None,
            location=None,
            local_error=fault.local_error,
            noise_floor=fault.noise_floor,
            output_error=fault.output_error,
            affected=fault.affected,
            samples=fault.samples,
            message=self.explain(cause),
            fix=next(iter(fixes), None),
            alternatives=fixes[1:],
            outcome=None,
            fault=fault,
        )


def _class_of(fault: Fault, stated: FaultClass) -> FaultClass:
    """Return a finding's class; a rule of what stops a model speaks of both ways to."""
    both = {FaultClass.LOAD_FAILURE, FaultClass.RUNTIME}
    stops = stated in both and fault.fault_class in both
    return fault.fault_class if stops and fault.fault_class else stated


def finding_id(slug: str, tensors: tuple[str, ...]) -> str:
    """Return an identifier that the same finding gets in every run.

    Args:
        slug: The rule's.
        tensors: The target tensors it names.
    """
    return hashlib.sha256("\0".join((slug, *tensors)).encode()).hexdigest()[:12]


def _outputs(nodes: tuple[Node, ...]) -> tuple[str, ...]:
    names = (name for node in nodes for name in node.outputs if name)
    return tuple(dict.fromkeys(names))[:MOST_TENSORS]
