"""Graphs that edits are applied to: one of a file, and the functions of a SavedModel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from analyzer.core.errors import ExportError
from rewriter.export.child.graph_edits import (
    AddNode,
    Drop,
    GraphEdit,
    Rewire,
    SetKind,
    SetOption,
    SetValue,
)
from rewriter.export.child.graph_view import node_of

ADDED = "repaired"
"""The scope of new nodes: what reads one of the graph's tensors there is not rewired."""

DTYPE = "T"
"""The attribute that says what most operators compute in."""


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """The nodes of a graph or of a function.

    Attributes:
        proto: A ``GraphDef`` or a ``FunctionDef``.
        prefix: What its nodes' names begin with in the whole model's graph.
        result: What the body gives, by name: of a ``FunctionDef`` only.
    """

    proto: Any
    prefix: str = ""

    @property
    def is_function(self) -> bool:
        """Whether it is a function's, whose tensors are called otherwise."""
        return hasattr(self.proto, "node_def")

    @property
    def nodes(self) -> Any:
        """Its nodes, a list that can be changed."""
        return self.proto.node_def if self.is_function else self.proto.node

    def node(self, name: str) -> Any | None:
        """Return a node by its name in the whole model's graph; None: it is elsewhere."""
        if not name.startswith(self.prefix):
            return None
        own = name[len(self.prefix) :]
        return next((node for node in self.nodes if node.name == own), None)

    def apply(self, edit: GraphEdit) -> None:
        """Do what an edit says; its nodes are in this body.

        Raises:
            ExportError: There is no such node.
        """
        match edit:
            case SetValue(name, value):
                tensor = tf.make_tensor_proto(value)
                self._known(name).attr["value"].tensor.CopyFrom(tensor)
            case SetOption(name, option, value):
                self._known(name).attr[option].CopyFrom(value)
            case SetKind(name, op):
                self._known(name).op = op
            case AddNode():
                self._add(edit)
            case Rewire():
                self._rewire(edit)
            case Drop(name):
                self._drop(name)

    def _known(self, name: str) -> Any:
        found = self.node(name)
        if found is None:
            raise ExportError(
                f"the graph has no node {name} of its own to be repaired",
                hint="write the repaired model with -o to an .onnx file",
            )
        return found

    def _reference(self, name: str) -> str:
        """Return how the first tensor of a node is read here."""
        node = self._known(name)
        if not self.is_function:
            return str(node.name)
        return f"{node.name}:{op_def_registry.get(node.op).output_arg[0].name}:0"

    def _add(self, edit: AddNode) -> None:
        kind = self._known(edit.beside).attr[DTYPE].type or tf.float32.as_datatype_enum
        reads = [
            self._reference(one)
            if isinstance(one, str)
            else self._constant(edit, slot, kind)
            for slot, one in enumerate(edit.operands)
        ]
        node = self.nodes.add(name=self._short(edit.name), op=edit.op, input=reads)
        node.attr[DTYPE].type = kind
        for option, value in edit.options.items():
            node.attr[option].CopyFrom(value)

    def _constant(self, edit: AddNode, slot: int, kind: int) -> str:
        """Return how a new scalar is read."""
        name = f"{edit.name}/operand_{slot}"
        node = self.nodes.add(name=self._short(name), op="Const")
        value = tf.make_tensor_proto(edit.operands[slot], dtype=kind)
        node.attr["dtype"].type = kind
        node.attr["value"].tensor.CopyFrom(value)
        return self._reference(name)

    def _short(self, name: str) -> str:
        return name.removeprefix(self.prefix)

    def _rewire(self, edit: Rewire) -> None:
        old, new = self._reference(edit.old), self._reference(edit.new)
        if edit.readers is not None:
            for name, slot in edit.readers:
                self._known(name).input[slot] = new
            return
        for node in self.nodes:
            if not _is_new(node.name):
                node.input[:] = [new if _is(one, old) else one for one in node.input]
        for name, value in list(self.proto.ret.items()) if self.is_function else ():
            if value == old:
                self.proto.ret[name] = new

    def _drop(self, name: str) -> None:
        node = self._known(name)
        given = [*self.proto.ret.values()] if self.is_function else []
        read = node.name in map(node_of, given)
        if not read and not any(_reads(one, node.name) for one in self.nodes):
            self.nodes.remove(node)

    def forget_shapes(self) -> None:
        """Let shapes be inferred anew: what was recorded may hold no more.

        TensorFlow refuses a graph whose recorded shapes are not those it infers.
        """
        for node in self.nodes:
            if "_output_shapes" in node.attr:
                del node.attr["_output_shapes"]


def _is_new(name: str) -> bool:
    return f"/{ADDED}/" in f"/{name}"


def _is(reference: str, tensor: str) -> bool:
    return reference.removesuffix(":0") == tensor.removesuffix(":0")


def _reads(node: Any, name: str) -> bool:
    return any(node_of(one) == name for one in node.input)


def bodies(graph: Any, function: str) -> Iterator[Body]:
    """Yield a function and all that it calls, as the whole model's graph names their nodes.

    Args:
        graph: The ``GraphDef`` with the library.
        function: Where the model begins.
    """
    library = {one.signature.name: one for one in graph.library.function}
    waiting = [Body(library[function])]
    while waiting:
        body = waiting.pop(0)
        yield body
        for node in body.nodes:
            called = node.attr["f"].func.name if "PartitionedCall" in node.op else ""
            if called in library:
                waiting.append(Body(library[called], f"{body.prefix}{node.name}/"))


def body_of(found: Sequence[Body], edit: GraphEdit) -> Body:
    """Return the body that an edit's nodes stand in.

    Raises:
        ExportError: There is none.
    """
    names = _names(edit)
    for body in found:
        if all(body.node(name) is not None for name in names):
            return body
    known = all(any(body.node(name) is not None for body in found) for name in names)
    told = f"{names[0]} is in no function of the SavedModel by that name"
    raise ExportError(
        f"{' and '.join(names)} are in different functions of it" if known else told,
        hint="write the repaired model with -o to an .onnx file",
    )


def _names(edit: GraphEdit) -> list[str]:
    match edit:
        case SetValue(name) | SetOption(name) | SetKind(name) | Drop(name):
            return [name]
        case AddNode():
            return [edit.beside]
        case Rewire(old, new):
            return [old, new]
