"""The cause test for an activation that a quantized target has lost.

Nothing of the target can be given another value where a node is missing; what would go into
it, or came out without it, is put through the source's own node instead.
"""

from collections.abc import Iterator
from dataclasses import replace

from analyzer.causes import excerpt
from analyzer.core.errors import RunError
from analyzer.core.types import Array, Aspect, Difference, Fault, Node, Sample
from analyzer.matching.rectified import is_limited
from analyzer.runtime.metrics import spared_error
from analyzer.runtime.region import region_error, run_region
from analyzer.sides import Side

LAYOUT_FREE = frozenset(
    {"Relu", "Clip", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh", "HardSigmoid"}
    | {"HardSwish", "Softplus", "Gelu", "Mish", "Swish", "Abs", "Neg", "Exp", "Sqrt"}
)
"""Operators on one tensor that do not ask which axis is which."""


def lost_activations(fault: Fault, source: Side, target: Side) -> Iterator[Difference]:
    """Yield the source's activations without which the target's region is wrong.

    Args:
        fault: A root fault with recorded samples, which nothing explains so far.
        source: The source.
        target: The target.

    Yields:
        Differences of an operator that only the source has, each with the error left when
        it is put behind what the region gives, or before what it reads.
    """
    for node in fault.unpaired_source:
        if node.op not in LAYOUT_FREE or node.domain or not fault.recorded:
            continue
        try:
            errors = [*_behind(fault, node, source), *_before(fault, node, source, target)]
        except RunError:  # it takes other values than those of this region
            continue
        if errors:
            least = min(errors)
            yield Difference(Aspect.OPERATOR, "op", node.op, None, node, None, cure=least)


def _behind(fault: Fault, node: Node, source: Side) -> Iterator[float]:
    """Yield the error left with the node behind what the target's region gives."""
    names = [pair.target for pair in fault.results if pair.source == node.outputs[0]]
    if len(fault.results) != 1 or not names:
        return
    if any(names[0] not in sample.observed for sample in fault.recorded):
        return
    yield max(
        spared_error(
            _through(node, source, sample.observed[names[0]]),
            sample.expected[names[0]],
            sample.spared,
        )
        for sample in fault.recorded
    )


def _before(fault: Fault, node: Node, source: Side, target: Side) -> Iterator[float]:
    """Yield the error left with the node before what the target's region reads."""
    for edge in fault.edges:
        if edge.source != node.inputs[0] or is_limited(target.view, edge.target, node):
            continue
        if any(edge.target not in sample.inputs for sample in fault.recorded):
            continue
        samples = [_fed(sample, edge.target, node, source) for sample in fault.recorded]
        part = excerpt(fault, target.model)
        yield region_error(part, target.folder, samples, fault.target.outputs)


def _fed(sample: Sample, name: str, node: Node, source: Side) -> Sample:
    value = _through(node, source, sample.inputs[name])
    return replace(sample, inputs={**sample.inputs, name: value})


def _through(node: Node, source: Side, value: Array) -> Array:
    """Return what a node of the source makes of a value."""
    name = node.outputs[0]
    return run_region(source.model, source.folder, {node.inputs[0]: value}, [name])[name]
