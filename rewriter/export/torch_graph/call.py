"""What the function of an operator is given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper

from analyzer.core.errors import ExportError
from analyzer.core.types import Array
from rewriter.export.torch_graph.dtypes import as_tensor, dtype_code

Value = Any
"""A torch tensor, a `Held` or an array (known while the graph is walked), a list, None."""


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A constant of the graph.

    Attributes:
        name: Its tensor's name.
        array: What it holds.
        weight: Whether it may be a weight of the user's, which is folded into nothing.
        stored: Whether the graph stores it under its name; else it was computed.
    """

    name: str
    array: Array
    weight: bool
    stored: bool


Bodies = Mapping[str, Callable[[Sequence[Value]], list[Value]]]


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One node, with the values it reads.

    Attributes:
        node: The node.
        inputs: A value per input, None where it is left out.
        opset: Version of the operator set its type is from.
        tensor_of: Gives a held constant as the tensor that stands for it.
        kinds: Element types that torch's dtypes do not tell, by tensor name.
        bodies: Runs each graph among the node's attributes on values of its inputs.
    """

    node: onnx.NodeProto
    inputs: tuple[Value, ...]
    opset: int
    tensor_of: Callable[[Held], Any]
    kinds: Mapping[str, int]
    bodies: Bodies

    @property
    def tensors(self) -> list[Any]:
        """All inputs that are given, as tensors."""
        return [self.tensor(slot) for slot in range(len(self.inputs)) if self.has(slot)]

    @property
    def outputs(self) -> int:
        """How many results the node has."""
        return len(self.node.output)

    def has(self, slot: int) -> bool:
        """Return whether an input is given."""
        return slot < len(self.inputs) and self.inputs[slot] is not None

    def wants(self, slot: int) -> bool:
        """Return whether somebody may read an output."""
        return slot < len(self.node.output) and bool(self.node.output[slot])

    def tensor(self, slot: int) -> Any:
        """Return an input as a tensor, of its dtype and shape."""
        value = self.inputs[slot]
        if isinstance(value, Held):
            return self.tensor_of(value)
        return as_tensor(value) if isinstance(value, np.ndarray) else value

    def maybe(self, slot: int) -> Any:
        """Return an input as a tensor, or None where it is left out."""
        return self.tensor(slot) if self.has(slot) else None

    def kind(self, slot: int) -> int:
        """Return the element type of an input, as ONNX numbers it."""
        value = self.inputs[slot]
        if isinstance(value, Held):
            return dtype_code(value.array)
        narrow = self.kinds.get(self.node.input[slot])
        return dtype_code(value) if narrow is None else narrow

    def known(self, slot: int) -> Array | None:
        """Return an input as an array where it is known now; integers may be symbols."""
        value = self.inputs[slot] if self.has(slot) else None
        if isinstance(value, Held):
            return value.array
        return value if isinstance(value, np.ndarray) else None

    def numbers(self, slot: int) -> list[Any]:
        """Return the numbers of an input, in order; symbols where they are sizes."""
        array = self.known(slot)
        if array is not None:
            return list(array.reshape(-1).tolist())
        return list(self.tensor(slot).reshape(-1).tolist())

    def number(self, slot: int, default: Any = None) -> Any:
        """Return the one number of an input, or a default where it is left out."""
        return self.numbers(slot)[0] if self.has(slot) else default

    def option(self, name: str, default: Any = None) -> Any:
        """Return an attribute as Python has it; text is decoded."""
        found = next((one for one in self.node.attribute if one.name == name), None)
        if found is None:
            return default
        value = helper.get_attribute_value(found)
        return value.decode() if isinstance(value, bytes) else value

    def listed(self, slot: int, name: str) -> list[int] | None:
        """Return integers that are an input since some opset, and were an attribute."""
        if self.has(slot):
            return self.numbers(slot)
        given = self.option(name)
        return None if given is None else list(given)

    def refusal(self, why: str) -> ExportError:
        """Return the error that says what of this node torch cannot do.

        Args:
            why: A clause with a subject.
        """
        name = self.node.name or next(iter(self.node.output), "")
        return ExportError(
            f"{self.node.op_type} {name} is not written for torch: {why}",
            hint="the repaired model is whole as ONNX: give OUT the suffix .onnx",
        )
