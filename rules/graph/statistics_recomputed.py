"""A normalisation takes the statistics of each sample instead of the stored ones.

Cause
    A layer that keeps running statistics was exported as one that has none: an instance
    normalisation stands where the mean and the variance were trained. Every sample is then
    normalised by itself, and what tells samples apart is lost.

Evidence
    The target's region computes a mean and a variance of what it reads, the source's reads
    them as constants; and each channel of what came out has the mean and the deviation that
    such a layer gives it, on every recorded sample.

Repair
    Let the source's own nodes normalise, with the stored statistics.

Prevention
    Export in evaluation mode, with an exporter that knows `track_running_stats`; or put a
    batch normalisation in the layer's place: in evaluation mode they are the same.

References:
    https://github.com/pytorch/pytorch/issues/53887
    https://github.com/pytorch/pytorch/issues/72057
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from analyzer.core.types import Array, Fault, FaultClass, Fix, Node, ReplaceRegion
from rules.base import PROVEN, Example, Rule, Spot
from rules.carrying import carried
from rules.evidence import results
from rules.models import batch_norm, chain, conv, layer
from rules.sabotage import Victim, spoiled
from rules.wording import listed, named

RECOMPUTING = frozenset({"InstanceNormalization", "MeanVarianceNormalization"})
"""Operators that take the statistics of what they read."""

REDUCING = RECOMPUTING | frozenset(
    {"ReduceMean", "LayerNormalization", "GlobalAveragePool"}
)
"""Operators with which a source recomputes them as well."""

CENTRED = 1e-3
"""Deviation of a channel's mean from the layer's bias, in its scale: float32 sums."""


@dataclass(frozen=True, slots=True, eq=False)
class Recomputed:
    """A normalisation with statistics of its own, and the one in whose place it stands."""

    node: Node
    channels: int
    edit: ReplaceRegion | None
    spot: Spot


def detect(fault: Fault) -> Recomputed | None:
    guilty = [node for node in fault.target.nodes if node.op in RECOMPUTING]
    if len(guilty) != 1 or any(node.op in REDUCING for node in fault.source.nodes):
        return None
    node = guilty[0]
    bias = node.constants.get(2)
    if bias is None or not _is_centred(fault, node.outputs[0], bias):
        return None
    return Recomputed(node, bias.size, carried(fault), Spot(fault.source.nodes, (node,)))


def explain(cause: Recomputed) -> str:
    return (
        f"{named(cause.node)}: normalises each sample by its own statistics, the source's "
        f"{listed(cause.spot.source)} by stored ones of {cause.channels} channels"
    )


def repair(cause: Recomputed) -> tuple[Fix, ...]:
    title = f"Normalise {cause.node.outputs[0]} with the stored statistics"
    return () if cause.edit is None else (Fix(title, (cause.edit,)),)


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    return spoiled(model, rng, {"BatchNormalization"}, _forget)


def _forget(victim: Victim) -> bool:
    node = victim.node
    if any(victim.constant(slot) is None for slot in (1, 2, 3, 4)) or len(node.output) > 1:
        return False
    del node.input[3:]
    node.op_type = "InstanceNormalization"
    for name in ("momentum", "spatial", "training_mode"):
        victim.set_attribute(name, None)
    return True


def _is_centred(fault: Fault, name: str, bias: Array) -> bool:
    """Return whether every channel of a result lies around its bias on every sample."""
    seen = [found for tensor, found, _ in results(fault) if tensor == name]
    if not seen or any(one.ndim < 3 or one.shape[1] != bias.size for one in seen):  # noqa: PLR2004 - channels of something
        return False
    return all(
        np.allclose(
            one.mean(axis=tuple(range(2, one.ndim))),
            bias.reshape(1, -1),
            rtol=0,
            atol=CENTRED * float(np.abs(one).max(initial=1.0)),
        )
        for one in seen
    )


def forgotten() -> onnx.ModelProto:
    """Return a convolution and a normalisation that has lost its statistics."""
    held = batch_norm()
    lost = layer("InstanceNormalization", held.constants[1], held.constants[2])
    return chain(conv(), lost, conv(4, 2))


def stepwise() -> onnx.ModelProto:
    """Return a convolution and a batch normalisation in single steps."""
    one = {
        slot: array.reshape(1, -1, 1, 1) for slot, array in batch_norm().constants.items()
    }
    deviation = np.sqrt(one[4] + np.float32(1e-5))
    return chain(
        conv(),
        layer("Sub", one[3]),
        layer("Div", deviation),
        layer("Mul", one[1]),
        layer("Add", one[2]),
        conv(4, 2),
    )


RULE = Rule(
    slug="statistics-recomputed",
    fault_class=FaultClass.COMPUTATIONAL_GRAPH,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(chain, conv(), batch_norm(), conv(4, 2)),
            target=forgotten,
        ),
        Example(source=stepwise, target=forgotten),
    ),
)
