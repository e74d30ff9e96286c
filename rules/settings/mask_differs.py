"""A mask hides other places than the source's.

Cause
    A causal or padding mask was built for another shape, shifted by one, turned round
    (true where the other framework has false), or lost.

Evidence
    Some numbers of the result lie so far below the others that a Softmax makes nothing of
    them; the places where they do are not the source's, and elsewhere the result is right,
    on every recorded sample. Or a constant of truth values has some that the source's has
    not, and the region is right with the source's.

Repair
    Let the source's own nodes mask; restore the constant.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx
from onnx import helper, numpy_helper

from analyzer.core.types import (
    Array,
    Aspect,
    Difference,
    Fault,
    FaultClass,
    Fix,
    ReplaceRegion,
)
from rules.base import PROVEN, Example, Rule, Spot
from rules.carrying import carried
from rules.changes import Change, beside, change, undoing
from rules.evidence import is_cure, results
from rules.models import model
from rules.sabotage import Victim, spoiled
from rules.wording import listed, named

HIDDEN = -1e3
"""Scores below this are a mask's: ones that a model computes lie closer to zero."""

CHOOSING = frozenset({"Where", "Add", "Sub", "Mul", "Min", "Max"})
"""Operators that lay a mask over scores."""


PARTICULAR = PROVEN + 0.01
"""Confidence: which places are hidden says more than that an operator is missing."""


@dataclass(frozen=True, slots=True, eq=False)
class OtherMask:
    """A result of which other places are hidden: how many, and how many should be."""

    tensor: str
    found: int
    right: int
    apart: int
    size: int
    edit: ReplaceRegion | None
    spot: Spot


@dataclass(frozen=True, slots=True, eq=False)
class OtherFlags:
    """A constant of truth values of which some are not the source's."""

    change: Change
    right: Array
    wrong: Array

    @property
    def spot(self) -> Spot:
        """Where it lies."""
        return self.change.spot


def detect(fault: Fault) -> OtherMask | OtherFlags | None:
    if _is_replaced(fault):
        return None
    return _flags(fault) or _hidden(fault)


def _flags(fault: Fault) -> OtherFlags | None:
    found = change(fault, _is_of_flags)
    if found is None:
        return None
    one = found.difference
    return OtherFlags(found, np.asarray(one.source), np.asarray(one.target))


def _is_of_flags(difference: Difference) -> bool:
    """Return whether two constants hold other truth values, more than a single one."""
    both = np.asarray(difference.source), np.asarray(difference.target)
    if difference.aspect is not Aspect.WEIGHT or both[0].shape != both[1].shape:
        return False
    return both[0].size > 1 and all(one.dtype == np.bool_ for one in both)


def _hidden(fault: Fault) -> OtherMask | None:
    name = fault.target.outputs[0] if len(fault.target.outputs) == 1 else ""
    seen = [(one, right) for tensor, one, right in results(fault) if tensor == name]
    if not seen or not all(_is_masked(one, right) for one, right in seen):
        return None
    hiding, wanted = (array <= HIDDEN for array in seen[0])
    if not (hiding != wanted).any():
        return None
    guilty = tuple(node for node in fault.target.nodes if node.op in CHOOSING)
    return OtherMask(
        name,
        int(hiding.sum()),
        int(wanted.sum()),
        int((hiding != wanted).sum()),
        hiding.size,
        carried(fault),
        Spot(fault.source.nodes, guilty[-1:] or fault.target.nodes[-1:]),
    )


def _is_replaced(fault: Fault) -> bool:
    """Return whether another operator lays the right mask over the scores."""
    wrong = (one for one in fault.differences if one.aspect is Aspect.OPERATOR)
    return any(is_cure(one, fault) for one in wrong)


