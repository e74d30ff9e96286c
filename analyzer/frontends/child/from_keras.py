"""Keras models, in the child: Keras loads and runs them, tf2onnx converts them."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import onnx
import tensorflow as tf
from tf2onnx.convert import tensor_names_from_structed

from analyzer.core.errors import LoadError
from analyzer.core.types import Feeds
from analyzer.frontends.child import graph_def
from analyzer.frontends.child.graph_spellings import UNKNOWN
from analyzer.frontends.child.handlers import (
    batch_norms_kept,
    keep_batch_norms_unfolded,
)
from analyzer.frontends.child.loaded import Loaded
from analyzer.frontends.child.naming import io_names, renamed
from analyzer.frontends.child.remake_graph import remaking
from analyzer.frontends.child.tensorflow_values import Frozen
from analyzer.frontends.child.thin_graph import frozen, onnx_of
from analyzer.frontends.child.tracing import layers_of_tensors, layers_recorded
from analyzer.frontends.child.words import converted


def load(path: str, *, trust_code: bool) -> Loaded:
    """Return a Keras model with its pivot.

    Args:
        path: A ``.keras`` or ``.h5`` file.
        trust_code: Whether Lambda layers may run.

    Raises:
        LoadError: The model declares no inputs.
    """
    model = keras.saving.load_model(path, compile=False, safe_mode=not trust_code)
    if not getattr(model, "inputs", None):
        raise LoadError(
            f"{path} is a {type(model).__name__} that declares no inputs",
            hint="call the model once on real inputs, then save it again",
        )
    with batch_norms_kept(), layers_recorded(model) as recorded:
        keep_batch_norms_unfolded()
        traced = _traced(model)
        pivot = converted(path, "tf2onnx", lambda: _convert(traced))
    function = traced.get_concrete_function()
    if not UNKNOWN.keys().isdisjoint(node.op_type for node in pivot.graph.node):
        pivot = _spelled(path, function, len(model.inputs))
    layers = layers_of_tensors(pivot, recorded)
    _, given = io_names(pivot)
    own = {f"input_{place}": tensor.name for place, tensor in enumerate(model.inputs)}
    pivot, names = renamed(pivot, own | dict(zip(given, _output_names(model), strict=True)))
    inputs = [names.get(old, old) for old in own]
    outputs = io_names(pivot)[1]
    fed, wanted = (
        {tensor.name: name for tensor, name in zip(end, called, strict=False)}
        for end, called in ((function.inputs, inputs), (function.outputs, outputs))
    )

    def freeze() -> Frozen:
        find = partial(layers_of_tensors, recorded=recorded)
        return Frozen(path, graph_def.frozen(function), fed, wanted, find)

    def run(feeds: Feeds) -> Feeds:
        return _run(model, feeds, inputs, outputs)

    remake, values = remaking(freeze, run)
    return Loaded(
        pivot,
        run,
        {names.get(tensor, tensor): layer for tensor, layer in layers.items()},
        remake=remake,
        values=values,
    )


def _output_names(model: Any) -> list[str]:
    """Return a name per output: that of the layer that gives it."""
    if hasattr(model, "output_names"):
        return list(model.output_names)
    return [model.layers[-1].name]  # a Sequential model has no names and one output


def _run(model: Any, feeds: Feeds, inputs: Sequence[str], outputs: Sequence[str]) -> Feeds:
    results = called(model, [tf.constant(feeds[name]) for name in inputs])
    arrays = [np.asarray(result) for result in keras.tree.flatten(results)]
    return dict(zip(outputs, arrays, strict=True))


def _traced(model: Any) -> Any:
    """Return the model as a function; its first axes stay dynamic where Keras has None."""
    signature = [
        tf.TensorSpec(tensor.shape, tensor.dtype, name=f"input_{place}")
        for place, tensor in enumerate(model.inputs)
    ]

    def call(*tensors: tf.Tensor) -> list[tf.Tensor]:
        return keras.tree.flatten(called(model, tensors))  # type: ignore[no-any-return]

    traced = tf.function(call, input_signature=signature, autograph=False)
    traced.get_concrete_function()  # layers are recorded now
    return traced


def _convert(traced: Any) -> onnx.ModelProto:
    function = traced.get_concrete_function()
    inputs, outputs, names = _ends(function)
    pivot = onnx_of(frozen(function), inputs, outputs, names)  # no other owner: it is large
    return _embedded(pivot, function.graph)


def _ends(function: Any) -> tuple[list[str], list[str], dict[str, str]]:
    """Return the tensors that are fed and wanted, and what the pivot calls them."""
    inputs = [each.name for each in function.inputs if each.dtype != tf.resource]
    outputs = [each.name for each in function.outputs]
    return inputs, outputs, tensor_names_from_structed(function, inputs, outputs)


def _spelled(path: str, function: Any, inputs: int) -> onnx.ModelProto:
    """Return what tf2onnx makes where operators that it does not know are spelled out."""
    fed, wanted = function.inputs[:inputs], function.outputs
    ends = [[tensor.name for tensor in end] for end in (fed, wanted)]
    pivot = graph_def.pivot_of(path, graph_def.frozen(function), *ends)
    return renamed(pivot, {name: name.removesuffix(":0") for name in ends[0]})[0]


def _embedded(pivot: onnx.ModelProto, graph: Any) -> onnx.ModelProto:
    """Return the pivot with constants that TensorFlow captured as its own.

    tf2onnx leaves a tensor that a layer holds outside its variables as one more input.
    """
    captured = {
        inner.name: outer for outer, inner in graph.captures if outer.dtype != tf.resource
    }
    given = [value for value in pivot.graph.input if value.name in captured]
    for value in given:
        array = np.asarray(captured[value.name])
        pivot.graph.initializer.append(onnx.numpy_helper.from_array(array, value.name))
        pivot.graph.input.remove(value)
    return pivot


def called(model: Any, tensors: Sequence[Any]) -> Any:
    """Return what the model gives for its inputs, in the structure it was built with.

    Args:
        model: A Keras model.
        tensors: One tensor per input, in the order of ``model.inputs``.
    """
    structure = getattr(model, "_inputs_struct", None)
    if structure is None:
        return model(tensors[0] if len(tensors) == 1 else list(tensors), training=False)
    return model(keras.tree.pack_sequence_as(structure, list(tensors)), training=False)
