"""An ONNX graph as it grows, operator by operator of a TFLite graph.

TFLite has images as [N, H, W, C], ONNX's windows take [N, C, H, W]. A tensor is spelled in
the layout it is first computed in; the other spelling is a Transpose, made when it is asked
for, so that neighbours which agree have none between them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from analyzer.core.errors import LoadError
from analyzer.core.types import Array, Permutation
from analyzer.frontends.child.lite.facts import Graph, Grid, Operator, Tensor

INNER = "~"
"""What stands between a flatbuffer name and what is drawn for it beside the tensor."""


class Layout(Enum):
    """How a tensor of four axes lies against the flatbuffer's."""

    STRAIGHT = (0, 1, 2, 3)
    IMAGE = (0, 3, 1, 2)

    @property
    def back(self) -> Permutation:
        """The axes that undo it."""
        return tuple(int(axis) for axis in np.argsort(self.value))


IMAGE_RANK = 4
GRID_TYPES = tuple(np.dtype(name) for name in ("int8", "uint8", "int16"))
"""Element types of activations on a grid; the grid of an int32 is a bias's."""


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """What all graphs of one model have in common while they are drawn.

    Attributes:
        graphs: The model's graphs.
        taken: Tensor names that are in use.
        initializers: Constants by name.
        held: Name of the initializer of a constant in one layout.
    """

    graphs: tuple[Graph, ...]
    taken: set[str] = field(default_factory=set)
    initializers: dict[str, onnx.TensorProto] = field(default_factory=dict)
    held: dict[tuple[str, Permutation, int], str] = field(default_factory=dict)

    def fresh(self, name: str) -> str:
        """Return a name that no other tensor has, this one where it is free."""
        own, count = name, 1
        while own in self.taken:
            count += 1
            own = f"{name}{INNER if INNER not in name else ''}{count}"
        self.taken.add(own)
        return own

    def hold(self, name: str, value: Array) -> str:
        """Return the name of a new initializer.

        Args:
            name: What to call it, if that is free.
            value: Array of a dtype that ONNX has.
        """
        own = self.fresh(name)
        self.initializers[own] = numpy_helper.from_array(np.array(value, order="C"), own)
        return own


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """The ONNX nodes of one graph, growing.

    Attributes:
        shared: What it has in common with the model's other graphs.
        graph: The TFLite graph.
        nodes: What is drawn so far, in an order that runs.
        spelled: Name of each computed tensor, by index and layout, as it stands in the
            flatbuffer: integers where that has integers.
        floats: Name of what an integer tensor stands for, by index and layout.
        weights: Name of the floats of a constant on a grid, by initializer.
        writers: The operator that gives each tensor, by index.
    """

    shared: Shared
    graph: Graph
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    spelled: dict[tuple[int, Layout], str] = field(default_factory=dict)
    floats: dict[tuple[int, Layout], str] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    writers: Mapping[int, Operator] = field(default_factory=dict)

    def add(
        self, op: str, inputs: Iterable[str], outputs: Sequence[str], **options: Any
    ) -> str:
        """Return the first output of a new node.

        Args:
            op: ONNX operator.
            inputs: Tensor names, empty where an optional one is absent.
            outputs: Names of what it gives, unused so far.
            options: Its attributes; those that are None are left out.
        """
        said = {name: value for name, value in options.items() if value is not None}
        self.nodes.append(
            helper.make_node(op, list(inputs), list(outputs), outputs[0], **said)
        )
        return outputs[0]

    def root(self, index: int) -> int | None:
        """Return the constant behind a tensor, itself or what a DEQUANTIZE reads."""
        if self.graph.tensors[index].value is not None:
            return index
        writer = self.writers.get(index)
        if writer is None or writer.kind not in {"DEQUANTIZE", "DENSIFY"}:
            return None
        return self.root(writer.inputs[0])

    def constant(self, index: int, axes: Permutation, rank: int) -> str:
        """Return the name of a constant's floats, or integers where it is on no grid.

        Args:
            index: The constant, a `root`.
            axes: The order of its axes, after it is stretched to the rank.
            rank: Axes of size 1 are put before its own up to this rank.
        """
        tensor = self.graph.tensors[index]
        value = _stretched(tensor, rank)
        grid = tensor.grid
        if grid is not None and value.dtype == np.int64:  # no DequantizeLinear takes it
            scale = _along(grid, value.ndim - len(tensor.sizes), value.ndim)
            value, grid = (value * scale).astype(np.float32), None
        if value.dtype == np.float16:
            value = value.astype(np.float32)
        key = (tensor.name, axes, rank)
        if key not in self.shared.held:
            laid = value.transpose(axes) if axes else value
            self.shared.held[key] = self.shared.hold(tensor.name, laid)
        name = self.shared.held[key]
        if grid is None:
            return name
        if grid.is_per_tensor:  # then its axis means nothing, and a scalar has none
            return self._off_grid(name, tensor, None)
        place = rank - len(tensor.sizes) + grid.axis if rank else grid.axis
        return self._off_grid(name, tensor, axes.index(place) if axes else place)

    def _off_grid(self, name: str, tensor: Tensor, axis: int | None) -> str:
        if name not in self.weights:
            given = self.shared.fresh(f"{name}{INNER}DequantizeLinear")
            reads = [name, *self.grid(tensor)]
            self.weights[name] = self.add("DequantizeLinear", reads, [given], axis=axis)
        return self.weights[name]

    def grid(self, tensor: Tensor) -> tuple[str, str]:
        """Return the initializers of the scale and the zero point of a tensor on a grid.

        Args:
            tensor: It has a grid.
        """
        grid = tensor.grid
        assert grid is not None  # noqa: S101  # the callers ask
        parts = {"scale": grid.scale, "zero_point": grid.zero}
        names = []
        for called, value in parts.items():
            key = (f"{tensor.name}{INNER}{called}", (), 0)
            if key not in self.shared.held:
                shape = () if grid.is_per_tensor else value.shape
                self.shared.held[key] = self.shared.hold(key[0], value.reshape(shape))
            names.append(self.shared.held[key])
        return names[0], names[1]

    def is_image(self, index: int) -> bool:
        """Return whether a computed tensor is spelled as [N, C, H, W] only."""
        straight = (index, Layout.STRAIGHT) in self.spelled
        return not straight and (index, Layout.IMAGE) in self.spelled

    def plain(self, index: int, layout: Layout) -> str:
        """Return a computed tensor as the flatbuffer has it, laid out as asked.

        Args:
            index: The tensor.
            layout: `IMAGE` for tensors of four axes only.
        """
        return self._laid(self.spelled, index, layout)

    def real(self, index: int, layout: Layout) -> str:
        """Return a computed tensor in floats where it is on a grid, laid out as asked.

        Args:
            index: The tensor.
            layout: `IMAGE` for tensors of four axes only.
        """
        tensor = self.graph.tensors[index]
        if not is_on_grid(tensor):
            return self.plain(index, layout)
        own = Layout.IMAGE if self.is_image(index) else Layout.STRAIGHT
        if (index, own) not in self.floats:
            given = self.shared.fresh(f"{tensor.name}{INNER}DequantizeLinear")
            reads = [self.spelled[index, own], *self.grid(tensor)]
            self.floats[index, own] = self.add("DequantizeLinear", reads, [given])
        return self._laid(self.floats, index, layout)

    def _laid(
        self, spelled: dict[tuple[int, Layout], str], index: int, layout: Layout
    ) -> str:
        if (index, layout) in spelled:
            return spelled[index, layout]
        other = Layout.STRAIGHT if layout is Layout.IMAGE else Layout.IMAGE
        if (index, other) not in spelled:
            raise LoadError(
                f"{self.graph.tensors[index].name} is read before any operator gives it, "
                "so it keeps a state from run to run",
                hint="give an .onnx export of the model, or convert it without states",
            )
        called = "nchw" if layout is Layout.IMAGE else "nhwc"
        given = self.shared.fresh(f"{self.graph.tensors[index].name}{INNER}{called}")
        axes = layout.value if layout is Layout.IMAGE else other.back
        read = spelled[index, other]
        spelled[index, layout] = self.add("Transpose", [read], [given], perm=axes)
        return spelled[index, layout]


def is_on_grid(tensor: Tensor) -> bool:
    """Return whether a computed tensor's integers stand for floats."""
    return tensor.grid is not None and tensor.dtype in GRID_TYPES


def _stretched(tensor: Tensor, rank: int) -> Array:
    value = tensor.value
    assert value is not None  # noqa: S101  # `root` gives constants only
    if not rank or value.ndim >= rank:
        return value
    return value.reshape((1,) * (rank - value.ndim) + value.shape)


def _along(grid: Grid, before: int, rank: int) -> Array:
    if grid.is_per_tensor:
        return grid.scale.reshape(())
    shape = [1] * rank
    shape[before + grid.axis] = grid.scale.size
    return grid.scale.reshape(shape)
