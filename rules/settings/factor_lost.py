"""The factor of a product was lost, or another one put in its place.

Cause
    ``alpha`` and ``beta`` of a product, or the scale that stands beside it, were left out
    when the product was fused, taken apart or written for another operator: the weight is
    the trained one, and what it is multiplied with is not.

Evidence
    The target's weight is the source's own, number by number, and the region is right with
    the same weight times one number.

Repair
    Set ``alpha`` and ``beta`` where the target's operator has them; else scale the weight.

References:
    https://github.com/pytorch/pytorch/issues/26328
    https://github.com/pytorch/pytorch/pull/2949
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from analyzer.core.types import (
    Array,
    Aspect,
    Difference,
    Edit,
    Fault,
    FaultClass,
    Fix,
    Node,
    Safety,
    SetAttribute,
)
from rules.base import PROVEN, Example, Rule, Spot
from rules.changes import Change, change, undoing
from rules.models import chain, conv, dense, layer
from rules.patterns import same, uniform_factor
from rules.sabotage import Victim, spoiled
from rules.wording import listed, named

PARTICULAR = PROVEN + 0.01
"""Confidence: that the weight itself is right says more than that it is scaled."""

OPERANDS = {1: "alpha", 2: "beta"}
"""The factor that Gemm applies to what it reads in a slot."""

SUMS = frozenset({"Add", "Sub"})
"""Operators that multiply nothing: a bias of another sign is no factor of a product."""


@dataclass(frozen=True, slots=True, eq=False)
class LostFactor:
    """A product whose weights are right and whose factors are not.

    Attributes:
        change: What must be undone.
        factors: What each slot must be multiplied with.
    """

    change: Change
    factors: tuple[tuple[int, float], ...]

    @property
    def spot(self) -> Spot:
        """Where it lies."""
        return self.change.spot


def detect(fault: Fault) -> LostFactor | None:
    stated = change(fault, _is_stated)
    if stated is not None:
        return _of_attributes(stated)
    found = change(fault, lambda one: _is_product(one, fault))
    if found is None:
        return None
    factors = tuple((one.slot, _factor(one)) for one in found.together)
    known = tuple((slot, one) for slot, one in factors if one is not None)
    return LostFactor(found, known) if len(known) == len(factors) else None


def _of_attributes(cause: Change) -> LostFactor | None:
    """Return the cause where both sides are the same operator with other factors."""
    slots = {name: slot for slot, name in OPERANDS.items()}
    factors = []
    for one in cause.together:
        present = _present(cause.node, slots.get(one.field, 0)) if _is_stated(one) else 0.0
        if not present or not isinstance(one.source, int | float):
            return None
        factors.append((slots[one.field], float(one.source) / present))
    return LostFactor(cause, tuple(factors))


def explain(cause: LostFactor) -> str:
    told = " and ".join(
        f"input{slot} is multiplied by {_present(cause.change.node, slot):.6g}, by "
        f"{factor * _present(cause.change.node, slot):.6g} in the source"
        for slot, factor in cause.factors
    )
    return f"{named(cause.change.node)}: {told} ({listed(cause.spot.source)})"


def repair(cause: LostFactor) -> tuple[Fix, ...]:
    node = cause.change.node
    if node.op != "Gemm" or _is_stated(cause.change.difference):
        return undoing(f"Give {node.name} the source's factors", cause.change)
    edits: tuple[Edit, ...] = tuple(
        SetAttribute(node.name, OPERANDS[slot], factor * _present(node, slot))
        for slot, factor in cause.factors
    )
    scaled = undoing(f"Scale the weights of {node.name}", cause.change)
    return (Fix(f"Give {node.name} the source's factors", edits, Safety.SAFE), *scaled)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"Gemm"}, _lose)


def _lose(victim: Victim) -> bool:
    alpha = float(victim.attribute("alpha", 1.0))  # type: ignore[arg-type]  # a FLOAT
    victim.set_attribute("alpha", alpha * 2)
    return True


def _is_stated(difference: Difference) -> bool:
    """Return whether a difference is one of a product's factors, as an attribute."""
    node = difference.target_node
    is_factor = difference.field in OPERANDS.values()
    return difference.aspect is Aspect.ATTRIBUTE and is_factor and _is_gemm(node)


def _is_gemm(node: Node | None) -> bool:
    return node is not None and node.op == "Gemm"


def _is_product(difference: Difference, fault: Fault) -> bool:
    """Return whether a trained weight lacks a factor; a bias may be folded with its own."""
    wrong, node = difference.target, difference.target_node
    if node is None or node.op in SUMS:
        return False
    trained = isinstance(wrong, np.ndarray) and _is_trained(wrong, fault)
    return trained and _factor(difference) is not None


def _factor(difference: Difference) -> float | None:
    """Return what a weight must be multiplied with; None where that is no one number."""
    right, wrong = difference.source, difference.target
    if difference.aspect is not Aspect.WEIGHT or difference.slot not in OPERANDS:
        return None
    if not isinstance(right, np.ndarray) or not isinstance(wrong, np.ndarray):
        return None
    return uniform_factor(wrong, right) if wrong.size > 1 else None


def _is_trained(weight: Array, fault: Fault) -> bool:
    """Return whether the source's region reads the very numbers, transposed or not."""
    held = (one for node in fault.source.nodes for one in node.constants.values())
    return any(
        same(turned.reshape(weight.shape), weight)
        for one in held
        if one.size == weight.size
        for turned in (one, one.T)
    )


def _present(node: Node, slot: int) -> float:
    """Return the factor that a node applies to what it reads in a slot."""
    name = OPERANDS.get(slot, "")
    stated = node.attributes.get(name, 1.0) if _is_gemm(node) else 1.0
    return float(stated) if isinstance(stated, int | float) else 1.0


def scaled(**factors: float) -> onnx.ModelProto:
    """Return a convolution, a Flatten and a dense layer with factors."""
    last = dense(256)
    return chain(
        conv(), layer("Flatten"), layer("Gemm", *last.constants.values(), **factors)
    )


RULE = Rule(
    slug="factor-lost",
    fault_class=FaultClass.LAYER_HYPERPARAMETERS,
    confidence=PARTICULAR,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(scaled, alpha=0.5, beta=2.0),
            target=scaled,
        ),
    ),
)
