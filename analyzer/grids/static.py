"""Nodes that no input of the model reaches: what takes stored integers off a grid."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import onnx

from analyzer.core.graph import as_node, constants, opsets, producers
from analyzer.core.grids import READER
from analyzer.core.types import Array, Node


class Statics:
    """The nodes of a model that take constants off a grid, read when they are asked for.

    Args:
        model: The proto.
        folder: The folder its external locations are relative to.
    """

    def __init__(self, model: onnx.ModelProto, folder: Path) -> None:
        self._model, self._folder = model, folder

    def reader(self, tensor: str) -> Node | None:
        """Return the DequantizeLinear of constants that gives a tensor, None for others.

        Args:
            tensor: A tensor of the model.
        """
        proto = self._givers.get(tensor)
        if proto is None or proto.op_type != READER:
            return None
        node = as_node(proto, self._values, opsets(self._model))
        return node if 0 in node.constants else None

    def products(self, scale: str) -> Iterator[tuple[Node, int]]:
        """Yield the products of scales that hold one of them, and its slot there.

        A bias is on the grid of its input's scale times its weight's.

        Args:
            scale: The tensor that holds the scale.
        """
        for proto in self._model.graph.node:
            if proto.op_type != "Mul" or scale not in proto.input:
                continue
            if all(name in self._values for name in proto.input):
                node = as_node(proto, self._values, opsets(self._model))
                yield node, node.inputs.index(scale)

    @cached_property
    def _givers(self) -> Mapping[str, onnx.NodeProto]:
        return producers(self._model.graph.node)

    @cached_property
    def _values(self) -> Mapping[str, Array]:
        return constants(self._model, self._folder)
