"""Models run in ONNX Runtime; the only file of ours that knows it.

Weights stay in the user's file: the runtime gets the skeleton as bytes, and the folder
that its external locations are relative to.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from analyzer.core.errors import RunError
from analyzer.core.graph import node_name
from analyzer.core.tensors import (
    RAW_DTYPES,
    external_location,
    is_external,
    tensor_value,
)
from analyzer.core.types import Array, Feeds
from analyzer.runtime.deadly import deadly_optimizers, division_by_zero
from analyzer.runtime.quotients import guarded
from analyzer.runtime.refusal import guilty_node, newest_ir, newest_opset, sentence
from analyzer.runtime.soundness import byte_size

MAX_THREADS = 8
"""More threads only fight each other over one sample's operators."""

PREPACKED = 1 << 27
"""Bytes of weights up to which the runtime may copy them into its own order: beyond,
they stay mapped from their files, at hardly any cost in speed."""

LEAST_SHARED = 1 << 16
"""Bytes from which a weight is mapped once for all sessions: smaller ones are few pages."""

UNFETCHABLE = ("bfloat16", "int4", "float4", "int2", "uint4", "uint2")
"""Element types that ONNX Runtime cannot give to NumPy."""

AS_REQUESTED = 1
"""ONNX Runtime's way to extend an arena that does not double it."""

SILENT = 4
"""ONNX Runtime's severity "fatal": what it has to say reaches the user as a `RunError`."""


NOTHING: Feeds = {}
"""No values: every initializer's are in the proto or in a file."""


