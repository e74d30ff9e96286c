"""A pair whose target a runtime refuses as a whole, and what its file states wrongly."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import onnx

from analyzer.core.errors import RunError
from analyzer.core.graph import node_name, reads
from analyzer.core.types import FaultClass, Pivot, Restate

SHOWN = 3
"""Names that a sentence lists."""


class Contradiction(NamedTuple):
    """A statement of a file that its operators contradict.

    Attributes:
        edit: What it should state.
        problem: What it states, and what its operators and the source have.
        guilty: Tensors that the nodes concerned give.
        kind: The class of fault.
    """

    edit: Restate
    problem: str
    guilty: tuple[str, ...]
    kind: FaultClass = FaultClass.LOAD_FAILURE


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A pair as far as its target is restated.

    Attributes:
        source: The source.
        target: The target.
        refusal: What the runtime said of the target as it stood.
    """

    source: Pivot
    target: Pivot
    refusal: RunError

    @property
    def model(self) -> onnx.ModelProto:
        """The target's proto."""
        return self.target.model

    @property
    def graph(self) -> onnx.GraphProto:
        """The target's main graph."""
        return self.target.model.graph

    def readers(self, tensor: str) -> list[onnx.NodeProto]:
        """Return the target's nodes that read a tensor, in their bodies too."""
        return [node for node in self.graph.node if tensor in reads(node)]

    def givers(self, tensor: str) -> list[onnx.NodeProto]:
        """Return the target's nodes that give a tensor."""
        return [node for node in self.graph.node if tensor in node.output]

    def given(self) -> set[str]:
        """Return what the target's nodes, inputs and constants give."""
        graph = self.graph
        found = {name for node in graph.node for name in node.output}
        found.update(value.name for value in (*graph.input, *graph.initializer))
        found.update(sparse.values.name for sparse in graph.sparse_initializer)
        return found


def first_outputs(found: Sequence[onnx.NodeProto]) -> tuple[str, ...]:
    """Return the first tensor that each of some nodes gives."""
    return tuple(next(filter(None, node.output), "") for node in found)


def told(found: Sequence[onnx.NodeProto]) -> str:
    """Return the first of some nodes as a sentence names it."""
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{found[0].op_type} {node_name(found[0])}{more}" if found else "no node"


def sizes_told(shape: Sequence[int | str | None] | None) -> str:
    """Return a declared shape as a sentence shows it."""
    sizes = ("?" if size is None else str(size) for size in shape or ())
    return "of unknown shape" if shape is None else f"[{', '.join(sizes)}]"
