"""Nodes that a repair adds, as Keras layers."""

from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile

import numpy as np

from analyzer.core.types import Array, Node
from rewriter.export.keras_activations import as_layer, is_elementwise, recognised
from rewriter.export.keras_file import refusal
from rewriter.export.keras_layers import Options
from rewriter.export.keras_structure import Made
from rewriter.export.keras_windows import SAME, VALID, Window, window

Shapes = Mapping[str, tuple[int | None, ...]]
"""Sizes of the repaired pivot's tensors, by name."""

TO_NHWC = (2, 3, 1, 0)
"""ONNX's kernels, [out, in, H, W], in Keras's order."""

JOINS = {
    "Add": "Add",
    "Mul": "Multiply",
    "Sub": "Subtract",
    "Max": "Maximum",
    "Min": "Minimum",
}
"""Layers of several tensors."""

IMAGE = 2
"""Axes that an image's window moves over, and those of a matrix."""

BIAS = 2
"""The input of a convolution that is added to each channel."""

PASSING = frozenset({"Transpose", "Identity"})
"""Nodes that no layer stands for: Keras keeps channels last throughout."""


def made_of(nodes: Sequence[Node], shapes: Shapes) -> tuple[Made, ...]:
    """Return the layers that compute what some nodes do, one behind the other.

    Args:
        nodes: In topological order; each reads the one before.
        shapes: Sizes of their tensors.

    Raises:
        ExportError: Keras has no layer for one of them.
    """
    given = [node for node in nodes if node.op not in PASSING]
    if not given and nodes:
        raise refusal(nodes[0].name, nodes[0].op, "no layer stands for it")
    layers: list[Made] = []
    place = 0
    while place < len(given):
        if place and not _follows(given[place - 1], given[place], nodes):
            node = given[place]
            raise refusal(node.name, node.op, "it stands in a branch of its own")
        whole, count = _longest(given[place:])
        layers += [whole] if whole else _next(given[place], layers, shapes)
        place += count
    return tuple(layers)


def _longest(nodes: Sequence[Node]) -> tuple[Made | None, int]:
    """Return the activation that the most nodes are together, and how many they are."""
    parts = takewhile(is_elementwise, nodes)
    for count in range(len(list(parts)), 1, -1):
        whole = _activation(nodes[:count])
        if whole is not None:
            return whole, count
    return None, 1


def _activation(nodes: Sequence[Node]) -> Made | None:
    """Return the layer for nodes that together are one activation."""
    if not nodes:
        return None
    own = {name for node in nodes for name in node.outputs}
    given = {name for node in nodes for name in computed(node)} - own
    if len(given) != 1:
        return None
    found = recognised(nodes, given.pop(), nodes[-1].outputs[0])
    return None if found is None else Made(*as_layer(found), {})


def computed(node: Node) -> list[str]:
    """Return the tensors that a node reads and another node gives."""
    return [
        name for slot, name in enumerate(node.inputs) if name and slot not in node.constants
    ]


def _follows(front: Node, node: Node, nodes: Sequence[Node]) -> bool:
    """Return whether a node reads another, through what only passes it on."""
    makers = {name: one for one in nodes for name in one.outputs}
    for name in computed(node):
        maker = makers.get(name)
        while maker is not None and maker.op in PASSING:
            maker = makers.get(maker.inputs[0])
        if maker is front:
            return True
    return False


def _next(node: Node, layers: list[Made], shapes: Shapes) -> list[Made]:
    """Return the layers for a node; a bias takes the layer before it off the list."""
    bias = _vector(node) if node.op == "Add" else None
    if layers and bias is not None and _takes_bias(layers[-1], bias):
        last = layers.pop()
        weights = {**last.weights, "bias": bias}
        return [Made(last.kind, last.options | {"use_bias": True}, weights)]
    single = _activation([node])
    if single is not None:
        return [single]
    if node.op in MAKERS:
        return MAKERS[node.op](node, shapes)
    if node.op in JOINS and len(set(computed(node))) > 1:
        return [Made(JOINS[node.op], {}, {})]
    if node.op in {"Add", "Sub", "Mul", "Div"} and node.constants:
        return [_rescaling(node)]
    raise refusal(node.name, node.op, "Keras has no layer that is written for it")


def _vector(node: Node) -> Array | None:
    """Return a node's only constant as numbers, one for each channel."""
    if len(node.constants) != 1:
        return None
    value = next(iter(node.constants.values()))
    return value.ravel() if value.size == max(value.shape, default=1) else None


def _takes_bias(made: Made, bias: Array) -> bool:
    units = made.options.get("filters", made.options.get("units"))
    return made.options.get("use_bias") is False and bias.size == units


RESCALED: Mapping[str, Callable[[Array], Array]] = {
    "Sub": np.negative,
    "Div": np.reciprocal,
}
"""What a constant is to a Rescaling layer, which multiplies and adds alone."""


def _rescaling(node: Node) -> Made:
    value = _vector(node)
    slot = next(iter(node.constants))
    if value is None or (node.op in {"Sub", "Div"} and slot == 0):
        raise refusal(node.name, node.op, "Keras has no layer that is written for it")
    given = value.astype(float)
    numbers = RESCALED[node.op](given) if node.op in RESCALED else given
    told = float(numbers[0]) if numbers.size == 1 else numbers.tolist()
    if node.op in {"Mul", "Div"}:
        return Made("Rescaling", {"scale": told, "offset": 0.0}, {})
    return Made("Rescaling", {"scale": 1.0, "offset": told}, {})


