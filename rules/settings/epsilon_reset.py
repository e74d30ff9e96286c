"""A normalisation has another epsilon than it was trained with.

Cause
    The converter left `epsilon` out, so that the runtime uses its own default, or it
    rounded it. Every channel of small variance is scaled wrongly.

Evidence
    The region is right with the source's epsilon. Where a batch normalisation is folded
    away on one side, the epsilon it was folded with is solved from the factors: one number
    explains those of all channels. Where a normalisation is written out, it is the small
    number that is added to what is never negative.

Repair
    Set the epsilon. Safe: nothing else reads it.

Prevention
    State the epsilon on both sides: Keras batch normalisation takes 1e-3 where nothing is
    said, torch 1e-5.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from analyzer.core.listing import several
from analyzer.core.types import Array, Aspect, Difference, Fault, FaultClass, Fix, Node
from rules.base import PROVEN, Example, Rule, Spot
from rules.changes import Change, change, undoing
from rules.evidence import blamed
from rules.models import batch_norm, chain, conv, layer
from rules.regions import PASSING
from rules.sabotage import Victim, spoiled
from rules.wording import named

ONNX_DEFAULT = 1e-5
NORMALISATIONS = frozenset(
    {
        "BatchNormalization",
        "InstanceNormalization",
        "LayerNormalization",
        "GroupNormalization",
    }
)
PARAMETERS = ("scale", "bias", "mean", "variance")
"""What a batch normalisation reads as constants, in the slots from 1 on."""

LARGEST = float(np.float32(0.1))
"""Largest number that is taken for an epsilon; hardly one that is in use reaches it."""

TINY = 1e-3
"""A trained number up to this, added to all of a tensor, is an epsilon whoever reads it."""

GUARDED = {
    "Sqrt": "under the root",
    "Pow": "under the root",
    "Log": "under the logarithm",
    "Div": "to the divisor",
    "Reciprocal": "to the divisor",
}
"""What an epsilon keeps from zero, by the operator that reads the sum."""

SQUARES = frozenset({"ReduceSumSquare", "ReduceL1", "ReduceL2", "Abs"})
"""Operators that give nothing negative; so does a mean or sum of what a `Pow` gives."""

ROUNDED = 1e-5
"""Relative deviation of factors that float32 arithmetic in another order leaves."""

COARSER = 100.0
"""Factor on a sabotaged epsilon: it shows where the variance is small."""


@dataclass(frozen=True, slots=True, eq=False)
class Epsilon:
    """An epsilon that is not the trained one.

    Attributes:
        found: The target's.
        trained: The source's.
        how: How the target holds it, as a sentence goes on.
        change: What must be undone.
    """

    found: float
    trained: float
    how: str
    change: Change

    @property
    def spot(self) -> Spot:
        """Where it lies."""
        return self.change.spot


def detect(fault: Fault) -> Epsilon | None:
    stated = change(fault, _is_epsilon)
    if stated is not None:
        return _epsilon(stated, "is stated")
    added = change(fault, lambda one: _is_guard(one, fault))
    if added is None:
        return None
    readers = _readers(added.node, fault)
    where = next((GUARDED[one.op] for one in readers if one.op in GUARDED), "")
    return _epsilon(added, f"is added {where or 'to what is never negative'}")


def together(fault: Fault) -> Epsilon | None:
    """Return the epsilon that a whole folded normalisation was made with."""
    joint = tuple(one for one in blamed(fault) if one.jointly and one.target_node)
    norms = [node for node in fault.source.nodes if node.op == "BatchNormalization"]
    if len(norms) != 1 or len(norms[0].constants) < len(PARAMETERS):
        return None
    node, variance = norms[0], norms[0].constants[4].astype(np.float64)
    trained = _number(node.attributes.get("epsilon", ONNX_DEFAULT))
    solved = (_folded_with(one, variance, trained) for one in joint)
    found = next((one for one in solved if one is not None), None)
    if found is None or not all(one.aspect is Aspect.WEIGHT for one in joint):
        return None
    guilty = {one.target_node.name: one.target_node for one in joint if one.target_node}
    targets = tuple(guilty.values())
    cause = Change(joint[0], joint, targets[0], Spot((node,), targets))
    return Epsilon(found, trained, f"was folded in for that of {named(node)}", cause)


def explain(cause: Epsilon) -> str:
    default = " (ONNX's default)" if np.isclose(cause.found, ONNX_DEFAULT, rtol=0.1) else ""
    nodes = several(map(named, cause.spot.target), " and ")
    return (
        f"{nodes}: epsilon {cause.found:.3g}{default} {cause.how}, the trained one is "
        f"{cause.trained:.3g}"
    )


def repair(cause: Epsilon) -> tuple[Fix, ...]:
    name = cause.change.node.name
    return undoing(f"Restore the trained epsilon of {name}", cause.change)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, NORMALISATIONS, _coarsen)


def _coarsen(victim: Victim) -> bool:
    epsilon = float(victim.attribute("epsilon", ONNX_DEFAULT))  # type: ignore[arg-type]  # a FLOAT
    victim.set_attribute("epsilon", epsilon * COARSER)
    return True


def _is_epsilon(difference: Difference) -> bool:
    return difference.field == "epsilon"


def _is_guard(difference: Difference, fault: Fault) -> bool:
    """Return whether a small number is added to what is never negative.

    The wrong one may be of any size where the trained one, or who reads the sum, tells.
    """
    node, wrong, right = difference.target_node, difference.target, difference.source
    if node is None or node.op != "Add" or difference.aspect is not Aspect.WEIGHT:
        return False
    if np.asarray(wrong).size != 1 or np.asarray(right).size != 1:
        return False
    trained, found = _number(right), _number(wrong)
    if not 0 < trained <= LARGEST or found < 0:
        return False
    readers = _readers(node, fault)
    told = trained <= TINY or any(one.op in GUARDED for one in readers)
    small = 0 < found <= LARGEST and not readers
    return (told or small) and _never_negative(node.inputs[1 - difference.slot], fault)


def _readers(node: Node, fault: Fault) -> tuple[Node, ...]:
    """Return the nodes of the target's region that compute with what a node gives."""
    given, found = set(node.outputs), []
    for one in fault.target.nodes:  # in topological order
        if given.isdisjoint(one.inputs):
            continue
        if one.op in PASSING:
            given.update(one.outputs)
        else:
            found.append(one)
    return tuple(found)


