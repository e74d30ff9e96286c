"""Variables of a SavedModel, rewritten in its checkpoint: all others as they were."""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from analyzer.core.errors import ExportError
from analyzer.core.types import Array

OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""Where a checkpoint keeps which of its keys is which variable."""


UNNAMED = "Variable"
"""What TensorFlow calls every variable that its user gave no name."""


@dataclass(frozen=True, slots=True, eq=False)
class NewValue:
    """A variable's new value.

    Attributes:
        variable: Its name.
        old: What it holds.
        new: What it is to hold.
        shared: Whether other variables of the model have that name.
    """

    variable: str
    old: Array
    new: Array
    shared: bool = False

    @property
    def is_named(self) -> bool:
        """Whether its name tells it from other variables."""
        return not self.shared and self.variable.rpartition("/")[2] != UNNAMED


def rewrite(prefix: Path, values: Iterable[NewValue]) -> None:
    """Give variables of a checkpoint other values, in place.

    Args:
        prefix: The checkpoint, without the suffixes of its files.
        values: The variables.

    Raises:
        ExportError: No variable of that name holds the old value, or it cannot be told
            which of several does.
    """
    reader = tf.train.load_checkpoint(str(prefix))
    keys = {key: one.new for one in values for key in _keys(reader, one)}
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


def _keys(reader: Any, one: NewValue) -> list[str]:
    """Return the keys under which the variable of that name holds a value.

    They are several where it is tracked twice: Keras's export keeps a copy of each.
    """
    named = [key for key, name in _names(reader) if name == one.variable]
    found = [key for key in named if np.array_equal(reader.get_tensor(key), one.old)]
    if not found or (len(found) > 1 and not one.is_named):
        raise ExportError(
            f"{len(found) or 'no'} variables {one.variable} of the checkpoint hold what "
            "was imported",
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