def _norm(node: Node, _: Shapes) -> list[Made]:
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    weights = {name: node.constants[slot] for slot, name in enumerate(names, start=1)}
    epsilon = {"axis": -1, "epsilon": node.attributes["epsilon"]}
    return [Made("BatchNormalization", epsilon, weights)]


def _conv(node: Node, shapes: Shapes) -> list[Made]:
    kernel = node.constants.get(1)
    shape = shapes.get(node.inputs[0])
    if kernel is None or kernel.ndim != len(TO_NHWC) or shape is None:
        raise refusal(node.name, node.op, "its kernel or what it reads is not known")
    found = window(node, kernel.shape[2:])
    group = int(str(node.attributes.get("group", 1)))
    front, padding = _padding(node, found, shape[2:])
    options = _window_options(found, padding) | {
        "kernel_size": list(found.kernel),
        "dilation_rate": list(found.dilations),
        "use_bias": BIAS in node.constants,
    }
    bias = {"bias": node.constants[BIAS]} if BIAS in node.constants else {}
    if group > 1 and kernel.shape[1] == 1:
        height, width, _, outputs = (moved := kernel.transpose(TO_NHWC)).shape
        shown = moved.reshape(height, width, group, outputs // group)
        options["depth_multiplier"] = outputs // group
        return [*front, Made("DepthwiseConv2D", options, {"kernel": shown, **bias})]
    options |= {"filters": kernel.shape[0], "groups": group}
    weights = {"kernel": np.ascontiguousarray(kernel.transpose(TO_NHWC)), **bias}
    return [*front, Made("Conv2D", options, weights)]


def _padding(
    node: Node, found: Window, sizes: Sequence[int | None]
) -> tuple[list[Made], str]:
    """Return the layer that pads, if it needs one, and Keras's word for the rest."""
    for word in (VALID, SAME):
        if found.says(word, sizes):
            return [], word
    if found.auto != "NOTSET" or node.op != "Conv":
        raise refusal(node.name, node.op, "Keras has no such padding")
    rows = [list(two) for two in zip(found.begins, found.ends, strict=True)]
    return [Made("ZeroPadding2D", {"padding": rows}, {})], VALID


def _window_options(found: Window, padding: str) -> Options:
    return {"strides": list(found.strides), "padding": padding}


def _pool(node: Node, shapes: Shapes) -> list[Made]:
    sizes = shapes.get(node.inputs[0], ())[2:]
    kernel = node.attributes["kernel_shape"]
    if not isinstance(kernel, tuple) or len(kernel) != IMAGE:
        raise refusal(node.name, node.op, "it is no pooling of images")
    found = window(node, [int(one) for one in kernel])
    front, padding = _padding(node, found, sizes)
    options = _window_options(found, padding) | {"pool_size": list(found.kernel)}
    kind = "MaxPooling2D" if node.op == "MaxPool" else "AveragePooling2D"
    return [*front, Made(kind, options, {})]


def _global(node: Node, _: Shapes) -> list[Made]:
    kind = "Average" if node.op == "GlobalAveragePool" else "Max"
    return [Made(f"Global{kind}Pooling2D", {"keepdims": True}, {})]


def _reduced(node: Node, shapes: Shapes) -> list[Made]:
    """Return the pooling that reduces an image, or a sequence, to its channels."""
    rank = len(shapes.get(node.inputs[0], ()))
    axes = (
        tuple(int(one) % rank for one in node.constants.get(1, np.zeros(0))) if rank else ()
    )
    spatial = {(1, 2): "2D", (2, 3): "2D", (1,): "1D"}.get(axes)
    if spatial is None or (rank, spatial) not in {(4, "2D"), (3, "1D")}:
        raise refusal(node.name, node.op, "it reduces other axes than a pooling does")
    kind = "Average" if node.op == "ReduceMean" else "Max"
    keeps = bool(node.attributes.get("keepdims", 1))
    return [Made(f"Global{kind}Pooling{spatial}", {"keepdims": keeps}, {})]


def _dense(node: Node, _: Shapes) -> list[Made]:
    kernel = node.constants.get(1)
    plain = node.op == "MatMul" or all(
        node.attributes.get(name, fine) == fine
        for name, fine in (("alpha", 1.0), ("beta", 1.0), ("transA", 0))
    )
    if kernel is None or kernel.ndim != IMAGE or not plain:
        raise refusal(node.name, node.op, "it is no product with one matrix")
    kernel = np.ascontiguousarray(kernel.T) if node.attributes.get("transB") else kernel
    bias = node.constants.get(2)
    weights = {"kernel": kernel} | ({} if bias is None else {"bias": bias.ravel()})
    options = {"units": kernel.shape[1], "use_bias": bias is not None}
    return [Made("Dense", options, weights)]


def _concat(node: Node, shapes: Shapes) -> list[Made]:
    rank = len(shapes.get(node.outputs[0], ()))
    axis = int(str(node.attributes["axis"]))
    if not rank or axis % rank not in {1, rank - 1}:
        raise refusal(node.name, node.op, "its axis is not that of channels")
    return [Made("Concatenate", {"axis": -1}, {})]


MAKERS: Mapping[str, Callable[[Node, Shapes], list[Made]]] = {
    "AveragePool": _pool,
    "BatchNormalization": _norm,
    "Concat": _concat,
    "Conv": _conv,
    "Gemm": _dense,
    "GlobalAveragePool": _global,
    "GlobalMaxPool": _global,
    "MatMul": _dense,
    "MaxPool": _pool,
    "ReduceMax": _reduced,
    "ReduceMean": _reduced,
}
"""What makes the layers for each operator."""
