"""A program written as a SavedModel folder."""

from pathlib import Path

import tensorflow as tf

from rewriter.export.tensorflow_graph.module import Graph, Settings
from rewriter.export.tensorflow_graph.program import Program


def write(program: Program, out: Path, settings: Settings) -> list[str]:
    """Write a SavedModel whose weights are variables under their own names.

    Args:
        program: The graph.
        out: The folder, made where it is missing.
        settings: Its names and layouts outside.

    Returns:
        What the user should know, in sentences.
    """
    graph = Graph(program, settings)
    concrete = graph.concrete()
    tf.saved_model.save(graph.holder, str(out), signatures={settings.signature: concrete})
    return graph.notes
