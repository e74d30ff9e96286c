"""What a TensorFlow graph may hold before TensorFlow, which runs parts of it, reads it.

Running a graph runs whatever operators it names, some of which read and write files or
call Python; grappler runs some while it folds constants. This is a filter, not a sandbox: a
model that nobody vouches for belongs in a container.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from analyzer.frontends.protobuf import nested, text

REACHING_OUT = re.compile(
    r"\w*(PyFunc|Dataset|Iterator|Reader|TextFile|FileSystem|TRT)\w*"
    r"|(Read|Write|Matching)File\w*|Write\w+|PrintV2|Debug\w+|Dump\w+|ImmutableConst"
    r"|CreateSummary\w+|ImportEvent|CalibrationStatisticsSaver|RecordInput"
    r"|LoadAndRemapMatrix|GenerateVocabRemapping|FixedUnigramCandidateSampler|Skipgram"
    r"|(En|De)codeProto\w*|Rpc\w+|Remote\w+|_?(Host)?(Send|Recv)\w*|Collective\w+|Abort"
)
"""Operators that touch files, run Python, hold datasets, or speak to other machines."""

CHECKPOINT = re.compile(r"Save\w*|(DTensor)?Restore\w*|MergeV2Checkpoints|DistributedSave")
"""Operators that write and read variables; every SavedModel has them, to be saved again."""

WRITING = re.compile(r"Save\w*|MergeV2Checkpoints|DistributedSave")
"""Those of them that restoring a SavedModel has no use for."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node as far as its safety goes.

    Attributes:
        name: What it is called in its graph.
        op: Its operator, or the function it calls.
        reads: The nodes it waits for, by name.
        calls: The functions it is given.
    """

    name: str
    op: str
    reads: tuple[str, ...]
    calls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph with its function library.

    Attributes:
        nodes: Of the graph itself.
        functions: Nodes of each function, by the function's name.
    """

    nodes: tuple[Node, ...]
    functions: Mapping[str, tuple[Node, ...]]

    def every_node(self) -> Iterator[Node]:
        """Yield the nodes of the graph and of all its functions."""
        yield from self.nodes
        for inside in self.functions.values():
            yield from inside


def graph(message: memoryview) -> Graph:
    """Return what a stored ``GraphDef`` holds.

    Args:
        message: The bytes.

    Raises:
        ValueError: They are no protobuf message, or one of another shape.
    """
    functions: dict[str, tuple[Node, ...]] = {}
    for library in nested(message, 2):
        for function in nested(library, 1):
            inside = tuple(_node(node) for node in nested(function, 3))
            for signature in nested(function, 1):
                name = text(signature, 1)
                functions[name] = (*functions.get(name, ()), *inside)
    return Graph(tuple(_node(node) for node in nested(message, 1)), functions)


def frozen_dangers(message: memoryview) -> Iterator[str]:
    """Yield a sentence for each operator of a frozen graph that a model has no need of.

    Args:
        message: A stored ``GraphDef``.

    Raises:
        ValueError: It is none.
    """
    for node in graph(message).every_node():
        if REACHING_OUT.fullmatch(node.op) or CHECKPOINT.fullmatch(node.op):
            yield _told(node)


def saved_model_dangers(message: memoryview) -> Iterator[str]:
    """Yield a sentence for each part of a SavedModel that a model has no need of.

    The operators that save and restore its variables may stand where nothing runs them, and
    those that restore also where loading does.

    Args:
        message: A stored ``SavedModel``.

    Raises:
        ValueError: It is none.
    """
    for meta in nested(message, 2):
        whole = graph(memoryview(b"".join(nested(meta, 2))))  # as protobuf merges them
        every = whole.every_node()
        yield from (_told(node) for node in every if REACHING_OUT.fullmatch(node.op))
        for node in _reached(whole, _run_by_us(meta), _functions_run(meta, whole)):
            if CHECKPOINT.fullmatch(node.op):
                yield _told(node)
        for node in _reached(whole, _run_to_restore(meta), ()):
            if WRITING.fullmatch(node.op):
                yield _told(node)
        yield from _assets_outside(meta)


def _told(node: Node) -> str:
    return f"its node {node.name} is a {node.op}"


def _assets_outside(meta: memoryview) -> Iterator[str]:
    for asset in nested(meta, 6):
        name = text(asset, 2)
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            yield f"its asset {name} lies outside the folder"


def _reached(
    whole: Graph, names: Iterable[str], functions: Iterable[str]
) -> Iterator[Node]:
    """Yield the nodes that run when some nodes and some functions do."""
    known = {node.name: node for node in whole.nodes}
    waiting = [known[name] for name in names if name in known]
    called = list(functions)
    seen: set[str] = set()
    entered: set[str] = set()
    while waiting or called:
        while called:
            function = called.pop()
            fresh = () if function in entered else whole.functions.get(function, ())
            entered.add(function)
            yield from fresh
            called += [name for node in fresh for name in (node.op, *node.calls)]
        node = waiting.pop() if waiting else None
        if node is None or node.name in seen:
            continue
        seen.add(node.name)
        yield node
        called += [node.op, *node.calls]
        waiting += [known[name] for name in node.reads if name in known]


def _run_by_us(meta: memoryview) -> Iterator[str]:
    """Yield the nodes of all signatures, and those that initialise the model."""
    for entry in nested(meta, 5):
        for signature in nested(entry, 2):
            for tensors in (*nested(signature, 1), *nested(signature, 2)):
                for tensor in nested(tensors, 2):
                    yield from _tensor_nodes(tensor)
    for entry in nested(meta, 4):
        for collection in nested(entry, 2):
            for listed in nested(collection, 1):
                yield from (_node_name(str(n, "utf-8")) for n in nested(listed, 1))


def _tensor_nodes(tensor: memoryview) -> Iterator[str]:
    """Yield the nodes of a tensor: one, three if it is sparse, any number if composed."""
    yield _node_name(text(tensor, 1))
    for sparse in nested(tensor, 4):
        yield from (_node_name(text(sparse, part)) for part in (1, 2, 3))
    for composed in nested(tensor, 5):
        for part in nested(composed, 2):
            yield from _tensor_nodes(part)


def _run_to_restore(meta: memoryview) -> Iterator[str]:
    for saver in nested(meta, 3):
        yield _node_name(text(saver, 3))


def _functions_run(meta: memoryview, whole: Graph) -> Iterator[str]:
    """Yield the functions that objects of the model mention: loading may run any."""
    objects = b"".join(nested(meta, 7))
    yield from (name for name in whole.functions if name.encode() in objects)


def _node(message: memoryview) -> Node:
    reads = tuple(_node_name(str(name, "utf-8")) for name in nested(message, 3))
    calls = tuple(
        name
        for entry in nested(message, 5)
        for value in nested(entry, 2)
        for name in _called(value)
    )
    return Node(text(message, 1), text(message, 2), reads, calls)


def _called(value: memoryview) -> Iterator[str]:
    """Yield the functions that an attribute holds, at any depth."""
    listed = (function for each in nested(value, 1) for function in nested(each, 9))
    for function in (*nested(value, 10), *listed):
        yield text(function, 1)
        for entry in nested(function, 2):
            for inner in nested(entry, 2):
                yield from _called(inner)


def _node_name(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]
