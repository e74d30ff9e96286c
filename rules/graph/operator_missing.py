"""Operators of the source are missing from the target.

Cause
    The converter dropped an operator: an activation, a rounding after a division, an
    assignment to a slice, a flip of a sequence.

Evidence
    The source has nodes without counterpart between two tensors that have one; or applying
    one operator of the source to what came out gives what should have come out, on every
    sample. A normalisation that the source folds into a weight is missing where each
    channel of the weight lacks a factor of its own, and the bias something else.

Repair
    Put the source's nodes on the edge where they are missing, in the target's opset and
    layout; fold a normalisation into the weight and the bias, as the source does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
    InsertNode,
    Node,
    Sample,
)
from rules.base import PLAUSIBLE, PROVEN, Example, Rule, Spot
from rules.carrying import carried, inserted
from rules.evidence import Hypothesis, blamed, fits
from rules.folded import unfolded
from rules.gaps import gap, skipped
from rules.models import Layer, chain, conv, layer
from rules.sabotage import bypassed, spoiled
from rules.wording import listed, named

STRUCTURAL = PLAUSIBLE / PROVEN + 0.05
"""Certainty where only the structure speaks; above that of a whole subgraph."""

UNARY: Mapping[str, Callable[[Array], Array]] = {
    "Relu": lambda x: np.maximum(x, 0),
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Round": np.round,
    "Abs": np.abs,
    "Neg": np.negative,
    "Tanh": np.tanh,
    "Exp": np.exp,
    "Sqrt": np.sqrt,
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Sign": np.sign,
    "Not": np.logical_not,
    "Reciprocal": np.reciprocal,
    "Log": np.log,
}
"""Operators of one input and no setting, as NumPy computes them."""

DROPPED = frozenset(
    {
        "Relu",
        "LeakyRelu",
        "Sigmoid",
        "Tanh",
        "Clip",
        "Floor",
        "Softmax",
        "Elu",
        "HardSwish",
    }
)
"""What sabotage drops."""


@dataclass(frozen=True, slots=True, eq=False)
class Missing:
    """The nodes that are missing, where, and edits each of which could put them there."""

    nodes: tuple[Node, ...]
    ops: str
    tensor: str
    edits: tuple[tuple[Edit, ...], ...]
    spot: Spot


def detect(fault: Fault) -> Missing | None:
    lacking = folded(fault)
    if lacking is not None:
        return lacking
    if any(map(_is_replaced, blamed(fault))):
        return None
    proven, likely = _by_value(fault), _by_structure(fault)
    if proven is None and likely is not None and _is_refuted(likely, fault):
        return None
    if proven is None or likely is None or proven.nodes != likely.nodes:
        return proven or likely
    return replace(likely, spot=replace(likely.spot, certainty=1.0))


def _is_refuted(likely: Missing, fault: Fault) -> bool:
    """Return whether one operator behind the result was tried, and does not mend it."""
    behind = fault.target.outputs == (likely.tensor,)
    return behind and [node.op in UNARY for node in likely.nodes] == [True]


def _is_replaced(difference: Difference) -> bool:
    """Return whether another operator stands in the place of one of the source's."""
    both = difference.source_node is not None and difference.target_node is not None
    return both and difference.aspect is Aspect.OPERATOR


def explain(cause: Missing) -> str:
    return f"{cause.tensor}: the source's {cause.ops} is missing behind it"


def repair(cause: Missing) -> tuple[Fix, ...]:
    title = f"Put {cause.ops} behind {cause.tensor}"
    return tuple(Fix(title, edits) for edits in cause.edits)


def folded(fault: Fault) -> Missing | None:
    """Return a normalisation that is missing behind a weight, which lacks its factors."""
    found = unfolded(fault)
    if found is None:
        return None
    low, high = float(found.factors.min()), float(found.factors.max())
    ops = (
        f"normalisation, {found.factors.size} factors from {low:.4g} to {high:.4g} that "
        f"{named(found.source)} holds in its weight,"
    )
    tensor = next(name for name in found.node.outputs if name)
    spot = Spot((found.source,), found.nodes)
    whole = carried(fault) if len(found.nodes) > 1 else None
    edits = found.edits if whole is None else (whole,)  # what is left would only cancel out
    return Missing((found.source,), ops, tensor, (edits,), spot)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, DROPPED, bypassed)


def _by_value(fault: Fault) -> Missing | None:
    name = fault.target.outputs[0] if len(fault.target.outputs) == 1 else ""
    known = [node for node in fault.source.nodes if node.op in UNARY]
    for node in reversed(known):
        if not fits(fault, _applied(node.op), name):
            continue
        edit = InsertNode(name, node.op, {}, {})
        return Missing((node,), node.op, name, ((edit,),), Spot((node,), edge=(name,)))
    return None


def _applied(op: str) -> Hypothesis:
    def hypothesis(observed: Array, sample: Sample) -> Array:
        del sample
        if observed.dtype == np.bool_ and op != "Not":
            return observed  # no arithmetic is defined on truth values
        with np.errstate(all="ignore"):
            return np.asarray(UNARY[op](observed))

    return hypothesis


def _by_structure(fault: Fault) -> Missing | None:
    proven = skipped(fault)
    if fault.unpaired_target and not proven:
        return None
    hole = gap(fault)
    if hole is None:
        return None
    tried = inserted(hole, fault), carried(fault)
    edits = tuple((edit,) for edit in tried if edit is not None)
    readers = tuple(name for node, _ in hole.readers for name in node.outputs)
    edge = tuple(dict.fromkeys((hole.place.tensor, *readers)))
    certainty = 1.0 if proven else STRUCTURAL
    spot = Spot(hole.nodes, edge=edge, certainty=certainty)
    return Missing(hole.nodes, listed(hole.nodes), hole.place.tensor, edits, spot)


def normalised(one: Layer) -> Layer:
    """Return a convolution with a batch normalisation folded into it."""
    kernel, bias = one.constants[1], one.constants[2]
    factors = np.linspace(0.5, 2.5, len(bias), dtype=np.float32)
    scaled = kernel * factors.reshape(-1, *[1] * (kernel.ndim - 1))
    held = {1: scaled.astype(np.float32), 2: bias * factors + np.float32(0.3)}
    return replace(one, constants=held)


RULE = Rule(
    slug="operator-missing",
    fault_class=FaultClass.COMPUTATIONAL_GRAPH,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    together=folded,
    examples=(
        Example(
            source=partial(chain, conv(), layer("Relu"), conv(4, 2)),
            target=partial(chain, conv(), conv(4, 2)),
        ),
        Example(
            source=partial(
                chain,
                conv(),
                layer("LeakyRelu", alpha=0.2),
                layer("MaxPool", kernel_shape=(2, 2)),
                layer("Exp"),
                conv(4, 2),
            ),
            target=partial(
                chain, conv(), layer("LeakyRelu", alpha=0.2), layer("Exp"), conv(4, 2)
            ),
        ),
        Example(
            source=partial(chain, conv(), layer("Floor")),
            target=partial(chain, conv()),
        ),
        Example(
            source=partial(chain, normalised(conv()), layer("Relu"), conv(4, 2)),
            target=partial(chain, conv(), layer("Relu"), conv(4, 2)),
        ),
    ),
)
