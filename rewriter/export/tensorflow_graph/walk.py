"""A program walked node by node: what is known is computed now, the rest is traced."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
import tensorflow as tf

from analyzer.core.errors import ExportError
from rewriter.export.tensorflow_graph.program import Program, inner_graphs, needed
from rewriter.export.tensorflow_graph.sizes import partly_known
from rewriter.export.tensorflow_graph.table import Call, as_array, standard, table
from rewriter.export.tensorflow_graph.values import Value, natural, valued
from rewriter.export.tensorflow_graph.weights import Tensor

UNFOLDED = frozenset(
    {
        "Bernoulli",
        "Dropout",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)
"""Operators whose value is drawn when the program runs, whatever is known before."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A graph being walked.

    Attributes:
        program: The whole program.
        lite: Whether TFLite has to know each operation.
        values: What is visible, by tensor name.
        notes: What the user should know, in sentences.
    """

    program: Program
    lite: bool
    values: Mapping[str, Value]
    notes: dict[str, None] = field(default_factory=dict)

    def note(self, sentence: str) -> None:
        """Keep a sentence for the user, once.

        Args:
            sentence: Of the exported program.
        """
        self.notes[sentence] = None

    def branch(self, graph: onnx.GraphProto, given: Mapping[str, Value]) -> list[Value]:
        """Return an inner graph's outputs; it sees all that is visible here.

        Args:
            graph: A branch or a body.
            given: Its inputs by name.
        """
        inner = Walk(self.program, self.lite, {**self.values, **given}, self.notes)
        return inner.outputs(graph)

    def outputs(self, graph: onnx.GraphProto) -> list[Value]:
        """Return a graph's outputs, each of its nodes said by the table.

        Args:
            graph: Its inputs are visible.
        """
        values = {**self.values, **_known(graph.initializer)}
        for node in needed(graph):
            results = self._results(node, values)
            values.update(zip(node.output, results, strict=False))
        return [values[one.name] for one in graph.output]

    def _results(self, node: onnx.NodeProto, values: Mapping[str, Value]) -> list[Value]:
        inputs = tuple(values[name] if name else None for name in node.input)
        domain = standard(node.domain)
        inside = Walk(self.program, self.lite, values, self.notes)
        call = Call(node, inputs, self.program.opsets.get(domain, 1), inside)
        function = table()[domain, node.op_type]
        try:
            results = _computed(call, function)
        except ExportError:
            raise
        except Exception as surprise:  # TensorFlow may raise anything at all
            raise call.refusal(f"is refused ({_first_line(surprise)})") from surprise
        return [partly_known(call, function, one) for one in results]


def _known(tensors: Iterable[onnx.TensorProto]) -> dict[str, Value]:
    arrays = {one.name: onnx.numpy_helper.to_array(one) for one in tensors}
    return {name: valued(array) for name, array in arrays.items()}


def _computed(call: Call, function: Callable[[Call], Tensor]) -> list[Value]:
    """Return a node's outputs: computed at once where all its inputs are known."""
    if not _is_foldable(call):
        return _several(function(call))
    with tf.init_scope():
        return [_as_known(one) for one in _several(function(call))]


def _is_foldable(call: Call) -> bool:
    if call.node.op_type in UNFOLDED or inner_graphs(call.node):
        return False
    return all(one is None or one.array is not None for one in call.inputs)


def _several(given: Tensor) -> list[Value]:
    return [valued(one) for one in (given if isinstance(given, tuple) else (given,))]


def _as_known(value: Value) -> Value:
    array = as_array(value.tensor) if value.array is None else value.array
    return Value(np.asarray(array), natural(array.ndim))


def _first_line(surprise: Exception) -> str:
    said = str(surprise).strip().splitlines()
    return said[0] if said else type(surprise).__name__