def explain(cause: OtherMask | OtherFlags) -> str:
    if isinstance(cause, OtherFlags):
        apart = int((cause.right != cause.wrong).sum())
        return (
            f"{named(cause.change.node)}: {apart} of the {cause.wrong.size} entries of its "
            f"mask are not the source's: {int(cause.wrong.sum())} are true, of the "
            f"source's {int(cause.right.sum())}{beside(cause.change)}"
        )
    return (
        f"{cause.tensor}: {cause.found} of {cause.size} places are hidden, the source's "
        f"{listed(cause.spot.source)} hides {cause.right}; {cause.apart} are other ones"
    )


def repair(cause: OtherMask | OtherFlags) -> tuple[Fix, ...]:
    if isinstance(cause, OtherFlags):
        return undoing(f"Restore the mask of {cause.change.node.name}", cause.change)
    title = f"Hide of {cause.tensor} what the source hides"
    return () if cause.edit is None else (Fix(title, (cause.edit,)),)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, CHOOSING, _shift)


def _shift(victim: Victim) -> bool:
    """Shift a constant mask by one place along its last axis."""
    held = {slot: victim.constant(slot) for slot in range(len(victim.node.input))}
    for slot, mask in held.items():
        if mask is None or not mask.ndim or not _hides(mask):
            continue
        shifted = np.roll(mask, 1, axis=-1)
        if not np.array_equal(shifted, mask):
            victim.set_constant(slot, np.ascontiguousarray(shifted))
            return True
    return False


def _hides(mask: Array) -> bool:
    """Return whether a constant chooses places: by truth values, or by huge numbers."""
    if mask.dtype == np.bool_:
        return True
    hidden = mask <= HIDDEN
    return mask.dtype.kind == "f" and bool(hidden.any()) and not hidden.all()


def _is_masked(found: Array, right: Array) -> bool:
    """Return whether two results of one shape agree where neither hides anything."""
    if found.shape != right.shape or right.dtype.kind != "f":
        return False
    wanted = right <= HIDDEN
    shown = ~wanted & ~(found <= HIDDEN)
    if not wanted.any() or wanted.all():
        return False
    scale = float(np.abs(right[~wanted]).max(initial=0.0)) or 1.0
    return bool(np.all(np.abs(found[shown] - right[shown]) <= CLOSE * scale))


CLOSE = 1e-4
"""Relative deviation of scores that are one: sums of products in another order."""


def scores(mask: Array) -> onnx.ModelProto:
    """Return a product, a mask that is added, and a Softmax.

    Args:
        mask: Shape [8, 8], zero where nothing is hidden.
    """
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["s"], name="scores"),
        helper.make_node("Add", ["s", "mask"], ["m"], name="masked"),
        helper.make_node("Softmax", ["m"], ["p"], name="shares", axis=-1),
        helper.make_node("MatMul", ["p", "w"], ["y"], name="mixed"),
    ]
    weight = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32)
    constants = [
        numpy_helper.from_array(weight, "w"),
        numpy_helper.from_array(mask, "mask"),
    ]
    return model(nodes, constants)


def causal(offset: int) -> onnx.ModelProto:
    """Return scores of which each place sees those up to an offset behind its own."""
    return scores(np.triu(np.full((8, 8), -1e4, np.float32), offset))


def seen_by_token(offset: int) -> onnx.ModelProto:
    """Return values of which each place keeps those up to an offset behind its own."""
    nodes = [
        helper.make_node("Greater", ["x", "zero"], ["above"], name="above"),
        helper.make_node("And", ["seen", "above"], ["kept"], name="kept"),
        helper.make_node("Where", ["kept", "x", "zero"], ["y"], name="masked"),
    ]
    held = {"zero": np.zeros((), np.float32), "seen": np.tri(8, k=offset, dtype=np.bool_)}
    constants = [numpy_helper.from_array(value, name) for name, value in held.items()]
    return model(nodes, constants)


RULE: Rule[OtherMask | OtherFlags] = Rule(
    slug="mask-differs",
    fault_class=FaultClass.LAYER_HYPERPARAMETERS,
    confidence=PARTICULAR,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(source=lambda: causal(1), target=lambda: causal(2)),
        Example(source=partial(seen_by_token, 0), target=partial(seen_by_token, 1)),
    ),
)
