"""Edits on a model: onnx-graphsurgeon moves the wires, the user's own protos stay.

graphsurgeon's import and export loses metadata, doc strings and much else, so it is given a
slim copy of the graph, names and wires only, and `merge` carries its changes back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import cast

import numpy as np
import onnx

from analyzer.core.errors import RepairError
from analyzer.core.graph import node_name
from analyzer.core.types import (
    AddOutput,
    Array,
    Edit,
    InsertNode,
    RemoveNode,
    ReplaceRegion,
    Restate,
    Rewire,
    SetAttribute,
    SetConstant,
    SetOpset,
    SetType,
)
from analyzer.restated import restated
from rewriter import moves
from rewriter.declare import check, declare
from rewriter.graft import graft
from rewriter.inferred import refreshed
from rewriter.merge import Constants, Wired, merge
from rewriter.names import pinned_names, used_names
from rewriter.parts import opened_for
from rewriter.remembered import REMEMBERED, Same
from rewriter.slim import slim
from rewriter.wires import GsGraph, GsNode, GsTensor, Theatre, Value

MALFORMED = (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What an edit with fields of the wrong type may raise: a rule may be anybody's."""


@dataclass(frozen=True, slots=True, eq=False)
class Applied:
    """An edited model, and where the tensors went that its edits moved.

    Attributes:
        model: The edited copy.
        produced: By original tensor: the one that now holds what its producer gives.
        read: By original tensor: the one that its readers read now.
    """

    model: onnx.ModelProto
    produced: Mapping[str, str]
    read: Mapping[str, str]


def apply(model: onnx.ModelProto, folder: Path, edits: Sequence[Edit]) -> onnx.ModelProto:
    """Return a copy of the model that differs in the edits and in nothing else.

    Args:
        model: The user's model; it is left as it is.
        folder: The folder that its external locations are relative to.
        edits: What to change, in this order.

    Raises:
        RepairError: An edit does not fit the model, or the edited model is not valid.
    """
    return trace(model, folder, edits).model


def trace(model: onnx.ModelProto, folder: Path, edits: Sequence[Edit]) -> Applied:
    """Return the edited copy, and where the tensors went that the edits moved.

    A fused operator or a function call that an edit reaches into gives way to its parts;
    every other one stays.

    Args:
        model: The user's model; it is left as it is.
        folder: The folder that its external locations are relative to.
        edits: What to change, in this order.

    Raises:
        RepairError: An edit does not fit the model, or the edited model is not valid.
    """
    del folder  # no edit needs an old value: nothing is loaded
    try:
        return _traced(Same(model), tuple(edits))
    except MALFORMED as surprise:
        why = f"{type(surprise).__name__}: {surprise}"
        raise RepairError(
            f"an edit cannot be made: {why}",
            hint="report it to whoever wrote the rule that proposed it",
        ) from surprise


@lru_cache(maxsize=REMEMBERED)
def _traced(same: Same, edits: tuple[Edit, ...]) -> Applied:
    model = same.model
    stated = restated(model, edits)
    before = opened_for(stated, edits)
    copy = onnx.ModelProto()
    copy.CopyFrom(before)
    if all(isinstance(edit, Restate) for edit in edits):
        return Applied(copy, {}, {})
    theatre = _theatre(copy)
    for edit in edits:
        _operate(theatre, copy, edit)
    merged = declare(merge(copy, _wiring(theatre), _constants(theatre)), edits)
    result = refreshed(before, merged, edits)
    check(result, model)
    return Applied(result, theatre.produced, theatre.read)


def _operate(theatre: Theatre, model: onnx.ModelProto, edit: Edit) -> None:
    """Carry out one edit on graphsurgeon's graph."""
    match edit:
        case SetAttribute():
            moves.set_attribute(theatre, edit)
        case SetConstant():
            moves.set_constant(theatre, edit)
        case InsertNode():
            moves.insert(theatre, edit)
        case RemoveNode():
            moves.remove(theatre, edit)
        case ReplaceRegion():
            moves.replace(theatre, edit, graft(edit, model, theatre.taken))
        case Rewire():
            moves.rewire(theatre, edit)
        case SetOpset() | SetType() | Restate() | AddOutput():
            pass  # declarations, not wires: they are written apart