class Session:
    """A model that ONNX Runtime has accepted.

    Args:
        native: The runtime's own session.
        model: What was loaded, to find the node that a failure is about.
        shared: The runtime's values of weights that are mapped once for all sessions.
    """

    __slots__ = (
        "_model", "_native", "_shared", "input_names", "output_kinds", "output_names",
    )  # fmt: skip

    def __init__(
        self,
        native: Any,  # noqa: ANN401  # untyped package
        model: onnx.ModelProto,
        shared: Sequence[Any] = (),
    ) -> None:
        self._native = native
        self._model = model
        self._shared = shared  # the runtime reads them as long as it lives
        self.input_names: tuple[str, ...] = tuple(item.name for item in native.get_inputs())
        self.output_kinds: Mapping[str, str] = {
            item.name: item.type for item in native.get_outputs()
        }
        self.output_names: tuple[str, ...] = tuple(
            name for name, kind in self.output_kinds.items() if _fetchable(kind)
        )

    def run(self, feeds: Feeds, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """Return what the model gives for one sample.

        Args:
            feeds: Array of the declared shape and dtype by input name; names that are no
                input are left out.
            outputs: Names of the outputs wanted; None: all that NumPy can hold.

        Returns:
            Array by output name; a sequence comes as an object array of arrays, and an
            absent optional is left out.

        Raises:
            RunError: The runtime refuses the feeds, or a node fails on them.
        """
        wanted = list(self.output_names if outputs is None else outputs)
        given = {
            name: _native_value(feeds[name]) for name in self.input_names if name in feeds
        }
        if not wanted:
            return {}
        try:
            results = self._native.run(wanted, given)
        except _refusals() as surprise:
            raise _run_error(surprise, self._model, loading=False) from surprise
        pairs = zip(wanted, results, strict=True)
        return {name: _array(value) for name, value in pairs if value is not None}


def open_session(
    model: onnx.ModelProto,
    folder: Path,
    *,
    optimize: bool = False,
    threads: int = 0,
    held: Feeds = NOTHING,
) -> Session:
    """Return a session on a model, its external weights mapped from their files.

    Args:
        model: A proto, usually a skeleton; it is not changed.
        folder: The folder its external locations are relative to.
        optimize: Whether the runtime may rewrite the graph; without it every node runs as
            it is written.
        threads: Number of threads inside an operator; 0: one per core.
        held: Values of the initializers that point at no file, by name.

    Raises:
        RunError: The runtime does not load the model.
    """
    named = _with_names(model)
    _refuse_division_by_zero(named.graph)
    safe = guarded(named)
    shared = {} if optimize else _shared(safe, folder)
    try:
        native = _native_session(
            safe, folder, optimize=optimize, threads=threads, held=held, shared=shared
        )
    except _refusals() as surprise:
        if newest_ir(str(surprise)):
            older = onnx.ModelProto()
            older.CopyFrom(named)
            older.ir_version = newest_ir(str(surprise))  # the opsets say what nodes mean
            return open_session(
                older, folder, optimize=optimize, threads=threads, held=held
            )
        raise _run_error(surprise, named, loading=True) from surprise
    return Session(native, named, tuple(shared.values()))


def unreadable_opset(
    opsets: Iterable[onnx.OperatorSetIdProto],
) -> tuple[str, int, int] | None:
    """Return the first domain declared newer than ONNX Runtime reads it.

    Args:
        opsets: A model's opset imports.

    Returns:
        Domain, the version declared and the newest that can be read; None where all can.
    """
    for entry in opsets:
        domain = "" if entry.domain == "ai.onnx" else entry.domain
        newest = _newest_opset(domain, entry.version)
        if newest:
            return domain, entry.version, newest
    return None


@lru_cache(maxsize=64)
def _newest_opset(domain: str, version: int) -> int:
    """Return the newest readable version of a domain where `version` is too new, else 0."""
    versions = {"": 13, domain: version}
    imports = [helper.make_opsetid(name, number) for name, number in versions.items()]
    empty = helper.make_model(
        helper.make_graph([], "empty", [], []),
        opset_imports=imports,
        ir_version=8,
    )
    try:
        _native_session(empty, Path(), optimize=False, threads=1)
    except _refusals() as surprise:
        return newest_opset(str(surprise))
    return 0


def _native_session(
    model: onnx.ModelProto,
    folder: Path,
    *,
    optimize: bool,
    threads: int,
    held: Feeds = NOTHING,
    shared: Mapping[str, Any] = NOTHING,
) -> Any:  # noqa: ANN401  # untyped package
    """Return the runtime's own session on a model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    options.intra_op_num_threads = threads or _cores()
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    _share_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(folder.absolute())
    )
    # Two models run in turns: idle threads of one that spin halve the speed of the other.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not optimize:
        level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.graph_optimization_level = level
    if not optimize or mapped_bytes(model) > PREPACKED:
        options.add_session_config_entry("session.disable_prepacking", "1")
    if held:
        own = map(np.ascontiguousarray, held.values())
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in own]
        options.add_external_initializers(list(held), values)
    for name, value in shared.items():
        options.add_initializer(name, value)
    return onnxruntime.InferenceSession(
        model.SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=deadly_optimizers(model.graph) if optimize else None,
    )


@lru_cache(maxsize=1)
def _share_memory() -> None:
    """Let all sessions take their memory from one arena that grows by what is asked of it.

    With an arena each, what one run has given back is no use to the next model's, and a
    third more memory is touched for the first time: the system clears each page of it.
    """
    from onnxruntime import OrtArenaCfg, OrtMemoryInfo, create_and_register_allocator
    from onnxruntime.capi.onnxruntime_pybind11_state import OrtAllocatorType, OrtMemType

    place = OrtMemoryInfo(
        "Cpu", OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, OrtMemType.DEFAULT
    )
    exactly = OrtArenaCfg({"arena_extend_strategy": AS_REQUESTED})
    create_and_register_allocator(place, exactly)


def _shared(model: onnx.ModelProto, folder: Path) -> dict[str, Any]:
    """Return the large weights of a model as the runtime's values, where they are mapped.

    Each session would map them once more, and find its own way to every page. An optimizer
    may make other weights under the same name, so that an optimized session has its own.
    """
    import onnxruntime

    found = {}
    for tensor in model.graph.initializer:
        size = byte_size(tensor.data_type, prod(tensor.dims))
        if size < LEAST_SHARED or not is_external(tensor) or not _is_file(tensor, folder):
            continue
        array = tensor_value(tensor, folder)
        value = onnxruntime.OrtValue.ortvalue_from_numpy(array)
        if value.data_ptr() == array.ctypes.data:  # and no copy
            found[tensor.name] = value
    return found


def _is_file(tensor: onnx.TensorProto, folder: Path) -> bool:
    """Return whether a weight lies in a file, as numbers that NumPy reads as they are."""
    location, _, _ = external_location(tensor)
    return tensor.data_type in RAW_DTYPES and (folder / location).is_file()


def mapped_bytes(model: onnx.ModelProto) -> int:
    """Return how many bytes of weights a model has outside of its proto.

    Args:
        model: Its external weights are counted by their declared dtypes and shapes.
    """
    return sum(
        byte_size(tensor.data_type, prod(tensor.dims))
        for tensor in model.graph.initializer
        if is_external(tensor)
    )


def version() -> str:
    """Return the version of ONNX Runtime that is installed."""
    import onnxruntime

    return str(onnxruntime.__version__)


@lru_cache(maxsize=1)
def _refusals() -> tuple[type[Exception], ...]:
    """Return every exception by which the runtime refuses a model or its feeds."""
    from onnxruntime.capi import onnxruntime_pybind11_state as native

    own = (kind for kind in vars(native).values() if isinstance(kind, type))
    kinds = tuple(kind for kind in own if issubclass(kind, Exception))
    return (*kinds, RuntimeError, ValueError, TypeError, MemoryError)


def _cores() -> int:
    """Return how many cores this process may use, at most `MAX_THREADS`."""
    affinity = getattr(os, "sched_getaffinity", None)  # macOS and Windows have none
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(cores, MAX_THREADS)


def _with_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose every node has a name, so that a refusal can say which one."""
    taken = {node.name for node in model.graph.node}
    if "" not in taken:
        return model
    named = onnx.ModelProto()
    named.CopyFrom(model)
    for node in named.graph.node:
        name = node_name(node)
        node.name = name if name not in taken else node.name  # a name twice is refused
        taken.add(name)
    return named


def _refuse_division_by_zero(graph: onnx.GraphProto) -> None:
    """Raise where the runtime would not raise but die."""
    found = division_by_zero(graph)
    if found is None:
        return
    node, why = found
    raise RunError(
        f"ONNX Runtime cannot run the model: node {node}: {why}",
        hint="mend that node, or convert the model again",
        node=node,
        loading=True,
    )


def _run_error(surprise: Exception, model: onnx.ModelProto, *, loading: bool) -> RunError:
    """Return ONNX Runtime's exception as an error that names the node it is about."""
    text = str(surprise)
    node = guilty_node(text, model.graph)
    where = f"node {node}: " if node else ""
    step = "load the model" if loading else "run the model"
    return RunError(
        f"ONNX Runtime does not {step}: {where}{sentence(text)}",
        hint="mend that node, or convert the model again",
        node=node,
        loading=loading,
    )


def _fetchable(kind: str) -> bool:
    """Return whether NumPy can hold a value of one of the runtime's types."""
    return not any(element in kind for element in UNFETCHABLE)


def _native_value(value: Array) -> Any:  # noqa: ANN401  # untyped package
    """Return an array as the runtime takes it: a sequence goes in as a list."""
    if value.dtype == np.object_ and value.size and isinstance(value.flat[0], np.ndarray):
        return list(value)
    return value


def _array(value: Any) -> Array:  # noqa: ANN401  # untyped package
    """Return one of the runtime's results as an array, a sequence as an object array."""
    if isinstance(value, np.ndarray):
        return value
    items = value if isinstance(value, Sequence) else [value]
    if any(isinstance(item, Mapping) for item in items):
        return np.asarray([repr(item) for item in items], dtype=np.object_)
    sequence = np.empty(len(items), dtype=np.object_)
    sequence[:] = items
    return sequence
