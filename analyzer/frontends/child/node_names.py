"""Layer names read from the names of a TensorFlow graph's nodes."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile, takewhile

import onnx
import tensorflow as tf

DERIVED = re.compile(r"(:\d+|__\d+|_Gemm|_Concat|/read|/ReadVariableOp(/resource)?)$")
"""What tf2onnx appends to a node's name for the tensors and nodes it makes of it, and
TensorFlow to a variable's for what reads it."""

SUFFIX = re.compile(r"_\d+$")
"""What Keras 3 appends to the scope of every layer, which it traces more than once."""

CALL = re.compile(r"(Stateful)?PartitionedCall(_\d+)?")
"""Scopes of the functions that a SavedModel wraps a model in."""

PASSED = "Func"
"""The scope of what hands a tensor into a function that was inlined, or out of it."""

COPY = re.compile(r"copy__\d+/")
"""What tf2onnx sets before the names of nodes that it takes out of branches."""

FUNCTION = re.compile(r"(__|\w+_(while_(cond|body)|cond_(true|false))_)\w*\d+_(?=\w+/)")
"""What it sets before the names of nodes that it takes out of functions and loops: the
function's own name, which may hold names of scopes itself."""

INNER = frozenset(
    {
        "Gelu",
        "Tensordot",
        "batchnorm",
        "cond",
        "einsum",
        "moments",
        "ones",
        "strided_slice",
        "while",
        "zeros",
    }
)
"""Scopes that layers open for themselves, beside those of operators."""

SHARE = 0.9
"""Of all names with a scope, those in the whole model's; a helper may stand outside."""

Scopes = Sequence[str]
Layers = dict[str, tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class Spelling:
    """How one graph spells its layers.

    Attributes:
        model: The scope that all layers stand in, or nothing.
        suffixed: Whether the scope of each layer has a number appended.
    """

    model: str
    suffixed: bool

    def layer(self, scopes: Scopes) -> str | None:
        """Return the path of the layer that a node stands in, None where it is none.

        Args:
            scopes: The node's name, split.
        """
        inside = scopes[1:-1] if scopes[:1] == (self.model,) else scopes[:-1]
        path = [*inside[:1], *takewhile(self._is_layer, inside[1:])]
        return "/".join(self._plain(scope) for scope in path) or None

    def _is_layer(self, scope: str) -> bool:
        stem = SUFFIX.sub("", scope)
        marked = bool(SUFFIX.search(scope)) or not self.suffixed
        return marked and stem not in INNER and not hasattr(tf.raw_ops, stem)

    def _plain(self, scope: str) -> str:
        return SUFFIX.sub("", scope) if self.suffixed else scope


def layers(model: onnx.ModelProto, variables: Mapping[str, str]) -> Layers:
    """Return the layer of each tensor of a pivot whose name tells it.

    Args:
        model: The pivot, named by tf2onnx after the nodes it was made of.
        variables: Name of the variable by the node that holds its value.
    """
    nodes = model.graph.node
    tensors = {name for node in nodes for name in (*node.input, *node.output) if name}
    origins = {name: _origin(name) for name in (*tensors, *(node.name for node in nodes))}
    origins = _out_of_functions(origins)
    spelling = _spelling(_scopes(name) for name in {*origins.values()} - {*variables})
    found: dict[str, str | None] = {}
    for node in nodes:
        for name in (*node.input, *node.output):
            origin = origins.get(name, "")
            own = variables.get(origin, "").rpartition("/")[0]
            found[name] = own or spelling.layer(_scopes(origin)) or found.get(name)
        around = spelling.layer(_scopes(origins[node.name]))
        found |= {name: found[name] or around for name in node.output}
    return {name: (layer, None) for name, layer in found.items() if layer}


def _spelling(names: Iterable[Scopes]) -> Spelling:
    scoped = [scopes for scopes in names if len(scopes) > 1]
    model = _model_scope(scoped)
    inside = [scopes[1:] if scopes[0] == model else scopes for scopes in scoped]
    layers = {scopes[0] for scopes in inside if len(scopes) > 1}
    return Spelling(model, bool(layers) and all(SUFFIX.search(scope) for scope in layers))


def _model_scope(scoped: Sequence[Scopes]) -> str:
    """Return the scope that nearly all names share and several layers stand in."""
    outer = Counter(scopes[0] for scopes in scoped)
    first, count = outer.most_common(1)[0] if outer else ("", 0)
    layers = {scopes[1] for scopes in scoped if scopes[0] == first and scopes[2:]}
    return first if count >= SHARE * len(scoped) and len(layers) > 1 else ""


def _origin(name: str) -> str:
    while DERIVED.search(name):
        name = DERIVED.sub("", name)
    return name


def _out_of_functions(origins: Mapping[str, str]) -> dict[str, str]:
    """Return names without those of the functions that their nodes were taken out of."""
    plain = (name for name in origins.values() if not FUNCTION.match(name))
    outer = {scopes[0] for name in plain if (scopes := _scopes(name))[1:]}
    known = tuple(sorted((f"_{scope}" for scope in outer), key=len, reverse=True))
    return {name: _without_function(origin, known) for name, origin in origins.items()}


def _without_function(name: str, known: Sequence[str]) -> str:
    """Return a name that begins where the outermost scope does, if that is known."""
    if not FUNCTION.match(name):
        return name
    first, _, rest = name.partition("/")
    scope = next((scope for scope in known if first.endswith(scope)), None)
    return FUNCTION.sub("", name) if scope is None else f"{scope[1:]}/{rest}"


def _scopes(name: str) -> tuple[str, ...]:
    """Return a name's scopes without those of the calls around the model."""
    scopes = tuple(dropwhile(CALL.fullmatch, COPY.sub("", name).split("/")))
    return () if scopes[:1] == (PASSED,) else scopes
