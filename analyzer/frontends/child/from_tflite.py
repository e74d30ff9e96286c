"""TFLite models, in the child: LiteRT runs them, our own importer reads them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from ai_edge_litert.interpreter import Interpreter

from analyzer.core.errors import LoadError, RunError
from analyzer.core.types import Array, Feeds
from analyzer.frontends.child import flatbuffer
from analyzer.frontends.child.lite.importer import pivot_of
from analyzer.frontends.child.loaded import Loaded
from analyzer.frontends.child.naming import io_names
from analyzer.frontends.child.scopes import layers
from analyzer.frontends.child.words import converted


def load(path: str, *, trust_code: bool) -> Loaded:
    """Return a TFLite model with its pivot, whose tensors keep the flatbuffer's names.

    Args:
        path: A ``.tflite`` file.
        trust_code: Of no effect: a flatbuffer carries no code.

    Raises:
        LoadError: The flatbuffer is damaged, or has an operator that is not known.
    """
    del trust_code
    tree = flatbuffer.read(path)
    pivot = converted(path, "pivotfix", lambda: _drawn(path, tree))
    native = Native(path, *io_names(pivot))
    return Loaded(pivot, native, layers(pivot), tuple(notes(tree)))


def _drawn(path: str, tree: Any) -> onnx.ModelProto:
    try:
        return pivot_of(tree)
    except LoadError as surprise:
        raise LoadError(
            f"{path} cannot be imported as it is: {surprise.problem}", hint=surprise.hint
        ) from surprise


class Native:
    """The model in the LiteRT interpreter, on the CPU, with its default kernels."""

    def __init__(self, path: str, inputs: list[str], outputs: list[str]) -> None:
        self._path = path
        self._names = inputs, outputs
        self._interpreter: Any = None

    def __call__(self, feeds: Feeds) -> Feeds:
        """Return the outputs of one sample, by pivot name.

        Args:
            feeds: One array per input, in the dtype the model declares; quantized inputs
                take the quantized integers.

        Raises:
            RunError: The interpreter does not load the model or refuses the sample.
        """
        inputs, outputs = self._names
        self._interpreter = self._interpreter or self._opened()
        interpreter = self._interpreter
        for name, place in _named(inputs, interpreter.get_input_details()):
            self._resize(place, feeds[name])
        interpreter.allocate_tensors()
        for name, place in _named(inputs, interpreter.get_input_details()):
            interpreter.set_tensor(place["index"], np.ascontiguousarray(feeds[name]))
        interpreter.reset_all_variables()  # a state would go on from the last sample's
        interpreter.invoke()
        return {
            name: interpreter.get_tensor(place["index"])
            for name, place in _named(outputs, interpreter.get_output_details())
        }

    def _opened(self) -> Any:
        try:
            interpreter = Interpreter(model_path=self._path)
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as surprise:
            said = str(surprise).strip().splitlines()[0]
            raise RunError(
                f"{self._path} does not load in the LiteRT interpreter ({said})",
                hint="convert the model again, or open it in Netron at that operator",
                loading=True,
            ) from surprise
        return interpreter

    def _resize(self, place: dict[str, Any], value: Array) -> None:
        if tuple(place["shape"]) == value.shape:
            return
        declared = tuple(place["shape_signature"].tolist())
        fixed = zip(declared, value.shape, strict=False)
        if len(declared) != value.ndim or any(size not in {-1, own} for size, own in fixed):
            raise RunError(
                f"{self._path} takes {place['name']} as {declared}, not {value.shape}",
                hint="feed the declared shape; -1 is free",
            )
        self._interpreter.resize_tensor_input(place["index"], value.shape)


Details = list[dict[str, Any]]


def _named(names: list[str], details: Details) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each pivot name with its tensor: by name, or by position where names differ."""
    found = {place["name"]: place for place in details}
    if set(names) == set(found):
        yield from ((name, found[name]) for name in names)
    else:
        yield from zip(names, details, strict=True)


def notes(tree: Any) -> Iterator[str]:
    """Yield what a reader must know of how faithful the pivot of a quantized model is.

    Args:
        tree: The flatbuffer's `schema.ModelT`.
    """
    graph = tree.subgraphs[0]
    quantized = {
        index
        for index, tensor in enumerate(graph.tensors)
        if tensor.quantization is not None and tensor.quantization.scale is not None
    }
    if not quantized:
        return
    if any(_writes(operator, quantized) for operator in graph.operators):
        yield "The model is quantized: its pivot computes in float between integers."
        return
    yield (
        "Only weights are quantized: the runtime quantizes activations on the fly, where "
        "the pivot computes in float, so weights are exact and activations are close."
    )


def _writes(operator: Any, tensors: set[int]) -> bool:
    return any(index in tensors for index in operator.outputs)
