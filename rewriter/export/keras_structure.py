"""Layers put into a Keras configuration and taken out of it, and their order."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from analyzer.core.errors import ExportError
from rewriter.export.keras_file import Config
from rewriter.export.keras_layers import Layer

TENSOR = "__keras_tensor__"

REFERENCE = 3
"""A tensor is a layer's name, the number of its call, and that of its output."""

Call = tuple[str, int]
"""A layer's name and the number of its call."""

Reference = dict[str, Any] | list[Any]
"""How a layer names a tensor that it reads: since Keras 3 with shape and dtype."""


def is_sequential(model: Config) -> bool:
    """Return whether a model's layers follow each other as they are listed."""
    return "output_layers" not in model


def references(listed: Any) -> Iterator[Reference]:  # noqa: ANN401  # JSON
    """Yield every mention of a tensor in what a layer is called with, open to be changed.

    Args:
        listed: A layer's ``inbound_nodes``, or a model's ``output_layers``.
    """
    if isinstance(listed, dict) and listed.get("class_name") == TENSOR:
        yield listed
    elif isinstance(listed, dict):
        for one in listed.values():
            yield from references(one)
    elif (
        isinstance(listed, list) and len(listed) >= REFERENCE and isinstance(listed[0], str)
    ):
        yield listed
    elif isinstance(listed, list):
        for one in listed:
            yield from references(one)


def history(reference: Reference) -> list[Any]:
    """Return the layer, call and output that a reference names, open to be changed."""
    if isinstance(reference, dict):
        return reference["config"]["keras_history"]  # type: ignore[no-any-return]  # JSON
    return reference


def reads(layer: Layer) -> list[str]:
    """Return the names of the layers whose outputs a layer reads, in order."""
    if not is_sequential(layer.model):
        found = references(layer.entry.get("inbound_nodes", []))
        return [str(history(one)[0]) for one in found]
    place = layer.model["layers"].index(layer.entry)
    return [_name(layer.model["layers"][place - 1])] if place else []


def readers(model: Config, name: str) -> list[str]:
    """Return the names of the layers that read a layer's output.

    Args:
        model: The configuration of the model that lists them.
        name: The layer's name.

    Returns:
        Each once; an empty string stands for the model's own output.
    """
    if is_sequential(model):
        names = [_name(one) for one in model["layers"]]
        return [*names[names.index(name) + 1 :], ""][:1]
    found = [
        _name(entry)
        for entry in model["layers"]
        for one in references(entry.get("inbound_nodes", []))
        if history(one)[0] == name
    ]
    out = [""] if any(one[0] == name for one in _outputs(model)) else []
    return [*dict.fromkeys(found), *out]


def givers(model: Config) -> list[str]:
    """Return the names of the layers that give a model's outputs, in order.

    Args:
        model: The configuration of the model.
    """
    if is_sequential(model):
        return [_name(model["layers"][-1])]
    return [str(one[0]) for one in _outputs(model)]


def _outputs(model: Config) -> Iterator[list[Any]]:
    return map(history, references(model.get("output_layers", [])))


def _name(entry: Config) -> str:
    return str(entry.get("name") or entry["config"].get("name", ""))


def check_single(layer: Layer) -> None:
    """Refuse a layer that is called several times: each call would need its own change.

    Raises:
        ExportError: It is.
    """
    if len(layer.entry.get("inbound_nodes", ())) > 1:
        raise _refused(f"layer {layer.path} is called several times")


