"""An attribute of a TensorFlow graph is changed where it says what was imported."""

import numpy as np
import pytest

from analyzer.core.errors import ExportError
from analyzer.core.types import Node

tf = pytest.importorskip("tensorflow")

changes = pytest.importorskip("rewriter.export.changes")
graph_options = pytest.importorskip("rewriter.export.child.graph_options")
graph_view = pytest.importorskip("rewriter.export.child.graph_view")


def told(old: float, new: float) -> list[float]:
    """Return the slopes that a graph with a slope of 0.25 is given."""
    with tf.Graph().as_default() as graph:
        rows = tf.compat.v1.placeholder(tf.float32, [None, 6], "rows")
        tf.raw_ops.LeakyRelu(features=rows, alpha=0.25, name="leak")
    view = graph_view.GraphView(graph.as_graph_def(), {})
    was, now = (
        Node("leak", "LeakyRelu", "", 18, ("rows",), ("leak",), {"alpha": slope}, {})
        for slope in (old, new)
    )
    differ = [changes.AttributeChange(was, "alpha", old, new)]
    return [one.value.f for one in graph_options.options(view, was, now, differ)]


def test_old_number_makes_way() -> None:
    """The slope that was imported becomes the repaired one."""
    np.testing.assert_allclose(told(0.25, 0.1), [0.1])


def test_other_number_stays() -> None:
    """A slope that is not what was imported is nobody's to change."""
    with pytest.raises(ExportError, match=r"its alpha there is 0\.25, not 0\.3"):
        told(0.3, 0.1)
