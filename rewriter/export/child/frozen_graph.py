"""A frozen TensorFlow graph with a repair in it: its nodes changed, all else as it was."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from rewriter.export.child.graph_bodies import DTYPE, Body
from rewriter.export.child.graph_edits import Rewire
from rewriter.export.child.graph_plan import plan
from rewriter.export.child.graph_view import GraphView
from rewriter.export.child.pivots import read


def export(
    path: str, out: str, *, before: str, after: str, weights: str, layers: Mapping[str, str]
) -> list[str]:
    """Write a ``.pb`` file with a repair in it; nothing is to be noted.

    Args:
        path: The user's file.
        out: Where it goes.
        before: Its pivot, a proto.
        after: The same after the repair.
        weights: The folder that the pivots' weights lie in.
        layers: The user's layer of each tensor that has one.

    Raises:
        ExportError: The graph cannot say the repair.
    """
    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(Path(path).read_bytes())
    view = GraphView(graph, {})
    body = Body(graph)
    edits = plan(view, read(before, after, weights, layers))
    moved = [one for one in edits if isinstance(one, Rewire)]
    ends = [(one, view.shapes[one.old]) for one in moved if one.old not in view.readers]
    for edit in edits:
        body.apply(edit)
    for edit, tensor in ends:
        end_at(graph, edit, tensor.dtype.as_datatype_enum)
    Path(out).write_bytes(graph.SerializeToString())
    return []


def end_at(graph: Any, edit: Rewire, kind: int) -> None:
    """Let the node that a model's output is fetched by give the repaired tensor.

    What it computed before goes on under another name, where something still reads it.

    Args:
        graph: The ``GraphDef``, all edits applied; it is changed.
        edit: The one that gives the output another node's tensor.
        kind: The output's dtype, as TensorFlow counts them.
    """
    taken = {node.name for node in graph.node}
    inner = f"{edit.old}_before"
    while inner in taken:
        inner += "_"
    for node in graph.node:
        node.name = inner if node.name == edit.old else node.name
        node.input[:] = [inner if one == edit.old else one for one in node.input]
    end = graph.node.add(name=edit.old, op="Identity", input=[edit.new])
    end.attr[DTYPE].type = kind
