"""A pivot before and after a repair, as the child is given them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import onnx

from analyzer.core.graph import nodes
from analyzer.core.types import Node
from rewriter.export.changes import Changes, changes


@dataclass(frozen=True, eq=False)
class Pivots:
    """A pivot before and after a repair.

    Attributes:
        before: As it was imported.
        after: As it is to be.
        layers: The user's layer of each tensor that has one.
        inputs: Names of the pivot's inputs.
        outputs: Names of its outputs, before and after.
        imported: The proto that was imported.
    """

    before: tuple[Node, ...]
    after: tuple[Node, ...]
    layers: Mapping[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[tuple[str, ...], tuple[str, ...]]
    imported: onnx.ModelProto

    @cached_property
    def changes(self) -> Changes:
        """What the repair changed."""
        return changes(self.before, self.after, self.outputs)


def read(before: str, after: str, weights: str, layers: Mapping[str, str]) -> Pivots:
    """Return both pivots of a request.

    Args:
        before: The imported pivot, a proto.
        after: The repaired one.
        weights: The folder that their weights lie in.
        layers: The user's layer by tensor.
    """
    models = [onnx.load_model(one, load_external_data=False) for one in (before, after)]
    both = [nodes(model, Path(weights)) for model in models]
    ends = [tuple(value.name for value in model.graph.output) for model in models]
    held = {tensor.name for tensor in models[0].graph.initializer}
    given = [value.name for value in models[0].graph.input if value.name not in held]
    return Pivots(both[0], both[1], layers, tuple(given), (ends[0], ends[1]), models[0])
