"""How an operator is found, and what its function is told."""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Protocol

import numpy as np
import onnx

from analyzer.core.errors import ExportError
from analyzer.core.types import Array
from rewriter.export.tensorflow_graph import operators
from rewriter.export.tensorflow_graph.values import Value
from rewriter.export.tensorflow_graph.weights import Tensor

Given = Value | Tensor | Array | tuple[Value | Tensor | Array, ...]
"""What an operator's function returns: its outputs; a tensor lies in its own axes."""

Attribute = Any
"""An attribute as Python or NumPy has it: a number, text, an array, a graph, or a list."""

Key = tuple[str, str]
"""Domain and type of an operator; the standard domain is empty."""

_TABLE: "dict[Key, Operator]" = {}


class Scope(Protocol):
    """Where a node stands: what it may read, and what inner graphs are walked in."""

    @property
    def lite(self) -> bool:
        """Whether TFLite has to know each operation."""

    def branch(self, graph: onnx.GraphProto, given: Mapping[str, Value]) -> list[Value]:
        """Return an inner graph's outputs.

        Args:
            graph: A branch or a body.
            given: Its inputs by name.
        """

    def note(self, sentence: str) -> None:
        """Keep what the user should know of the exported program.

        Args:
            sentence: Said once, however often it is kept.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One node with its inputs.

    Attributes:
        node: The node.
        inputs: Its inputs, None where one is absent.
        opset: The version of the node's domain.
        scope: Where it stands.
    """

    node: onnx.NodeProto
    inputs: tuple[Value | None, ...]
    opset: int
    scope: Scope

    def has(self, index: int) -> bool:
        """Return whether an optional input is there."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def value(self, index: int) -> Value:
        """Return an input.

        Raises:
            ExportError: It is absent.
        """
        found = self.inputs[index] if index < len(self.inputs) else None
        if found is None:
            raise self.refusal(f"has no input {index}, which it needs")
        return found

    def tensor(self, index: int) -> Tensor:
        """Return an input as a tensor in its own axes."""
        return self.value(index).tensor

    def array(self, index: int) -> Array:
        """Return an input whose value must be known, in its own shape and dtype.

        Raises:
            ExportError: It is computed.
        """
        found = self.value(index).array
        if found is None:
            raise self.refusal(
                f"takes {self.node.input[index]}, which is known only when the model runs"
            )
        return found

    def integers(self, index: int, name: str) -> list[int] | None:
        """Return integers that are an input since some opset and were an attribute before.

        Args:
            index: Of the input.
            name: Of the attribute.

        Returns:
            None where they are absent.
        """
        if self.has(index):
            return [int(number) for number in self.array(index).reshape(-1)]
        found = self.attribute(name, None)
        return None if found is None else [int(number) for number in found]

    def attribute(self, name: str, default: Attribute) -> Attribute:
        """Return an attribute as Python or NumPy has it, text decoded.

        Args:
            name: Its name.
            default: What an absent one counts as.
        """
        found = next((one for one in self.node.attribute if one.name == name), None)
        return default if found is None else _plain(onnx.helper.get_attribute_value(found))

    def number(self, name: str, default: float) -> float:
        """Return a real attribute."""
        return float(self.attribute(name, default))

    def integer(self, name: str, default: int) -> int:
        """Return an integer attribute."""
        return int(self.attribute(name, default))

    def text(self, name: str, default: str) -> str:
        """Return an attribute that is text."""
        return str(self.attribute(name, default))

    def gives(self, index: int) -> bool:
        """Return whether anybody wants an output."""
        return index < len(self.node.output) and bool(self.node.output[index])

    def refusal(self, why: str) -> ExportError:
        """Return the error that this node cannot be said in TensorFlow.

        Args:
            why: What stands against it, after the node as the subject.
        """
        name = self.node.name or (self.node.output[0] if self.node.output else "")
        return ExportError(
            f"{self.node.op_type} {name} cannot be written for TensorFlow: it {why}",
            hint="write the repaired model with -o to an .onnx file",
        )


Operator = Callable[[Call], Given]
"""What says one node in TensorFlow: a tensor, a value or an array, or a tuple of them."""


def _plain(found: Attribute) -> Attribute:
    match found:
        case bytes():
            return found.decode()
        case onnx.TensorProto():
            return onnx.numpy_helper.to_array(found)
        case [bytes(), *_]:
            return [one.decode() for one in found]
        case _:
            return found


def operator(*names: str, domain: str = "") -> Callable[[Operator], Operator]:
    """Return a decorator that puts a function into the table.

    Args:
        names: The operators that it says.
        domain: Of the operators.
    """

    def entered(function: Operator) -> Operator:
        _TABLE.update({(domain, name): function for name in names})
        return function

    return entered


@cache
def table() -> Mapping[Key, Operator]:
    """Return every operator's function, by domain and type."""
    for module in pkgutil.iter_modules(operators.__path__):
        import_module(f"{operators.__name__}.{module.name}")
    return _TABLE


def standard(domain: str) -> str:
    """Return a domain, the standard one as the empty text."""
    return "" if domain == "ai.onnx" else domain


def as_array(given: Tensor) -> Array:
    """Return an eager tensor as NumPy has it, of the same shape and dtype."""
    return np.asarray(given)
