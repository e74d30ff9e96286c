"""The same computation is spelled with other operators.

Cause
    The converter folded a normalisation into the weights before it, wrote one operator as
    several or several as one, or moved axes about for its own layout.

Evidence
    The operators of a pair differ and what they compute does not, on any sample. Shown with
    ``-v``, and never a fault.

Repair
    None is needed.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from analyzer.core.types import Fault, FaultClass, Fix, Status
from rules.base import PROVEN, Example, Rule, Spot
from rules.models import Layer, batch_norm, chain, conv, layer
from rules.wording import listed


@dataclass(frozen=True, slots=True, eq=False)
class Spelling:
    """Operators of both sides that compute the same."""

    spot: Spot
    samples: int


def detect(fault: Fault) -> Spelling | None:
    if fault.differences:
        return None
    return Spelling(Spot(fault.source.nodes, fault.target.nodes), fault.samples)


def explain(cause: Spelling) -> str:
    ours, theirs = cause.spot.source, cause.spot.target
    return (
        f"{listed(theirs)} ({theirs[-1].name}) stands for the source's {listed(ours)} "
        f"({ours[-1].name}) and computes the same on {cause.samples} of {cause.samples} "
        f"samples"
    )


def repair(cause: Spelling) -> tuple[Fix, ...]:
    del cause
    return ()


def folded(one: Layer, norm: Layer) -> Layer:
    """Return a convolution with the normalisation behind it in its weights."""
    scale, shift, mean, variance = (norm.constants[slot] for slot in (1, 2, 3, 4))
    factor = (scale / np.sqrt(variance + 1e-5)).astype(np.float32)
    kernel = one.constants[1] * factor.reshape(-1, 1, 1, 1)
    bias = (one.constants[2] - mean) * factor + shift
    return replace(one, constants={1: kernel, 2: bias})


RULE = Rule(
    slug="spelled-otherwise",
    fault_class=FaultClass.COMPUTATIONAL_GRAPH,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    statuses=frozenset({Status.HARMLESS}),
    examples=(
        Example(
            source=partial(chain, conv(), batch_norm(), layer("Relu"), conv(4, 2)),
            target=partial(chain, folded(conv(), batch_norm()), layer("Relu"), conv(4, 2)),
        ),
    ),
)
