"""Versions that a file declares, held against what stands in it."""

from collections.abc import Iterator

from analyzer.core.graph import node_name, opsets
from analyzer.core.listing import several
from analyzer.core.types import Restate, Statement
from analyzer.forms import has_form, nearest_opsets
from analyzer.statements.scene import SHOWN, Contradiction, Scene, first_outputs, told
from analyzer.view.calls import subgraphs

FREE_WEIGHTS = 4
"""The first IR version whose initializers need not be inputs.

Source: https://github.com/onnx/onnx/blob/main/docs/IR.md"""


def old_format(scene: Scene) -> Iterator[Contradiction]:
    """Yield an IR version that wants every unread weight to be an input too."""
    model = scene.model
    inputs = {value.name for value in model.graph.input}
    read = {name for node in model.graph.node for name in node.input}
    known = inputs | read
    unread = [one.name for one in model.graph.initializer if one.name not in known]
    bodies = [one for node in model.graph.node for one in subgraphs(node)]
    for body in bodies:
        stated = {value.name for value in body.input}
        unread += [one.name for one in body.initializer if one.name not in stated]
    inside = [node for name in unread for node in scene.readers(name)]
    if model.ir_version >= FREE_WEIGHTS or not unread:
        return
    yield Contradiction(
        Restate(Statement.IR_VERSION, "", FREE_WEIGHTS),
        f"it declares IR version {model.ir_version}, in which initializers are inputs too, "
        f"and {len(unread)} that no node of the main graph reads are none, "
        f"{several(unread)} first; the source declares IR version "
        f"{scene.source.model.ir_version}",
        (*first_outputs(inside), *unread)[:SHOWN],
    )


def opset(scene: Scene) -> Iterator[Contradiction]:
    """Yield an opset in which an operator has not the form that it stands in."""
    declared = opsets(scene.model).get("", 0)
    every = scene.graph.node
    misfits = [node for node in every if not has_form(node, declared)]
    stops = scene.refusal.node in map(node_name, misfits)
    ours = {node.op_type for node in scene.source.model.graph.node}
    stops = stops and ours.issuperset(node.op_type for node in misfits)
    known = nearest_opsets(declared) if stops else ()
    better = next((n for n in known if all(has_form(node, n) for node in every)), None)
    if better is None:
        return
    yield Contradiction(
        Restate(Statement.OPSET, "", better),
        f"it declares opset {declared}, in which {told(misfits)} has another form; as it "
        f"stands every operator is of opset {better}, the source's is "
        f"{opsets(scene.source.model).get('', 0)}",
        first_outputs(misfits),
    )
