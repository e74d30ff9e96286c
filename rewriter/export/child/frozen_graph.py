"""A frozen TensorFlow graph with a repair in it: its nodes changed, all else as it was."""

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from rewriter.export.child.graph_bodies import Body
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
    for edit in plan(view, read(before, after, weights, layers)):
        body.apply(edit)
    Path(out).write_bytes(graph.SerializeToString())
    return []
