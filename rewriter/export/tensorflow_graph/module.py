"""A program as a TensorFlow module with one traced function."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import onnx
import tensorflow as tf

from analyzer.core.errors import ExportError
from rewriter.export.tensorflow_graph.program import Program
from rewriter.export.tensorflow_graph.values import Value, natural, valued
from rewriter.export.tensorflow_graph.walk import Walk
from rewriter.export.tensorflow_graph.weights import Tensor, Weights, kept_in, valid_name


@dataclass(frozen=True, slots=True)
class Settings:
    """How the exported program appears from outside.

    Attributes:
        names: The user's name by pivot name, for inputs and outputs that differ.
        layouts: Which axis stands at each place, by pivot name, where the user's file
            stores an input or an output in another order.
        signature: The SavedModel's signature.
        variables: Whether weights stay variables.
        lite: Whether TFLite has to know each operation.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    layouts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    signature: str = "serving_default"
    variables: bool = True
    lite: bool = False

    def name(self, pivot: str) -> str:
        """Return what the user calls an input or output."""
        return self.names.get(pivot, pivot)

    def order(self, pivot: str, rank: int) -> tuple[int, ...]:
        """Return the order that the user's file stores an input or output in."""
        return tuple(self.layouts.get(pivot, natural(rank)))


class Graph:
    """A program that TensorFlow runs.

    Args:
        program: The graph.
        settings: Its names and layouts outside.
    """

    def __init__(self, program: Program, settings: Settings) -> None:
        self._program = program
        self._settings = settings
        self._store = Weights(program.weights)
        self.holder = tf.Module()
        values = {name: valued(array) for name, array in program.weights.items()}
        self.walk = Walk(program, settings.lite, values)
        specs = [_spec(value, settings) for value in program.inputs]
        for value, spec in zip(program.inputs, specs, strict=True):
            if spec.name != settings.name(value.name):
                self.walk.note(
                    f"The input {settings.name(value.name)} is called {spec.name}: "
                    "TensorFlow takes no such name."
                )
        self._function = tf.function(self._traced, specs, autograph=False)

    @property
    def notes(self) -> list[str]:
        """What the user should know of the program, in sentences."""
        return list(self.walk.notes)

    def concrete(self) -> Tensor:
        """Return the traced function; its outputs by the user's names."""
        traced = self._function.get_concrete_function()
        self.holder.weights = tuple(self._store.variables)  # a function holds none itself
        return traced

    def _traced(self, *tensors: Tensor) -> dict[str, Tensor]:
        given = {}
        for value, tensor in zip(self._program.inputs, tensors, strict=True):
            rank = len(tensor.shape)
            given[value.name] = Value(tensor, self._settings.order(value.name, rank))
        with kept_in(self._store if self._settings.variables else None):
            results = self.walk.branch(self._program.graph, given)
            return dict(map(self._named, self._program.graph.output, results))

    def _named(self, output: onnx.ValueInfoProto, value: Value) -> tuple[str, Tensor]:
        order = self._settings.order(output.name, value.rank)
        tensor = tf.identity(value.in_order(order))
        return self._settings.name(output.name), tensor


def _spec(value: onnx.ValueInfoProto, settings: Settings) -> Tensor:
    """Return an input as TensorFlow declares it, in the user's name and layout."""
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        raise ExportError(
            f"the input {value.name} is a {kind}, which a TensorFlow signature has not",
            hint="write the repaired model with -o to an .onnx file",
        )
    declared = value.type.tensor_type
    dtype = tf.as_dtype(onnx.helper.tensor_dtype_to_np_dtype(declared.elem_type))
    if declared.elem_type == onnx.TensorProto.STRING:
        dtype = tf.string
    sizes = [
        dim.dim_value if dim.HasField("dim_value") else None for dim in declared.shape.dim
    ]
    order = settings.order(value.name, len(sizes))
    shape = [sizes[axis] for axis in order]
    return tf.TensorSpec(shape, dtype, valid_name(settings.name(value.name)))