def _never_negative(tensor: str, fault: Fault) -> bool:
    """Return whether a tensor was recorded without a negative value, or has none ever."""
    seen = [sample.inputs[tensor] for sample in fault.recorded if tensor in sample.inputs]
    if seen:
        return all(bool(np.all(array >= 0)) for array in seen)
    given = {name: node for node in fault.target.nodes for name in node.outputs}
    node = given.get(tensor)
    while node is not None and node.op in {"ReduceMean", "ReduceSum"}:
        tensor = node.inputs[0]
        node = given.get(tensor)
    if node is None:
        return False
    squared = node.op == "Mul" and node.inputs[0] == node.inputs[1]
    return squared or node.op in SQUARES or (node.op == "Pow" and _is_even(node))


def _is_even(power: Node) -> bool:
    exponent = power.constants.get(1)
    return exponent is not None and bool(np.all(exponent % 2 == 0))


def _folded_with(difference: Difference, variance: Array, trained: float) -> float | None:
    """Return the one epsilon that explains the factors of all channels, if there is one."""
    right, wrong = difference.source, difference.target
    if not isinstance(right, np.ndarray) or not isinstance(wrong, np.ndarray):
        return None
    axes = [axis for axis, size in enumerate(right.shape) if size == variance.size]
    if not axes or right.shape != wrong.shape or not right.all():
        return None
    ours, theirs = (
        np.moveaxis(one.astype(np.float64), axes[0], 0).reshape(variance.size, -1)
        for one in (right, wrong)
    )
    ratio = (theirs / ours)[:, 0]
    if not np.allclose(theirs, ours * ratio[:, None], rtol=ROUNDED, atol=0):
        return None
    if not np.all(ratio) or np.allclose(ratio, 1.0, rtol=ROUNDED, atol=0):
        return None
    found = float(np.median((variance + trained) / ratio**2 - variance))
    if not np.all(variance + found > 0):
        return None
    expected = np.sqrt((variance + trained) / (variance + found))
    return found if np.allclose(expected, ratio, rtol=ROUNDED, atol=0) else None


def _epsilon(cause: Change, how: str) -> Epsilon:
    one = cause.difference
    return Epsilon(_number(one.target), _number(one.source), how, cause)


def _number(value: object) -> float:
    return float(np.asarray(value, np.float64).reshape(-1)[0])


def root_mean_square(epsilon: float) -> onnx.ModelProto:
    """Return a convolution, then one over the root of the mean of its squares."""
    guard = np.asarray(epsilon, np.float32)
    steps = (
        layer("Pow", np.asarray(2, np.float32)),
        layer("ReduceMean", axes=(1,), keepdims=1),
        layer("Add", guard),
        layer("Sqrt"),
        layer("Reciprocal"),
    )
    return chain(conv(), *steps)


RULE = Rule(
    slug="epsilon-reset",
    fault_class=FaultClass.LAYER_HYPERPARAMETERS,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    together=together,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, conv(), batch_norm(epsilon=1e-3)),
            target=partial(chain, conv(), batch_norm()),
        ),
        Example(
            source=partial(root_mean_square, 1e-5), target=partial(root_mean_square, 0.5)
        ),
    ),
)
