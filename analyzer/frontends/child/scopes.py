"""Keras layer names read from the tensor names that a TFLite file keeps."""

import re
from collections.abc import Iterator, Sequence

import onnx

DERIVED = re.compile(r"(~\w+|:\d+|__\d+|_prequant|_Gemm|_Concat|_dequant)$")
"""What the importers append to a flatbuffer name for the tensors they make of it."""

INNER = re.compile(r"~\w+$")
"""What marks a constant that the flatbuffer has not: a bound, a scale, an axis."""

CALL_SUFFIX = re.compile(r"_\d+$")
"""What Keras 3 appends to the scope of every layer, which it traces more than once."""

WRAPPERS = frozenset({"StatefulPartitionedCall", "PartitionedCall"})

COMPUTING = frozenset(
    {
        "convolution",
        "depthwise",
        "Conv2D",
        "conv2d",
        "DepthwiseConv2dNative",
        "DepthwiseConv2D",
        "conv2d_transpose",
        "conv_transpose",
        "MatMul",
        "Tensordot",
        "BiasAdd",
        "separable_conv2d",
        "Conv3D",
        "Einsum",
        "einsum",
    }
)
"""Operations that own weights: of several layers fused into one, theirs is named."""

NAMED = 3
"""Scopes of an operation that tell its layer: model, layer, operation."""

ACTIVATIONS = frozenset({"Relu", "Relu6", "LeakyRelu", "Elu", "Tanh", "Sigmoid", "Clip"})


def layers(model: onnx.ModelProto) -> dict[str, tuple[str, str | None]]:
    """Return the layer of each pivot tensor whose flatbuffer name tells it.

    A fused activation stands behind the tensor that bears both names: the operator's own
    output goes to the layer that holds the weights, the activation after it to its own.

    Args:
        model: The pivot, whose tensors bear the flatbuffer's names.
    """
    nodes = model.graph.node
    given = {name for node in nodes for name in node.output}
    read = {name for node in nodes for name in node.input if not INNER.search(name)}
    names = (given | read) - {""}
    suffixed = _suffixed(names)
    found = {name: _layer(name, COMPUTING, suffixed=suffixed) for name in names}
    for node in nodes:
        origin = next((name for name in node.input if "/" in name), "")
        if node.op_type not in ACTIVATION_OPS or not node.output:
            continue
        given = node.output[0]
        if not found.get(given) or _base(given) == _base(origin):
            found[given] = _layer(origin, ACTIVATIONS, suffixed=suffixed)
    return {name: (layer, None) for name, layer in found.items() if layer}


ACTIVATION_OPS = frozenset({"Relu", "Clip", "Min", "Max", "Tanh"})
"""How an importer writes an activation that the flatbuffer fuses into an operator."""


def _base(name: str) -> str:
    """Return the flatbuffer name that an importer made a name of."""
    while DERIVED.search(name):
        name = DERIVED.sub("", name)
    return name


def _parts(name: str) -> Iterator[Sequence[str]]:
    """Yield the scopes of each operation that a fused tensor is named after."""
    for part in _base(name).split(";"):
        scopes = [scope for scope in part.split("/") if scope not in WRAPPERS]
        if len(scopes) > 1:
            yield scopes


def _suffixed(names: set[str]) -> bool:
    """Return whether every layer scope bears a call suffix, as Keras 3 writes them all."""
    scopes = [part for name in names for part in _parts(name)]
    layered = [scope for part in scopes if len(part) >= NAMED for scope in part[:2]]
    return bool(layered) and all(CALL_SUFFIX.search(scope) for scope in layered)


def _layer(name: str, wanted: frozenset[str], *, suffixed: bool) -> str | None:
    """Return the layer of the first operation of a wanted kind, else of the first."""
    parts = list(_parts(name))
    if not parts:
        return None
    chosen = next((part for part in parts if wanted & set(part)), parts[0])
    scope = chosen[1] if len(chosen) >= NAMED else chosen[0]
    return CALL_SUFFIX.sub("", scope) if suffixed else scope
