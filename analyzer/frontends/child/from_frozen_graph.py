"""Frozen TensorFlow graphs, in the child: TensorFlow runs them, tf2onnx converts them."""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from analyzer.core.errors import LoadError
from analyzer.core.types import Feeds
from analyzer.frontends.child import graph_def
from analyzer.frontends.child.loaded import Loaded
from analyzer.frontends.child.naming import renamed
from analyzer.frontends.child.node_names import layers
from analyzer.frontends.child.remake_graph import remaking
from analyzer.frontends.child.tensorflow_values import Frozen

VARIABLES = frozenset({"Variable", "VariableV2", "VarHandleOp"})
SILENT = frozenset({"NoOp", "Assert", "CheckNumerics", "Const", "Placeholder", "Print"})
"""What nobody reads and is no output all the same."""

LEAVING = frozenset({"Exit", "RefExit", "Switch", "RefSwitch"})
"""What leaves a loop or a branch: an output only where nothing else is one."""

FIRST_ONLY = re.compile(r"FusedBatchNorm\w*")
"""Operators whose further outputs are for training."""

NUMBERED = re.compile(r"(.*?)(?:_(\d+))?", re.DOTALL)
"""How TensorFlow tells outputs apart: ``Identity``, ``Identity_1``."""


def load(path: str, *, trust_code: bool) -> Loaded:
    """Return a frozen graph with its pivot.

    Its inputs are the placeholders, its outputs what no node reads, in the file's order.

    Args:
        path: A ``.pb`` file.
        trust_code: Of no effect here: the graph was looked through before.

    Raises:
        LoadError: It is no graph, is not frozen, has no output, or tf2onnx fails.
    """
    del trust_code
    graph = _read(path)
    native = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    inputs, outputs = _inputs(native.graph, graph), _outputs(path, native.graph, graph)
    run = native.prune(
        *([native.graph.get_tensor_by_name(n) for n in end] for end in (inputs, outputs))
    )
    pivot = graph_def.pivot_of(path, graph, inputs, outputs)
    found = layers(pivot, {})
    pivot, names = renamed(
        pivot, {name: name.removesuffix(":0") for name in (*inputs, *outputs)}
    )
    fed, given = (
        {name: names.get(name, name) for name in end} for end in (inputs, outputs)
    )
    called = list(fed.values()), list(given.values())
    frozen = Frozen(path, graph, fed, given, partial(layers, variables={}))
    remake, values = remaking(lambda: frozen, lambda feeds: _run(run, feeds, *called))
    return Loaded(
        pivot,
        lambda feeds: _run(run, feeds, *called),
        {names.get(tensor, tensor): layer for tensor, layer in found.items()},
        remake=remake,
        values=values,
    )


def _read(path: str) -> Any:
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(Path(path).read_bytes())
    except DecodeError as surprise:
        raise LoadError(
            f"{path} is damaged, or no TensorFlow graph ({surprise})",
            hint="save or download the model again",
        ) from surprise
    variable = next((node for node in graph.node if node.op in VARIABLES), None)
    if variable is not None:
        raise LoadError(
            f"{path} is not frozen: its variable {variable.name} has no value there",
            hint="freeze it, or give the SavedModel folder",
        )
    return graph_def.without_defaults(graph)


def _inputs(graph: Any, stored: Any) -> list[str]:
    """Return the placeholders that are read, in the file's order; others change nothing."""
    names = [f"{node.name}:0" for node in stored.node if node.op == "Placeholder"]
    return [name for name in names if graph.get_tensor_by_name(name).consumers()]


def _outputs(path: str, graph: Any, stored: Any) -> list[str]:
    """Return what depends on an input and is read by nobody, in the file's order.

    Raises:
        LoadError: There is no such tensor.
    """
    waited = {name[1:] for node in stored.node for name in node.input if name[0] == "^"}
    last = {each.name: each for each in _fed(graph) if _is_unread(each)}
    last = {k: v for k, v in last.items() if not _is_aside(v, waited)} or last
    if not last:
        raise LoadError(
            f"{path} has no output: nothing depends on a placeholder and is read by nobody",
            hint="check that it is a frozen graph, or give the SavedModel folder",
        )
    ordered = _in_order([node.name for node in stored.node if node.name in last])
    return [tensor.name for name in ordered for tensor in _given(last[name])]


def _is_unread(operation: Any) -> bool:
    read = any(tensor.consumers() for tensor in operation.outputs)
    return operation.type not in SILENT and not read


def _is_aside(operation: Any, waited: AbstractSet[str]) -> bool:
    """Return whether an operation serves control: it is waited for, or leaves a loop."""
    return operation.name in waited or operation.type in LEAVING


def _fed(graph: Any) -> set[Any]:
    """Return the operations that depend on a placeholder."""
    waiting = [each for each in graph.get_operations() if each.type == "Placeholder"]
    found = set(waiting)
    while waiting:
        operation = waiting.pop()
        readers = {each for tensor in operation.outputs for each in tensor.consumers()}
        waiting.extend(readers - found)
        found |= readers
    return found


def _in_order(names: Sequence[str]) -> list[str]:
    """Return names in order, those that differ by a number at the end as they count."""
    parts = {name: NUMBERED.fullmatch(name).groups() for name in names}  # type: ignore[union-attr]  # all match
    first: dict[str, int] = {}
    for place, name in enumerate(names):
        first.setdefault(parts[name][0], place)
    return sorted(names, key=lambda name: (first[parts[name][0]], int(parts[name][1] or 0)))


def _given(operation: Any) -> Sequence[Any]:
    outputs: Sequence[Any] = operation.outputs
    return outputs[:1] if FIRST_ONLY.fullmatch(operation.type) else outputs


def _run(run: Any, feeds: Feeds, inputs: Sequence[str], outputs: Sequence[str]) -> Feeds:
    results = run(*(tf.constant(feeds[name]) for name in inputs))
    arrays = [np.asarray(result) for result in tf.nest.flatten(results)]
    return dict(zip(outputs, arrays, strict=True))
