"""SavedModel folders, in the child: TensorFlow runs them, tf2onnx converts them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from analyzer.core.errors import LoadError, UsageError
from analyzer.core.types import Feeds
from analyzer.frontends.child import graph_def
from analyzer.frontends.child.loaded import Loaded
from analyzer.frontends.child.naming import renamed
from analyzer.frontends.child.node_names import layers
from analyzer.frontends.child.remake_graph import remaking
from analyzer.frontends.child.tensorflow_values import Frozen
from analyzer.frontends.child.words import converted

DEFAULT = "serving_default"
"""The signature that TensorFlow Serving, and everybody else, uses when none is named."""

NUMBERED = re.compile(r"(.*?)(\d*)", re.DOTALL)

INTERNAL = "__saved_model_"
"""How signatures begin that TensorFlow keeps for itself: what initialises, what trains."""


def load(path: str, *, trust_code: bool, signature: str = "") -> Loaded:
    """Return a SavedModel with its pivot, under the names that its signature has.

    Args:
        path: The folder.
        trust_code: Of no effect here: the graph was looked through before.
        signature: The one that the user chose; empty for the default.

    Raises:
        LoadError: It has no signature, or tf2onnx fails.
        UsageError: It has no such signature, or several and none is chosen.
    """
    del trust_code
    opened = opened_model(path, signature)
    model, name, ends = opened.model, opened.name, opened.ends
    graph, variables = converted(path, "TensorFlow", opened.frozen)
    pivot = graph_def.pivot_of(path, graph, list(ends[0]), list(ends[1]))
    found = layers(pivot, variables)
    pivot, names = renamed(pivot, ends[0] | ends[1])
    own_names = [{names.get(old, old): own for old, own in end.items()} for end in ends]
    fed, given = ({old: names.get(old, old) for old in end} for end in ends)

    def freeze() -> Frozen:
        again, own = opened.frozen()
        return Frozen(path, again, fed, given, partial(layers, variables=own))

    def run(feeds: Feeds) -> Feeds:
        return _run(model.signatures[name], feeds, *own_names)  # it owns the variables

    remake, values = remaking(freeze, run)
    return Loaded(
        pivot,
        run,
        {names.get(tensor, tensor): layer for tensor, layer in found.items()},
        _notes(name, list(model.signatures)),
        remake,
        values=values,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A SavedModel as TensorFlow loads it.

    Attributes:
        model: What was loaded; it owns the variables.
        name: The signature that is compared.
    """

    model: Any
    name: str

    @property
    def ends(self) -> tuple[dict[str, str], dict[str, str]]:
        """The signature's names of its inputs and outputs, by the graph's tensor.

        Outputs come as their names count: ``output_10`` behind ``output_9``.
        """
        return _ends(self.model.signatures[self.name])

    def frozen(self) -> tuple[Any, dict[str, str]]:
        """Return its graph, and what its user calls each variable by constant.

        All that it captured has become constants, under the names of the variables.
        """
        return _frozen(self.model.signatures[self.name])


def opened_model(path: str, signature: str) -> Opened:
    """Return a SavedModel, opened at the signature that is compared.

    Args:
        path: The folder.
        signature: The one that the user chose; empty for the default.

    Raises:
        LoadError: It has no signature.
        UsageError: It has no such signature, or several and none is chosen.
    """
    tags, name = _choice(path, signature)
    return Opened(tf.saved_model.load(path, tags=tags), name)


def _choice(path: str, chosen: str) -> tuple[list[str], str]:
    """Return the tags and the signature that a path stands for.

    Raises:
        LoadError: There is none.
        UsageError: The one that was chosen is not there, or none is and several are.
    """
    stored = saved_model_pb2.SavedModel()
    stored.ParseFromString((Path(path) / "saved_model.pb").read_bytes())
    graphs = [g for g in stored.meta_graphs if "serve" in g.meta_info_def.tags]
    graph = (graphs or list(stored.meta_graphs))[0]
    names = [name for name in graph.signature_def if not name.startswith(INTERNAL)]
    if not names:
        raise LoadError(
            f"{path} has no signature: nothing says what its inputs and outputs are",
            hint="save it with signatures=..., or with model.export in Keras",
        )
    return list(graph.meta_info_def.tags), _chosen(path, chosen, sorted(names))


def _chosen(path: str, chosen: str, names: Sequence[str]) -> str:
    """Return the signature that is compared, of at least one.

    Raises:
        UsageError: The one that was chosen is not there, or none is and several are.
    """
    listed = ", ".join(names)
    if chosen and chosen not in names:
        raise UsageError(
            f"{path} has no signature {chosen}, only {listed}",
            hint=f"name one of them: --signature {names[0]}",
        )
    if chosen or len(names) == 1:
        return chosen or names[0]
    if DEFAULT not in names:
        raise UsageError(
            f"{path} has {len(names)} signatures, {listed}, and none is called {DEFAULT}",
            hint=f"choose one: --signature {names[0]}",
        )
    return DEFAULT


def _ends(signature: Any) -> tuple[dict[str, str], dict[str, str]]:
    inputs = signature._arg_keywords  # noqa: SLF001  # in the order of the tensors
    results = sorted(signature.structured_outputs)  # as TensorFlow flattens them
    tensors = dict(zip(results, signature.outputs, strict=True))
    return (
        {tensor.name: name for name, tensor in zip(inputs, signature.inputs, strict=False)},
        {tensors[name].name: name for name in sorted(results, key=_natural)},
    )


def _natural(name: str) -> tuple[str | int, ...]:
    stem, number = NUMBERED.fullmatch(name).groups()  # type: ignore[union-attr]  # all match
    return stem, int(number or -1)


def _frozen(signature: Any) -> tuple[Any, dict[str, str]]:
    variables = {id(variable.handle): variable.name for variable in signature.variables}
    names = {
        inner.op.name: variables[id(outer)].partition(":")[0]
        for outer, inner in signature.graph.captures
        if id(outer) in variables
    }
    return graph_def.renamed_nodes(graph_def.frozen(signature), names)


def _run(
    signature: Any, feeds: Feeds, inputs: Mapping[str, str], outputs: Mapping[str, str]
) -> Feeds:
    results = signature(**{own: tf.constant(feeds[name]) for name, own in inputs.items()})
    return {name: np.asarray(results[own]) for name, own in outputs.items()}


def _notes(name: str, names: Sequence[str]) -> tuple[str, ...]:
    others = [other for other in names if other != name and not other.startswith(INTERNAL)]
    left = f"Of its signatures, {name} is compared, not {', '.join(others)}."
    return (left,) if others else ()
