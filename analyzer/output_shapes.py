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
from analyzer.core.types import FaultClass, Finding, Node, Status
from analyzer.core.words import OUTPUT_RESHAPED
from analyzer.outputs import NativeRuns
from analyzer.outside import bare_fault, bare_finding
from analyzer.view.inline import Opened

Shape = tuple[int, ...]


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
            yield _finding(pair, (ours, theirs), node, side)


def _named(finding: Finding) -> Iterator[str]:
    yield from finding.fault.target.outputs
    yield from finding.target_tensors


def _guilty(name: str, compared: Compared) -> Node | None:
    """Return the first node on the way to an output whose own result has another shape."""
    giver = compared.target.giver.get(name)
    while giver is not None:
        before = (one for one in giver.inputs if _is_reshaped(one, compared))
        earlier = next((compared.target.giver.get(one) for one in before), None)
        if earlier is None:
            return giver
        giver = earlier
    return None


def _is_reshaped(name: str, compared: Compared) -> bool:
    link = compared.links.get(name)
    return link is not None and link.tensors.shape is not None


def _finding(
    pair: OutputPair, shapes: tuple[Shape, Shape], node: Node | None, side: Opened
) -> Finding:
    ours, theirs = shapes
    tensor = pair.target if node is None else next(filter(None, node.outputs))
    of_node = "" if node is None else f", from {node.op} {side.called(node.name)} on"
    problem = (
        f"output {pair.target} has the source's values in shape {list(theirs)}, where the "
        f"source's {pair.source} is {list(ours)}{of_node}"
    )
    fault = bare_fault(
        FaultClass.TENSOR_SHAPE_STRUCTURE,
        problem,
        nodes=() if node is None else (node,),
        guilty=(side.held(tensor),),
        error=pair.relative_error,
        floor=pair.noise_floor,
    )
    names = () if node is None else (side.called(node.name),)
    return replace(bare_finding(OUTPUT_RESHAPED.slug, fault), target_nodes=names)
