"""Variables of a SavedModel, rewritten in its checkpoint: all others as they were."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from analyzer.core.errors import ExportError
from analyzer.core.types import Array

OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""Where a checkpoint keeps which of its keys is which variable."""


def rewrite(prefix: Path, values: Mapping[str, tuple[Array, Array]]) -> None:
    """Give variables of a checkpoint other values, in place.

    Args:
        prefix: The checkpoint, without the suffixes of its files.
        values: The old and the new value of each, by the variable's name.

    Raises:
        ExportError: No variable of that name holds the old value.
    """
    reader = tf.train.load_checkpoint(str(prefix))
    keys = {
        key: new for name, (old, new) in values.items() for key in _keys(reader, name, old)
    }
    names = sorted(reader.get_variable_to_shape_map())
    tensors = [_tensor(reader, name, keys.get(name)) for name in names]
    shards = prefix.parent / "repaired" / "variables"
    shards.parent.mkdir()
    try:
        tf.raw_ops.SaveV2(
            prefix=f"{shards}_part",
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=tensors,
        )
        tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=[f"{shards}_part"], destination_prefix=str(shards)
        )
        for old in prefix.parent.glob(f"{prefix.name}.*"):
            old.unlink()
        for new in shards.parent.glob(f"{shards.name}.*"):
            new.rename(prefix.parent / new.name)
    finally:
        shutil.rmtree(shards.parent, ignore_errors=True)


def _tensor(reader: Any, name: str, new: Array | None) -> Any:
    old = reader.get_tensor(name)
    if new is None:
        return tf.constant(old)
    return tf.constant(new, reader.get_variable_to_dtype_map()[name])


def _keys(reader: Any, variable: str, old: Array) -> list[str]:
    """Return the keys under which the variable of that name holds a value.

    They are several where it is tracked twice: Keras's export keeps a copy of each.
    """
    named = [key for key, name in _names(reader) if name == variable]
    found = [key for key in named if np.array_equal(reader.get_tensor(key), old)]
    if not found:
        raise ExportError(
            f"no variable {variable} of the checkpoint holds what was imported",
            hint="write the repaired model with -o to an .onnx file",
        )
    return found


def _names(reader: Any) -> Iterator[tuple[str, str]]:
    """Yield the key and the name of each variable."""
    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    graph.ParseFromString(reader.get_tensor(OBJECTS))
    for node in graph.nodes:
        for one in node.attributes:
            yield one.checkpoint_key, one.full_name
