"""TFLite models, in the child: LiteRT runs them, our own importer reads them."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from analyzer.core.errors import LoadError, RunError
from analyzer.core.types import Array, Feeds
from analyzer.frontends.child import flatbuffer
from analyzer.frontends.child.lite.importer import pivot_of
from analyzer.frontends.child.lite.looked_into import looked_into, tensor_places
from analyzer.frontends.child.loaded import Loaded
from analyzer.frontends.child.naming import io_names
from analyzer.frontends.child.scopes import layers
from analyzer.frontends.child.words import converted

MOST_SAMPLES = 4
"""Samples that operators are looked at on; each is run with every tensor kept."""

PLAIN = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
"""LiteRT's own kernels. Its delegate rounds a quantized value to the other side at times,
and over fifty layers that is more than a step."""

Layers = Mapping[str, tuple[str, str | None]]


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
    found = layers(pivot)
    said = tuple(notes(tree))
    values = Observed(path, *io_names(pivot), tensor_places(tree))
    if is_hybrid(tree):
        return Loaded(pivot, native, found, said, values=values)
    remake = partial(_looked_into, path, native, values, found)
    return Loaded(pivot, native, found, said, remake, values=values)


def _looked_into(
    path: str, native: "Native", values: "Observed", found: Layers, samples: Sequence[Feeds]
) -> Loaded | None:
    """Return the same model with what is wrong with its pivot, operator by operator."""
    tree = flatbuffer.read(path)
    pivot = _drawn(path, tree)
    if not values.shows_the_model(samples[0]):
        return None
    shown = samples[:MOST_SAMPLES]
    told = looked_into(pivot, tree, shown, values, values.inside, found)
    if not told.wrong and not told.layerwise:
        return None
    return Loaded(
        pivot,
        native,
        found,
        tuple(notes(tree)),
        wrong=told.wrong,
        values=values,
        layerwise=told.layerwise,
        steps=told.steps,
    )


def _drawn(path: str, tree: Any) -> onnx.ModelProto:
    try:
        return pivot_of(tree)
    except LoadError as surprise:
        raise LoadError(
            f"{path} cannot be imported as it is: {surprise.problem}", hint=surprise.hint
        ) from surprise


class Native:
    """The model in the LiteRT interpreter, on the CPU, with its default kernels."""

    options: Mapping[str, Any] = MappingProxyType({})

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
        inputs, _ = self._names
        self._interpreter = self._interpreter or self._opened()
        interpreter = self._interpreter
        for name, place in _named(inputs, interpreter.get_input_details()):
            self._resize(place, feeds[name])
        interpreter.allocate_tensors()
        for name, place in _named(inputs, interpreter.get_input_details()):
            interpreter.set_tensor(place["index"], np.ascontiguousarray(feeds[name]))
        interpreter.reset_all_variables()  # a state would go on from the last sample's
        interpreter.invoke()
        return self._results(interpreter)

    def _results(self, interpreter: Any) -> Feeds:
        outputs = self._names[1]
        return {
            name: np.asarray(interpreter.get_tensor(place["index"]))
            for name, place in _named(outputs, interpreter.get_output_details())
        }

    def _opened(self) -> Any:
        try:
            interpreter = Interpreter(model_path=self._path, **self.options)
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


class Observed(Native):
    """The same without delegates, which keep what they compute to themselves."""

    options: Mapping[str, Any] = MappingProxyType(
        {
            "experimental_preserve_all_tensors": True,
            "experimental_op_resolver_type": PLAIN,
        }
    )

    def __init__(
        self, path: str, inputs: list[str], outputs: list[str], places: Mapping[str, int]
    ) -> None:
        super().__init__(path, inputs, outputs)
        self._places = places

    def __call__(self, feeds: Feeds, names: Sequence[str] = ()) -> Feeds:
        """Return the outputs of one sample and the named tensors inside, by pivot name.

        Args:
            feeds: One array per input, in the dtype the model declares.
            names: Tensors of the pivot; those the flatbuffer has not are left out.

        Raises:
            RunError: The interpreter does not load the model or refuses the sample.
        """
        outputs = super().__call__(feeds)
        wanted = (name for name in names if name in self._places and name not in outputs)
        inside = self._held({name: self._places[name] for name in wanted}, 0)
        return {**{name: v for name, v in outputs.items() if name in names}, **inside}

    def inside(self, feeds: Feeds, place: int, indices: Mapping[str, int]) -> Feeds:
        """Return what a run leaves in one of the model's other graphs, if it ran.

        Args:
            feeds: One array per input, in the dtype the model declares.
            place: Which graph.
            indices: Index there of each tensor that is wanted, by name.

        Raises:
            RunError: The interpreter does not load the model or refuses the sample.
        """
        self(feeds)
        return self._held(indices, place)

    def _held(self, indices: Mapping[str, int], place: int) -> dict[str, Array]:
        """Return the tensors of a graph that hold anything after a run, by name."""
        found: dict[str, Array] = {}
        for name, index in indices.items():
            try:
                found[name] = np.asarray(self._interpreter.get_tensor(index, place))
            except ValueError:  # nobody reads it, or its graph did not run
                continue
        return found

    def shows_the_model(self, feeds: Feeds) -> bool:
        """Return whether looking changes nothing: the same kernels give the same unseen.

        Args:
            feeds: One sample.
        """
        unseen = Unobserved(self._path, *self._names)(feeds)
        seen = self(feeds, list(unseen))
        return all(np.array_equal(seen[name], unseen[name]) for name in unseen)


class Unobserved(Native):
    """The model with the kernels of `Observed`, none of its tensors kept."""

    options: Mapping[str, Any] = MappingProxyType({"experimental_op_resolver_type": PLAIN})


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


def is_hybrid(tree: Any) -> bool:
    """Return whether only weights are quantized: what is computed is not what is written.

    Args:
        tree: The flatbuffer's `schema.ModelT`.
    """
    return any("Only weights" in note for note in notes(tree))


def _writes(operator: Any, tensors: set[int]) -> bool:
    return any(index in tensors for index in operator.outputs)
