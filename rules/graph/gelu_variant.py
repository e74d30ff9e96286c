"""A Gelu is computed by its approximation, or exactly, where the source has the other.

Cause
    Two functions go by one name: the exact one with the error function, and the older
    approximation with a hyperbolic tangent. Frameworks differ in which is the default, and
    a converter or a fusion that looks at the name alone exchanges them.

Evidence
    One side's region computes with Erf, the other's with Tanh of a cubic; what each gives
    differs by no more than the two functions do anywhere.

Repair
    Say which one in the attribute, where the target's operator has it; else let the
    source's own nodes compute it.

Prevention
    State the variant on both sides: `approximate="tanh"` or `"none"` in torch and Keras.

References:
    https://onnx.ai/onnx/operators/onnx__Gelu.html
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from analyzer.core.changes import undone
from analyzer.core.types import Edit, Fault, FaultClass, Fix, Node
from rules.base import PROVEN, Example, Rule, Spot
from rules.carrying import carried
from rules.changes import change
from rules.evidence import results
from rules.models import chain, conv, layer
from rules.regions import computed_inputs
from rules.sabotage import Victim, spoiled
from rules.wording import listed, named

KINDS = {"Erf": "exact", "Tanh": "approximated"}
"""The operator by which each variant is known."""

VARIANTS = {"none": "exact", "tanh": "approximated"}
"""What Gelu's own attribute says."""

CUBING = frozenset({"Pow", "Mul"})
"""Operators with which the approximation makes its cube."""

GELU_SINCE = 20
"""The opset from which Gelu is an operator."""


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """The wrong variant of a Gelu: its node, what it is, what it should be."""

    node: Node
    found: str
    wanted: str
    gap: float
    edits: tuple[Edit, ...]
    spot: Spot


def detect(fault: Fault) -> Variant | None:
    return _stated(fault) or _written_out(fault)


def _stated(fault: Fault) -> Variant | None:
    """Return the cause where both sides have the operator, and say another variant."""
    found = change(fault, lambda one: one.field == "approximate")
    if found is None:
        return None
    one = found.difference
    told = [
        VARIANTS.get(str(value or "none"), "other") for value in (one.target, one.source)
    ]
    gap = max((_gap(name, fault) for name in fault.target.outputs), default=0.0)
    return Variant(found.node, told[0], told[1], gap, undone(one), found.spot)


def _written_out(fault: Fault) -> Variant | None:
    """Return the cause where the variants are told by what they compute with."""
    ours, theirs = _bend(fault.source.nodes), _bend(fault.target.nodes)
    if ours is None or theirs is None or ours.op == theirs.op:
        return None
    cubic = fault.source.nodes if ours.op == "Tanh" else fault.target.nodes
    if not any(node.op in CUBING for node in cubic):
        return None
    edit = carried(fault)
    if edit is None:
        return None
    gap = max((_gap(name, fault) for name in fault.target.outputs), default=0.0)
    spot = Spot((ours,), (theirs,))
    return Variant(theirs, KINDS[theirs.op], KINDS[ours.op], gap, (edit,), spot)


def explain(cause: Variant) -> str:
    return (
        f"{named(cause.node)}: computes the {cause.found} Gelu where the source's "
        f"{listed(cause.spot.source)} computes the {cause.wanted} one; they are up to "
        f"{cause.gap:.2g} apart here"
    )


def repair(cause: Variant) -> tuple[Fix, ...]:
    title = f"Compute the {cause.wanted} Gelu in the place of {cause.node.name}"
    return (Fix(title, cause.edits),)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"Gelu"}, _exchange)


def _exchange(victim: Victim) -> bool:
    is_tanh = victim.attribute("approximate", b"none") == b"tanh"
    victim.set_attribute("approximate", None if is_tanh else "tanh")
    return True


def _bend(nodes: tuple[Node, ...]) -> Node | None:
    """Return the one node that tells a variant; None where there is none, or several."""
    found = [node for node in nodes if node.op in KINDS]
    known = len(found) == 1 and len(computed_inputs(found[0])) == 1
    return found[0] if known else None


def _gap(name: str, fault: Fault) -> float:
    """Return how far a result is off at most; zero where it is of another shape."""
    seen = [(one, other) for tensor, one, other in results(fault) if tensor == name]
    wide = [(one.astype(np.float64), other) for one, other in seen]
    gaps = (np.abs(one - other) for one, other in wide if one.shape == other.shape)
    return max((float(np.max(gap, initial=0.0)) for gap in gaps), default=0.0)


RULE = Rule(
    slug="gelu-variant",
    fault_class=FaultClass.LAYER_HYPERPARAMETERS,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, conv(), layer("Gelu"), conv(4, 2), opset=GELU_SINCE),
            target=partial(
                chain,
                conv(),
                layer("Gelu", approximate="tanh"),
                conv(4, 2),
                opset=GELU_SINCE,
            ),
        ),
    ),
)
