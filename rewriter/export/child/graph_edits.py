"""What is done to a TensorFlow graph: a closed union of edits, and a graph they fit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from analyzer.core.types import Array


@dataclass(frozen=True, slots=True, eq=False)
class SetValue:
    """Give a constant, or the variable behind it, another value, laid out as its own."""

    constant: str
    value: Array


@dataclass(frozen=True, slots=True, eq=False)
class SetOption:
    """Give a node's attribute another ``AttrValue``."""

    node: str
    option: str
    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class SetKind:
    """Let a node be another operator that reads the same."""

    node: str
    op: str


@dataclass(frozen=True, slots=True, eq=False)
class AddNode:
    """Put a node into the graph.

    Attributes:
        name: What it is called.
        op: Its operator.
        operands: What it reads: nodes by name, scalars by value.
        beside: A node whose first tensor has the dtype that it computes in.
        options: Attributes beside the dtype.
    """

    name: str
    op: str
    operands: tuple[str | Array, ...]
    beside: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Rewire:
    """Let readers of a node's first tensor read another node's.

    Attributes:
        old: The node that was read.
        new: The node that is read.
        readers: Name and slot of each; None: all but the new nodes.
    """

    old: str
    new: str
    readers: tuple[tuple[str, int], ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Drop:
    """Take a node out that nothing reads any more."""

    node: str


GraphEdit = SetValue | SetOption | SetKind | AddNode | Rewire | Drop


class Editable(Protocol):
    """A graph, in a file of its own or in functions, that edits are applied to."""

    def apply(self, edit: GraphEdit) -> None:
        """Do what an edit says.

        Raises:
            ExportError: There is no such node.
        """
        ...
