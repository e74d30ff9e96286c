"""A setting that inference never reads is not the source's.

Cause
    The converter wrote another momentum, or none, into a batch normalisation; it only says
    how training updates the statistics. Likewise the seed of a dropout, and how a pool
    numbers indices that nobody asks for.

Evidence
    The same operator on both sides, a setting differs that no formula of inference holds,
    and every sample comes out the same. Shown with ``-v``, and never a fault.

Repair
    None is needed. Set it to the source's value before training the converted model on.

References:
    https://github.com/pytorch/pytorch/issues/18525
"""

from functools import partial

from analyzer.core.settings import NOT_COMPUTED_WITH
from analyzer.core.types import Difference, Fault, FaultClass, Fix, Status
from rules.base import PROVEN, Example, Rule
from rules.changes import Change, change, undoing
from rules.models import batch_norm, chain, conv
from rules.wording import named, shown


def detect(fault: Fault) -> Change | None:
    return change(fault, _is_unread)


def explain(cause: Change) -> str:
    one = cause.difference
    return (
        f"{named(cause.node)}: {one.field} is {shown(one.target)}, the source's is "
        f"{shown(one.source)}; inference of {cause.node.op} never reads it"
    )


def repair(cause: Change) -> tuple[Fix, ...]:
    one = cause.difference
    return undoing(f"Set {one.field} of {cause.node.name} to the source's", cause)


def _is_unread(difference: Difference) -> bool:
    return difference.field in NOT_COMPUTED_WITH


RULE = Rule(
    slug="inference-neutral",
    fault_class=FaultClass.LAYER_HYPERPARAMETERS,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    statuses=frozenset({Status.HARMLESS}),
    examples=(
        Example(
            source=partial(chain, conv(), batch_norm(momentum=0.9), conv(4, 2)),
            target=partial(chain, conv(), batch_norm(momentum=0.1), conv(4, 2)),
        ),
    ),
)
