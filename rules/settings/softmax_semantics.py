"""A Softmax normalises over more axes than the source's.

Cause
    Before opset 13, Softmax flattens its axis and all that follow into one. A converter
    that copies the axis number across that border changes the meaning, unless the axis is
    the last.

Evidence
    The two sides lie on different sides of opset 13, the axis is not the last, and the
    region is right when the source's meaning is spelled in the target's opset.

Repair
    Below opset 13: a Transpose that puts the axis last, Softmax, and the Transpose back.
    From opset 13: Flatten, Softmax, and Reshape.

Prevention
    Export for opset 13 or newer, and take the axis last before where that cannot be.

References:
    https://onnx.ai/onnx/operators/onnx__Softmax.html
    https://github.com/pytorch/pytorch/issues/34585
    https://github.com/apache/tvm/issues/20183
"""

from functools import partial

from analyzer.core.changes import SEMANTICS
from analyzer.core.types import Difference, Fault, FaultClass, Fix
from rules.base import PROVEN, Example, Rule
from rules.changes import Change, beside, change, undoing
from rules.models import chain, conv, layer
from rules.wording import named, shown


def detect(fault: Fault) -> Change | None:
    return change(fault, _is_softmax)


def explain(cause: Change) -> str:
    source, node = cause.difference.source_node, cause.node
    ours = (
        f"{shown(source.attributes.get('axis'))} in opset {source.opset}" if source else "?"
    )
    theirs = f"{shown(node.attributes.get('axis'))} in opset {node.opset}"
    return (
        f"{named(node)}: axis {theirs} does not mean axis {ours}: one normalises "
        f"a single axis, the other all axes from there on{beside(cause)}"
    )


def repair(cause: Change) -> tuple[Fix, ...]:
    return undoing(f"Normalise {cause.node.name} over the source's axis", cause)


def _is_softmax(difference: Difference) -> bool:
    return difference.field == SEMANTICS


RULE = Rule(
    slug="softmax-semantics",
    fault_class=FaultClass.LAYER_HYPERPARAMETERS,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    examples=(
        Example(
            source=partial(chain, conv(), layer("Softmax", axis=1), conv(4, 2)),
            target=partial(chain, conv(), layer("Softmax", axis=1), conv(4, 2), opset=11),
        ),
    ),
)
