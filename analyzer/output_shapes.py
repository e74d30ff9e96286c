"""Outputs of the same values in another shape: whoever reads them was not told of it.

Between two models a size of one may come and go, and the values are compared all the same.
An output is read by the user's own code, and no format asks for another shape there: of
over a hundred healthy conversions by nine tools, none changes the rank of an output. A
number alone is left out: some formats have no scalars, and it reads the same either way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from analyzer.comparison import Compared
from analyzer.core.report import InputPair, OutputPair
from analyzer.core.types import (
    Aspect,
    Difference,
    FaultClass,
    Finding,
    Fix,
    Node,
    SetAttribute,
    Status,
)
from analyzer.core.words import OUTPUT_RESHAPED
from analyzer.outputs import NativeRuns
from analyzer.outside import bare_fault, bare_finding
from analyzer.view.inline import Opened

Shape = tuple[int, ...]

KEEPING, KEPT = "keepdims", 1
"""The one attribute that changes a result's shape and none of its values; its default."""


def output_shape_findings(
    outputs: Sequence[OutputPair],
    runs: NativeRuns,
    inputs: Sequence[InputPair],
    compared: Compared,
    side: Opened,
    found: Sequence[Finding] = (),
) -> Iterator[Finding]:
    """Yield a finding for each output whose shape is not the source's.

    Args:
        outputs: Native outputs, compared.
        runs: What both gave natively.
        inputs: Which target input takes which source input; where one takes another order
            of axes, so may the outputs.
        compared: What comparing the values of the models gave.
        side: The target with its fused operators opened.
        found: What is known to be wrong already.
    """
    known = {name for one in found if one.status is Status.FAULT for name in _named(one)}
    moved = any(pair.permutation is not None for pair in inputs)
    for pair in outputs if runs.target else ():
        ours = runs.source[0][pair.source].shape
        theirs = runs.target[0][pair.target].shape
        same = sorted(ours) == sorted(theirs) if moved else ours == theirs
        if same or () in {ours, theirs} or pair.relative_error == float("inf"):
            continue
        node = _guilty(pair.target, compared)
        if node is None or known.isdisjoint(node.outputs):
            stated = _stated(node, compared)
            yield _finding(pair, (ours, theirs), node, side, stated)


def _named(finding: Finding) -> Iterator[str]:
    yield from finding.fault.target.outputs
    yield from finding.target_tensors


def _guilty(name: str, compared: Compared) -> Node | None:
    """Return the first node on the way to an output whose own result has another shape."""
    giver = compared.target.giver.get(name)
    while giver is not None:
        earlier = _earlier(giver, compared)
        if earlier is None:
            return giver
        giver = earlier
    return None


def _earlier(node: Node, compared: Compared) -> Node | None:
    """Return the nearest node before one whose result is known to have another shape.

    Parts of an operator that the other side has in one piece have no counterpart.
    """
    links, giver = compared.links, compared.target.giver
    waiting = [name for name in node.inputs if name in giver]
    while waiting:
        name = waiting.pop(0)
        link = links.get(name)
        if link is None:
            waiting += [one for one in giver[name].inputs if one in giver]
        elif link.tensors.shape is not None:
            return giver[name]
    return None


def _stated(node: Node | None, compared: Compared) -> Difference | None:
    """Return the attribute that makes a node's result another shape than the source's."""
    link = None if node is None else compared.links.get(node.outputs[0])
    twin = None if link is None else compared.source.giver.get(link.tensors.source)
    if node is None or twin is None or twin.op != node.op:
        return None
    held = twin.attributes.get(KEEPING, KEPT), node.attributes.get(KEEPING, KEPT)
    if held[0] == held[1]:
        return None
    return Difference(Aspect.ATTRIBUTE, KEEPING, *held, twin, node)


def _finding(
    pair: OutputPair,
    shapes: tuple[Shape, Shape],
    node: Node | None,
    side: Opened,
    stated: Difference | None,
) -> Finding:
    ours, theirs = shapes
    tensor = pair.target if node is None else next(filter(None, node.outputs))
    of_node = "" if node is None else f", from {node.op} {side.called(node.name)} on"
    problem = (
        f"output {pair.target} has the source's values in shape {list(theirs)}, where the "
        f"source's {pair.source} is {list(ours)}{of_node}"
    )
    shape, setting = FaultClass.TENSOR_SHAPE_STRUCTURE, FaultClass.LAYER_HYPERPARAMETERS
    if stated is not None:
        problem += f": its {KEEPING} is {stated.target!s}, the source's {stated.source!s}"
    fault = bare_fault(
        shape if stated is None else setting,
        problem,
        nodes=() if node is None else (node,),
        guilty=(side.held(tensor),),
        error=pair.relative_error,
        floor=pair.noise_floor,
    )
    called = "" if node is None else side.called(node.name)
    names = (called,) if called else ()
    found = replace(bare_finding(OUTPUT_RESHAPED.slug, fault), target_nodes=names)
    if stated is None:
        return found
    edit = SetAttribute(called, KEEPING, stated.source)
    return replace(found, fix=Fix(f"Restore {KEEPING} of {called}", (edit,)))
