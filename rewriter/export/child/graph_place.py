"""An operator of a TensorFlow graph beside its node of the pivot, before and after."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from analyzer.core.errors import ExportError
from analyzer.core.types import Node
from rewriter.export.child.graph_view import GraphView

HINT = "write the repaired model with -o to an .onnx file"


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """An operator of the graph, and its node before and after the repair."""

    view: GraphView
    name: str
    was: Node
    now: Node

    @property
    def both(self) -> tuple[Node, Node]:
        """The node before, and after."""
        return self.was, self.now

    @property
    def rank(self) -> int:
        """How many axes a window has."""
        return len(self.stated("strides").list.i) - 2

    @property
    def first(self) -> int:
        """The first axis that a window moves along."""
        return 2 if self.stated("data_format").s.startswith(b"NC") else 1

    def stated(self, option: str) -> Any:
        """Return an ``AttrValue`` of the operator, an empty one where it states none.

        To look one up in the ``NodeDef`` itself would put it there.
        """
        own = self.own.attr
        return own[option] if option in own else tf.compat.v1.AttrValue()

    @property
    def own(self) -> Any:
        """The operator's ``NodeDef``."""
        return self.view.nodes[self.name]


def refused(node: Node, why: str) -> ExportError:
    """Return the error for a change that the graph cannot be given.

    Args:
        node: Of the pivot.
        why: What is in the way, as the end of a sentence.
    """
    return ExportError(
        f"the repair of {node.name} ({node.op}) cannot go into TensorFlow's graph: {why}",
        hint=HINT,
    )


def per_axis(value: object, count: int) -> list[int]:
    """Return an attribute's number for each axis, 1 where it states none."""
    return [int(one) for one in value] if isinstance(value, tuple) else [1] * count


def integers(values: Sequence[int]) -> Any:
    """Return integers as an ``AttrValue``."""
    return tf.compat.v1.AttrValue(list=tf.compat.v1.AttrValue.ListValue(i=values))


def text(value: str) -> Any:
    """Return a word as an ``AttrValue``."""
    return tf.compat.v1.AttrValue(s=value.encode())
