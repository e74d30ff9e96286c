"""An output of the source is missing from the target.

Cause
    The converter dropped it: a second head that its example did not use, a state that it
    took for an inner tensor, all but the first of several.

Evidence
    The target has fewer outputs, and no tensor in the place of one of the source's.

Repair
    Carry over the source's nodes between the last tensors that agree and the output, and
    declare it.

Safety
    Safe: the outputs there are stay as they are.

References:
    https://github.com/MPolaris/onnx2tflite/issues/98
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import onnx
from onnx import helper, numpy_helper

from analyzer.core.listing import several
from analyzer.core.types import AddOutput, Array, Fault, FaultClass, Fix, ReplaceRegion
from rules.base import PROVEN, Example, Rule, Spot
from rules.carrying import carried
from rules.models import model, weights
from rules.wording import listed


@dataclass(frozen=True, slots=True, eq=False)
class Lost:
    """An output, the source's operators that give it, and the edits that give it back."""

    output: str
    ops: str
    tensors: tuple[str, ...]
    edits: tuple[ReplaceRegion | AddOutput, ...]
    spot: Spot


def detect(fault: Fault) -> Lost | None:
    if not fault.results or not fault.recorded:
        return None
    pair, sample = fault.results[0], fault.recorded[0]
    given = {name for node in fault.target.nodes for name in node.outputs}
    if pair.target in given or sample.observed or pair.source not in sample.source_outputs:
        return None
    whole = carried(replace(fault, results=(pair,)))
    value = sample.source_outputs[pair.source]
    added = _declared(pair.target, value, len(fault.results) - 1)
    edits = () if whole is None else (replace(whole, nodes=()), added)
    tensors = tuple(edge.target for edge in fault.edges)
    spot = Spot(fault.source.nodes, edge=tensors)
    ops = listed(fault.source.nodes) if fault.source.nodes else ""
    return Lost(pair.source, ops, tensors, edits, spot)


def explain(cause: Lost) -> str:
    if not cause.ops:
        return (
            f"the source's output {cause.output} is missing: the target computes it, as "
            f"{cause.tensors[0]}, and does not give it"
        )
    return (
        f"the source's output {cause.output} is missing: the target has "
        f"{several(cause.tensors)}, of which {cause.ops} would make it"
    )


def repair(cause: Lost) -> tuple[Fix, ...]:
    return (
        (Fix(f"Give {cause.output} as the source does", cause.edits),)
        if cause.edits
        else ()
    )


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    count = len(model.graph.output)
    if count < 2:  # noqa: PLR2004 - one must stay
        return None
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[int(rng.integers(1, count))]
    return copy


def _declared(name: str, value: Array, place: int) -> AddOutput:
    """Return the edit that declares an output, its first axis open as a batch is."""
    sizes = (None, *value.shape[1:]) if value.ndim else ()
    return AddOutput(name, str(value.dtype), sizes, place)


def heads(*names: str) -> onnx.ModelProto:
    """Return a convolution and two tensors made of it, those named given as outputs."""
    kernel = numpy_helper.from_array(weights(3, 3, 1, 1), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="conv"),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
    ]
    kept = [node for node in nodes if node.output[0] in {"a", *names}]
    return model(kept, [kernel], outputs=names)


RULE = Rule(
    slug="output-missing",
    fault_class=FaultClass.COMPUTATIONAL_GRAPH,
    confidence=PROVEN,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(Example(source=partial(heads, "a", "b"), target=partial(heads, "a")),),
)
