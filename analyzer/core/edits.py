"""What can be done to a model: a closed union of edits, and the fix they make up."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import onnx

from analyzer.core.models import Array, AttributeValue


class Safety(StrEnum):
    """Whether a fix changes only what its finding names."""

    SAFE = "safe"
    UNSAFE = "unsafe"


@dataclass(frozen=True, slots=True, eq=False)
class SetAttribute:
    """Give a node's attribute another value; None removes it."""

    node: str
    attribute: str
    value: AttributeValue | None


@dataclass(frozen=True, slots=True, eq=False)
class SetConstant:
    """Give a node's constant input another value; its other readers keep theirs."""

    node: str
    slot: int
    value: Array


@dataclass(frozen=True, slots=True, eq=False)
class InsertNode:
    """Put an operator on an edge.

    Attributes:
        tensor: The tensor it reads, as its input `slot`.
        op: Operator type.
        attributes: Its attributes.
        constants: Its constant inputs by slot; the remaining slot reads `tensor`.
        readers: ``(node, slot)`` that read its output instead of `tensor`; empty: every
            reader, the model's outputs among them, whose names stay.
        slot: The slot of the new node that reads `tensor`.
    """

    tensor: str
    op: str
    attributes: Mapping[str, AttributeValue]
    constants: Mapping[int, Array]
    readers: tuple[tuple[str, int], ...] = ()
    slot: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class RemoveNode:
    """Take a node out; whoever read its first output reads its input `slot` instead."""

    node: str
    slot: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class ReplaceRegion:
    """Let other nodes compute tensors of the target.

    Attributes:
        nodes: Target nodes that go, where nothing else needs them.
        replacement: A graph whose inputs and outputs are named as the target tensors they
            read and give; its initializers hold its constants.
        opset: The default-domain opset that the replacement is written for.
    """

    nodes: tuple[str, ...]
    replacement: onnx.GraphProto
    opset: int


@dataclass(frozen=True, slots=True, eq=False)
class Rewire:
    """Let a node's input `slot` read another tensor."""

    node: str
    slot: int
    tensor: str


@dataclass(frozen=True, slots=True, eq=False)
class SetOpset:
    """Declare another opset version for a domain."""

    domain: str
    version: int


@dataclass(frozen=True, slots=True, eq=False)
class SetType:
    """Declare another dtype (NumPy name) and shape for a model input or output."""

    tensor: str
    dtype: str
    shape: tuple[int | str | None, ...]


class Statement(StrEnum):
    """What a file states beside its operators."""

    IR_VERSION = "ir_version"
    OPSET = "opset"
    NODE_NAME = "node_name"
    TENSOR_NAME = "tensor_name"
    TYPE = "type"
    INPUT = "input"
    NO_INPUT = "no_input"
    OUTPUT = "output"
    NO_OUTPUT = "no_output"
    NO_CONSTANT = "no_constant"


@dataclass(frozen=True, slots=True, eq=False)
class Restate:
    """Let a file state what its operators have; none of them computes anything else.

    Attributes:
        what: What is stated.
        name: The tensor it is stated of; of a node its first output; empty: the model.
        value: The version, the new name or the dtype (NumPy name).
        shape: Of a type: its shape; None: unknown.
    """

    what: Statement
    name: str
    value: int | str = ""
    shape: tuple[int | str | None, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AddOutput:
    """Let the model give one more tensor, of a dtype (NumPy name) and a shape.

    Attributes:
        tensor: A tensor of the model, or one that another edit gives.
        dtype: Its dtype.
        shape: Its sizes.
        place: Its place among the outputs, from 0.
    """

    tensor: str
    dtype: str
    shape: tuple[int | str | None, ...]
    place: int


Edit = (
    SetAttribute
    | SetConstant
    | InsertNode
    | RemoveNode
    | ReplaceRegion
    | Restate
    | Rewire
    | SetOpset
    | SetType
    | AddOutput
)
"""A closed union, so that the surgeon's `match` is checked for exhaustiveness."""


@dataclass(frozen=True, slots=True, eq=False)
class Fix:
    """Edits that together undo one fault."""

    title: str
    edits: tuple[Edit, ...]
    safety: Safety = Safety.SAFE
