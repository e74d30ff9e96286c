"""An attribute of a TensorFlow graph is changed where it says what was imported."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from analyzer.core.errors import ExportError
from analyzer.core.types import AttributeValue, Node

tf = pytest.importorskip("tensorflow")

changes = pytest.importorskip("rewriter.export.changes")
graph_options = pytest.importorskip("rewriter.export.child.graph_options")
graph_view = pytest.importorskip("rewriter.export.child.graph_view")

Attributes = Mapping[str, AttributeValue]
LEAK = "LeakyRelu"
WINDOW = {"kernel_shape": (3, 3), "strides": (2, 2), "dilations": (1, 1)}


def leak(image: object) -> None:
    """Put in a leaky ReLU with a slope of 0.25."""
    tf.raw_ops.LeakyRelu(features=image, alpha=0.25, name="operator")


def pool(image: object) -> None:
    """Put in a pooling that pads as SAME does: (0, 0) before and (1, 1) behind."""
    tf.raw_ops.MaxPool(
        input=image,
        ksize=[1, 3, 3, 1],
        strides=[1, 2, 2, 1],
        padding="SAME",
        name="operator",
    )


def enlarge(image: object) -> None:
    """Put in a resizing between the centers of half pixels."""
    tf.raw_ops.ResizeBilinear(
        images=image, size=[16, 16], half_pixel_centers=True, name="operator"
    )


def told(
    put: Callable[[object], None], kind: str, old: Attributes, new: Attributes
) -> dict[str, object]:
    """Return each option that a graph of one operator is given, by name."""
    with tf.Graph().as_default() as graph:
        put(tf.compat.v1.placeholder(tf.float32, [None, 8, 8, 3], "image"))
    view = graph_view.GraphView(graph.as_graph_def(), {})
    was, now = (
        Node("operator", kind, "", 18, ("image",), ("operator",), dict(one), {})
        for one in (old, new)
    )
    differ = [
        changes.AttributeChange(was, name, old[name], new[name])
        for name in old
        if old[name] != new[name]
    ]
    return {one.option: one.value for one in graph_options.options(view, was, now, differ)}


def test_old_number_makes_way() -> None:
    """The slope that was imported becomes the repaired one."""
    given = told(leak, LEAK, {"alpha": 0.25}, {"alpha": 0.1})

    np.testing.assert_allclose(given["alpha"].f, 0.1, rtol=1e-6)  # type: ignore[attr-defined]


def test_other_number_stays() -> None:
    """A slope that is not what was imported is nobody's to change."""
    with pytest.raises(ExportError, match=r"its alpha there is 0\.25, not 0\.3"):
        told(leak, LEAK, {"alpha": 0.3}, {"alpha": 0.1})


def test_padding_that_was_imported_makes_way() -> None:
    """What SAME comes to makes way for the numbers that the repair says."""
    old, new = ({**WINDOW, "pads": pads} for pads in ((0, 0, 1, 1), (1, 1, 0, 0)))
    given = told(pool, "MaxPool", old, new)

    assert given["padding"].s == b"EXPLICIT"  # type: ignore[attr-defined]
    numbers = list(given["explicit_paddings"].list.i)  # type: ignore[attr-defined]
    assert numbers == [0, 0, 1, 0, 1, 0, 0, 0]


def test_padding_that_a_node_before_adds_stays() -> None:
    """A node that pads, folded into the operator by the importer, is not padded twice."""
    old, new = ({**WINDOW, "pads": pads} for pads in ((2, 2, 2, 2), (1, 1, 1, 1)))
    with pytest.raises(ExportError, match=r"its padding there is \[0, 0, 1, 1\], not \[2"):
        told(pool, "MaxPool", old, new)


def test_other_coordinates_stay() -> None:
    """A resizing that is not as it was imported keeps its coordinates."""
    old, new = (
        {"mode": "linear", "coordinate_transformation_mode": where}
        for where in ("asymmetric", "align_corners")
    )
    with pytest.raises(ExportError, match="it is ResizeBilinear there"):
        told(enlarge, "Resize", old, new)