@dataclass(frozen=True, slots=True, eq=False)
class _Maker:
    """graphsurgeon's constructors."""

    gs: ModuleType

    def variable(self, name: str) -> GsTensor:
        return cast("GsTensor", self.gs.Variable(name))

    def constant(self, name: str, value: Array) -> GsTensor:
        return cast("GsTensor", self.gs.Constant(name, np.asarray(value)))

    def node(self, op: str, name: str) -> GsNode:
        return cast("GsNode", self.gs.Node(op, name))

    def is_constant(self, tensor: GsTensor) -> bool:
        return isinstance(tensor, self.gs.Constant)


def _theatre(model: onnx.ModelProto) -> Theatre:
    """Return the graph as graphsurgeon sees it, each node tied to its proto by position."""
    import onnx_graphsurgeon as gs

    graph = cast("GsGraph", gs.import_onnx(slim(model)))
    protos = list(zip(graph.nodes, model.graph.node, strict=True))
    tensors = _by_tensor(graph)
    return Theatre(
        _Maker(gs),
        graph,
        model.ir_version,
        _by_name(protos),
        tensors,
        {id(node): proto for node, proto in protos},
        pinned_names(model.graph),
        set(used_names(model.graph)),
        {},
        {},
        _dangling(tensors, graph.inputs, gs.Constant),
    )


def _dangling(
    tensors: Mapping[str, GsTensor], inputs: Sequence[GsTensor], constant: type
) -> frozenset[str]:
    """Return the tensors that no node gives, and no input or constant is."""
    given = {tensor.name for tensor in inputs}
    lone = (one for one in tensors.values() if not one.inputs and one.name not in given)
    return frozenset(one.name for one in lone if not isinstance(one, constant))


def _by_name(protos: Sequence[tuple[GsNode, onnx.NodeProto]]) -> dict[str, GsNode]:
    """Return nodes by name; a name that several share names none of them."""
    found: dict[str, GsNode] = {}
    shared: set[str] = set()
    for node, proto in protos:
        name = node_name(proto)
        shared |= {name} & found.keys()
        found[name] = node
    return {name: node for name, node in found.items() if name not in shared}


def _by_tensor(graph: GsGraph) -> dict[str, GsTensor]:
    """Return every tensor of the main graph by name."""
    found = {tensor.name: tensor for tensor in (*graph.inputs, *graph.outputs)}
    for node in graph.nodes:
        found |= {one.name: one for one in (*node.inputs, *node.outputs) if one.name}
    return found


def _wiring(theatre: Theatre) -> tuple[Wired, ...]:
    """Return every node as it is wired now, beside the proto it came from."""
    return tuple(
        Wired(
            theatre.origin.get(id(node)),
            node.op,
            node.name,
            tuple(one.name for one in node.inputs),
            tuple(one.name for one in node.outputs),
            {k: one.value for k, one in node.attrs.items() if isinstance(one, Value)},
            _renames(node, theatre.origin.get(id(node))),
        )
        for node in theatre.graph.nodes
    )


def _renames(node: GsNode, proto: onnx.NodeProto | None) -> dict[str, str]:
    """Return what a node's subgraphs call differently now, by the old name."""
    renames: dict[str, str] = {}
    if proto is None:
        return renames
    protos = {one.name: one.g for one in proto.attribute if one.HasField("g")}
    for key in protos.keys() & node.attrs.keys():
        if isinstance(node.attrs[key], Value):
            continue
        graph = cast("GsGraph", node.attrs[key])
        for inner, old in zip(graph.nodes, protos[key].node, strict=True):
            now = [tensor.name for tensor in inner.inputs]
            renames |= {a: b for a, b in zip(old.input, now, strict=True) if a != b}
            renames |= _renames(inner, old)
    return renames


def _constants(theatre: Theatre) -> Constants:
    """Return which initializers changed, came and went."""
    is_constant = theatre.make.is_constant
    known = {name: one for name, one in theatre.tensors.items() if is_constant(one)}
    values = {name: one.values for name, one in known.items() if _has_value(one)}
    unread = {name for name, one in known.items() if not one.outputs}
    return Constants(values, frozenset(unread - theatre.pinned))


def _has_value(tensor: GsTensor) -> bool:
    """Return whether an edit gave this constant a value; the slim ones have none."""
    return isinstance(getattr(tensor, "_values", None), np.ndarray)