def _refused(why: str) -> ExportError:
    return ExportError(
        f"the repair cannot go into the Keras file: {why}",
        hint="write the repaired model with -o to an .onnx file",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A layer that a repair adds.

    Attributes:
        kind: Its class.
        options: What its options are, beside name and dtype.
        weights: Its weights by the name and in the order that Keras gives them.
    """

    kind: str
    options: dict[str, Any]
    weights: dict[str, Any]


def inserted(
    front: Layer,
    made: Made,
    shape: Sequence[int | None],
    only: Collection[str] | None = None,
    others: Sequence[Layer] = (),
) -> Layer:
    """Put a layer behind another, and return it.

    Args:
        front: The layer in front; the model that lists it is changed.
        made: The new layer.
        shape: Sizes of what the layer in front gives.
        only: Readers that read the new layer instead; None: all of them.
        others: Layers whose output it reads too, behind the first.

    Raises:
        ExportError: The model is one in which it cannot stand there.
    """
    check_single(front)
    model = front.model
    entry = _entry(front, made)
    place = model["layers"].index(front.entry) + 1
    path = "/".join([*front.path.split("/")[:-1], _name(entry)])
    if is_sequential(model):
        if others or (only is not None and set(only) != set(readers(model, front.name))):
            raise _refused(f"{front.path} is in a Sequential model, which has no branches")
        model["layers"].insert(place, entry)
        return Layer(path, entry, model)
    given = [_reference(front, shape), *(_reference(one, shape) for one in others)]
    _repoint(model, front.name, only, lambda old: _named(old, _name(entry)))
    model["layers"].insert(place, entry)
    entry["inbound_nodes"] = [_call(given)]
    return Layer(path, entry, model)


def removed(layer: Layer, heir: str) -> None:
    """Take a layer out; whoever read it reads another.

    Args:
        layer: The layer; the model that lists it is changed.
        heir: Name of the layer that is read instead, one of those it reads.

    Raises:
        ExportError: It is called several times, or reads nothing.
    """
    check_single(layer)
    model = layer.model
    if not is_sequential(model):
        all_of = list(references(layer.entry.get("inbound_nodes", [])))
        found = next((one for one in all_of if history(one)[0] == heir), None)
        if found is None:
            raise _refused(f"layer {layer.path} does not read {heir}")
        _repoint(model, layer.name, None, lambda old: _copied(old, found))
    model["layers"].remove(layer.entry)


def rewired(layer: Layer, place: int, new: Layer, shape: Sequence[int | None]) -> None:
    """Let a layer read another layer's output.

    Args:
        layer: The layer that reads; the model that lists it is changed.
        place: Which of the tensors that it reads.
        new: The layer it is to read.
        shape: Sizes of what that gives.

    Raises:
        ExportError: The layers are not in one model that has branches.
    """
    check_single(layer)
    if is_sequential(layer.model) or new.model is not layer.model:
        raise _refused(f"{layer.path} cannot read {new.path}")
    given = _reference(new, shape)
    _copied(list(references(layer.entry["inbound_nodes"]))[place], given)


def _repoint(
    model: Config,
    name: str,
    only: Collection[str] | None,
    change: Callable[[Reference], None],
) -> None:
    """Change every mention of a layer's output, or those of some readers."""
    for entry in model["layers"]:
        if only is not None and _name(entry) not in only:
            continue
        for one in list(references(entry.get("inbound_nodes", []))):
            if history(one)[0] == name:
                change(one)
    if only is None or "" in only:
        for one in list(references(model.get("output_layers", []))):
            if history(one)[0] == name:
                change(one)


def _named(reference: Reference, name: str) -> None:
    history(reference)[:REFERENCE] = [name, 0, 0]


def _copied(reference: Reference, other: Reference) -> None:
    if isinstance(reference, dict) and isinstance(other, dict):
        reference["config"] = deepcopy(other["config"])
        return
    history(reference)[:REFERENCE] = history(other)[:REFERENCE]


def _reference(front: Layer, shape: Sequence[int | None]) -> Reference:
    """Return a mention of a layer's output, as the file writes such."""
    for entry in front.model["layers"]:
        for one in references(entry.get("inbound_nodes", [])):
            if history(one)[0] == front.name:
                return deepcopy(one)
            if isinstance(one, list):
                return [front.name, 0, 0, {}]
    config = {"shape": list(shape), "dtype": "float32", "keras_history": [front.name, 0, 0]}
    return {"class_name": TENSOR, "config": config}


def _call(given: Sequence[Reference]) -> Any:  # noqa: ANN401  # JSON
    """Return how a file writes a call with one tensor, or a list of some."""
    if isinstance(given[0], list):
        return list(given)
    return {"args": [given[0] if len(given) == 1 else list(given)], "kwargs": {}}


def _entry(front: Layer, made: Made) -> Config:
    """Return how a model lists a new layer, with what its neighbours are listed with."""
    taken = {_name(one) for one in front.model["layers"]}
    base = snake(made.kind)
    name = next(
        one for one in (base, *(f"{base}_{n}" for n in range(1, 10**6))) if one not in taken
    )
    shown = front.entry["config"]
    own = {"dtype": deepcopy(shown["dtype"])} if front.kind != "InputLayer" else {}
    entry: Config = {
        "class_name": made.kind,
        "config": {"name": name, "trainable": True, **own, **made.options},
    }
    if "module" in front.entry:
        entry |= {"module": "keras.layers", "registered_name": None}
    if "name" in front.entry:
        entry["name"] = name
    return entry


def snake(kind: str) -> str:
    """Return the name that Keras derives from a class, such as ``conv2d_transpose``.

    Source:
        keras.src.utils.naming.to_snake_case.
    """
    bare = re.sub(r"\W+", "", kind)
    return re.sub(
        "([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", bare)
    ).lower()


def ordered(model: Config) -> list[str]:
    """Return the names of a model's layers in the order in which Keras will have them.

    Weights are filed in it. The deepest come first; where layers are equally deep, those
    that are met first on the way from the outputs to the inputs.

    Args:
        model: Its configuration.

    Source:
        keras.src.ops.function.map_graph.
    """
    names = [_name(one) for one in model["layers"]]
    if is_sequential(model):
        return names
    inputs = dict(_calls(model))
    met: list[str] = []
    finished: list[Call] = []

    def visit(call: Call) -> None:
        if call in finished:
            return
        met.append(call[0])
        for one in inputs[call]:
            visit(one)
        finished.append(call)

    for name, number, *_ in _outputs(model):
        visit((name, number))
    deep = dict.fromkeys(finished, 0)
    depths = dict.fromkeys(met, 0)
    for call in reversed(finished):
        deep[call] = depths[call[0]] = max(deep[call], depths[call[0]])
        for one in inputs[call]:
            deep[one] = max(deep[one], deep[call] + 1)
    return sorted(depths, key=lambda name: (-depths[name], met.index(name)))


def _calls(model: Config) -> Iterator[tuple[Call, list[Call]]]:
    """Yield each call of a layer, with the calls that give what it reads."""
    for entry in model["layers"]:
        for number, call in enumerate(entry.get("inbound_nodes") or [[]]):
            given = (history(one) for one in references(call))
            yield (_name(entry), number), [(one[0], one[1]) for one in given]
