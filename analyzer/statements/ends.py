"""Inputs and outputs that a file declares, held against the source's and its own nodes."""

from collections.abc import Iterator

from analyzer.core.graph import node_name, reads
from analyzer.core.types import FaultClass, Restate, Statement
from analyzer.matching.ends import input_pairs, sizes_fit
from analyzer.statements.scene import (
    Contradiction,
    Scene,
    first_outputs,
    sizes_told,
    told,
)


def lost_inputs(scene: Scene) -> Iterator[Contradiction]:
    """Yield what nodes read and nobody gives, where the source has an input for it."""
    fed = {pair.source for pair in input_pairs(scene.source, scene.target)}
    lost = [spec for spec in scene.source.inputs if spec.name not in fed]
    wanted = dict.fromkeys(name for node in scene.graph.node for name in reads(node))
    nobody = [name for name in wanted if name not in scene.given()]
    alike = [spec.name for spec in lost if spec.name in nobody]
    if alike:
        both = [(spec, spec.name) for spec in lost if spec.name in nobody]
    else:
        both = list(zip(lost, nobody, strict=True)) if len(lost) == len(nobody) else []
    for spec, name in both:
        yield Contradiction(
            Restate(Statement.INPUT, name, spec.dtype, spec.shape),
            f"{told(scene.readers(name))} reads {name}, which is declared nowhere; the "
            f"source has an input {spec.name}, {spec.dtype} {sizes_told(spec.shape)}",
            first_outputs(scene.readers(name)),
            FaultClass.INPUT_DIMS,
        )


def added_inputs(scene: Scene) -> Iterator[Contradiction]:
    """Yield the inputs that the source does not have: a weight was left out."""
    fed = {pair.target for pair in input_pairs(scene.source, scene.target)}
    for spec in scene.target.inputs:
        if spec.name in fed or not scene.readers(spec.name):
            continue
        yield Contradiction(
            Restate(Statement.NO_INPUT, spec.name),
            f"{spec.name}, which {told(scene.readers(spec.name))} reads, is declared as an "
            f"input, {spec.dtype} {sizes_told(spec.shape)}; the source has "
            f"{len(scene.source.inputs)} inputs and none for it",
            first_outputs(scene.readers(spec.name)),
            FaultClass.INPUT_DIMS,
        )


def outputs(scene: Scene) -> Iterator[Contradiction]:
    """Yield the outputs that nobody gives."""
    given = scene.given()
    nobody = [value.name for value in scene.graph.output if value.name not in given]
    spare = len(scene.target.outputs) - len(scene.source.outputs)
    if nobody and spare == len(nobody):
        for name in nobody:
            yield Contradiction(
                Restate(Statement.NO_OUTPUT, name),
                f"output {name} is given by no node; the source has "
                f"{len(scene.source.outputs)} outputs, the target states {spare} more",
                (name,),
            )
        return
    read = {name for node in scene.graph.node for name in reads(node)}
    read.update(value.name for value in scene.graph.output)
    ends = [n for n in scene.graph.node if n.output and read.isdisjoint(n.output)]
    if len(ends) != len(nobody):
        return
    for node, name in zip(ends, nobody, strict=True):
        yield Contradiction(
            Restate(Statement.OUTPUT, node.output[0], name),
            f"output {name} is given by no node; {told([node])} gives {node.output[0]}, "
            f"which nobody reads",
            (node.output[0],),
        )


def input_types(scene: Scene) -> Iterator[Contradiction]:
    """Yield the inputs declared so that no sample fits, or that their reader refuses."""
    theirs = {spec.name: spec for spec in scene.target.inputs}
    ours = {spec.name: spec for spec in scene.source.inputs}
    for pair in input_pairs(scene.source, scene.target):
        one, other = ours[pair.source], theirs[pair.target]
        readers = scene.readers(pair.target)
        stops = scene.refusal.node in map(node_name, readers)
        order = pair.permutation or range(len(one.shape or ()))
        shape = None if one.shape is None else tuple(one.shape[axis] for axis in order)
        declared = other.shape or ()
        misfit = None not in {shape, other.shape} and not sizes_fit(shape or (), declared)
        if not misfit and (one.dtype == other.dtype or not stops):
            continue
        kind = one.dtype if stops else other.dtype
        yield Contradiction(
            Restate(Statement.TYPE, pair.target, kind, shape if misfit else other.shape),
            f"input {pair.target} is declared {other.dtype} {sizes_told(other.shape)}, the "
            f"source's {pair.source} {one.dtype} {sizes_told(shape)}; it is read by "
            f"{told(readers)}",
            (*first_outputs(readers), pair.target),
            FaultClass.INPUT_DIMS,
        )
