"""What TensorFlow itself computes at the tensors of a frozen graph."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import tensorflow as tf

from analyzer.core.types import Feeds
from analyzer.frontends.child.node_names import Layers

FETCHED = frozenset(
    {
        tf.float64,
        tf.float32,
        tf.float16,
        tf.int64,
        tf.int32,
        tf.int16,
        tf.int8,
        tf.uint8,
        tf.bool,
    }
)
"""Dtypes that NumPy and ONNX Runtime have as TensorFlow has them."""

SILENT = frozenset({"Const", "Identity", "Placeholder"})
"""Operators that compute nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Frozen:
    """A model as TensorFlow's graph without variables.

    Attributes:
        path: The model, as the user gave it.
        graph: The ``GraphDef``.
        inputs: Pivot input by the name of the tensor that is fed, such as ``x:0``.
        outputs: Pivot output by the name of the tensor that is wanted, in order.
        layers: Gives the layer of each tensor of what tf2onnx makes.
    """

    path: str
    graph: Any
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    layers: Callable[[onnx.ModelProto], Layers]

    @property
    def ends(self) -> dict[str, str]:
        """Pivot name of each input and output by the graph's."""
        return {**self.inputs, **self.outputs}


@dataclass(slots=True, eq=False)
class GraphValues:
    """Asks TensorFlow for tensors of a frozen graph; called with a sample and names.

    Attributes:
        freeze: Freezes the model; called once, when it is first asked.
    """

    freeze: Callable[[], Frozen]
    _opened: list[tuple[Frozen, Any]] = field(default_factory=list)

    def __call__(self, feeds: Feeds, names: Sequence[str]) -> Feeds:
        """Return the values of those of the named pivot tensors that the graph has.

        Args:
            feeds: One sample by pivot input name.
            names: Tensors of the pivot.
        """
        frozen, wrapped = self._once()
        own = {pivot: tensor for tensor, pivot in frozen.ends.items()}
        asked = [name for name in names if name not in feeds]
        tensors = dict(_found(wrapped.graph, asked, own))
        if not tensors:
            return {}
        fed = [wrapped.graph.get_tensor_by_name(name) for name in frozen.inputs]
        run = wrapped.prune(fed, list(tensors.values()))
        results = run(*(tf.constant(feeds[name]) for name in frozen.inputs.values()))
        arrays = (np.asarray(value) for value in tf.nest.flatten(results))
        return dict(zip(tensors, arrays, strict=True))

    def operators(
        self, tensor: str, known: Mapping[str, object]
    ) -> tuple[tuple[str, str | None], ...]:
        """Return type and layer of the operators that give a tensor, the last one first.

        Args:
            tensor: Its name in the pivot.
            known: Tensors of the pivot; what is behind these is not looked at.
        """
        frozen, wrapped = self._once()
        own = {pivot: name for name, pivot in frozen.ends.items()}
        found = [tensor for _, tensor in _found(wrapped.graph, [tensor], own)]
        behind: dict[str, Any] = {}
        while found:
            operation = found.pop(0).op
            if operation.name in behind:
                continue
            behind[operation.name] = operation
            found += [one for one in operation.inputs if one.name not in known]
        computing = [one for one in behind.values() if one.type not in SILENT]
        layers = frozen.layers(_named(computing))
        return tuple(
            (one.type, layers.get(one.outputs[0].name, (None, None))[0])
            for one in computing
        )

    def _once(self) -> tuple[Frozen, Any]:
        if not self._opened:
            frozen = self.freeze()
            graph = frozen.graph
            wrapped = tf.compat.v1.wrap_function(
                lambda: tf.import_graph_def(graph, name=""), []
            )
            self._opened.append((frozen, wrapped))
        return self._opened[0]


def _found(
    graph: Any, names: Sequence[str], own: Mapping[str, str]
) -> Iterator[tuple[str, Any]]:
    """Yield the graph's tensor of each pivot name that is one."""
    operations = {each.name: each for each in graph.get_operations()}
    for name in names:
        operation, _, place = own.get(name, name).rpartition(":")
        outputs = operations[operation].outputs if operation in operations else ()
        if not place.isdigit() or int(place) >= len(outputs):
            continue
        tensor = outputs[int(place)]
        if tensor.dtype in FETCHED:
            yield name, tensor


def _named(operations: Sequence[Any]) -> onnx.ModelProto:
    """Return a model of the names alone, for layers to be read from."""
    graph = onnx.GraphProto()
    for operation in operations:
        names = [tensor.name for tensor in operation.outputs]
        graph.node.add(name=operation.name, output=names)
    return onnx.ModelProto(graph=graph)
