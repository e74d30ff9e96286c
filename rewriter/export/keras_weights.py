"""Constants of a pivot as weights of a Keras layer, exact in both directions."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from analyzer.core.errors import ExportError
from analyzer.core.types import Array, Node, Permutation
from rewriter.export.changes import ConstantChange
from rewriter.export.keras_file import refusal
from rewriter.export.keras_layers import Layer, Owners
from rewriter.export.layouts import relaid

CHANNELS_FIRST: Permutation = (3, 2, 0, 1)
"""Keras's kernels, [H, W, in, out], in ONNX's order; [H, W, out, in] where transposed."""

KERNEL_RANK = 4

BIAS = 2
"""The input of a convolution or a product that is added to each channel."""

ROLES: Mapping[str, tuple[str, ...]] = {
    "BatchNormalization": ("", "gamma", "beta", "moving_mean", "moving_variance"),
    "Conv": ("", "kernel", "bias"),
    "ConvTranspose": ("", "kernel", "bias"),
    "Gemm": ("", "kernel", "bias"),
}
"""What a node's inputs are to its layer: it tells between weights that hold the same."""

HELD: Mapping[str, tuple[str, ...]] = {
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "LayerNormalization": ("gamma", "beta"),
}
"""A layer's weights in Keras's order; of other layers a kernel, or two, then a bias."""

LEFT_OUT = {"gamma": "scale", "beta": "center", "bias": "use_bias"}
"""The option that says whether a layer has a weight."""

GATES: Mapping[str, tuple[int, ...]] = {"LSTM": (0, 2, 3, 1), "GRU": (0, 1, 2)}
"""ONNX's place of each of Keras's gates: input, forget, cell, output; or as they are."""

RECURRENT = {1: "kernel", 2: "recurrent_kernel", 3: "bias"}

Values = dict[str, Array]


def new_values(owners: Owners, change: ConstantChange) -> Values:
    """Return the weights that a change of a constant is, by their path in the file.

    Args:
        owners: The layers.
        change: The change.

    Returns:
        One weight in most cases, one for each direction of a recurrent layer.

    Raises:
        ExportError: No weight of the layer holds exactly the old value, or several do.
    """
    node, path = change.node, owners.path(change.node)
    own = owners.weights(path)
    layer = owners.of(path)
    if node.op in GATES and change.slot in RECURRENT:
        return _recurrent(own, change)
    fits = _fitting(own, change, layer)
    if not fits and layer is not None and layer.kind == "PReLU":  # x+ - slope * (-x)+
        turned = replace(change, old=-change.old, new=-change.new)
        fits = _fitting(own, turned, layer)
    fits = fits if len(fits) == 1 else _by_role(fits, change, layer)
    if len(fits) != 1:
        where = f" of layer {path}" if path else ""
        held = f"several weights{where} hold" if fits else f"no weight{where} holds"
        raise refusal(
            node.name, node.op, f"{held} what input {change.slot} was imported as"
        )
    name, value = next(iter(fits.items()))
    if value.shape != own[name].shape:
        raise refusal(
            node.name, node.op, f"weight {name} is {own[name].shape}, not {value.shape}"
        )
    return {name: value}


def recurrent_layer(owners: Owners, node: Node) -> Layer | None:
    """Return the layer whose weights a recurrent node reads; None: it is not known.

    Args:
        owners: The layers.
        node: The node, as it was imported.
    """
    if node.op not in GATES or 1 not in node.constants:
        return None
    kernel = node.constants[1]
    try:
        found = new_values(owners, ConstantChange(node, 1, node.inputs[1], kernel, kernel))
    except ExportError:
        return None
    return owners.of(owners.saved.owners[next(iter(found))])


def new_bias(owners: Owners, was: Node, now: Node) -> Values:
    """Return the bias of a layer that had none, or lost it, by its path in the file.

    Args:
        owners: The layers; the layer's options are changed.
        was: The node as it was imported.
        now: The node after the repair.

    Raises:
        ExportError: The node is of no layer that can have a bias.
    """
    layer, path = owners.layer(was), owners.path(was)
    own = owners.weights(path)
    if layer is None or "use_bias" not in layer.options or was.op not in ROLES:
        raise refusal(was.name, was.op, "its layer has no bias")
    if BIAS in was.constants:
        zeros = np.zeros_like(was.constants[BIAS])
        change = ConstantChange(was, BIAS, was.inputs[BIAS], was.constants[BIAS], zeros)
        return new_values(owners, change)
    if layer.options["use_bias"] or len(own) != 1 or BIAS not in now.constants:
        raise refusal(was.name, was.op, f"layer {layer.path} says that it has a bias")
    layer.options["use_bias"] = True
    folder, _, kernel = next(iter(own)).rpartition("/")
    name = str(int(kernel) + 1) if kernel.isdigit() else "bias"
    return {f"{folder}/{name}": now.constants[BIAS].ravel()}


def _fitting(own: Values, change: ConstantChange, layer: Layer | None) -> Values:
    """Return the new value as each weight has it that holds the old one."""
    laid = {name: _laid(value, change, layer) for name, value in own.items()}
    return {name: value for name, value in laid.items() if value is not None}


def _laid(own: Array, change: ConstantChange, layer: Layer | None) -> Array | None:
    """Return the new value as a weight of the file is laid out; None: it is not the one."""
    old, new = change.old, change.new
    if own.size != old.size or own.dtype.kind != old.dtype.kind:
        return None
    shown = _as_kernel(own, layer) if old.ndim == KERNEL_RANK else own
    usual = (
        CHANNELS_FIRST if shown.ndim == KERNEL_RANK and old.ndim == KERNEL_RANK else None
    )
    found = relaid(shown.astype(old.dtype), old, new, usual)
    if found is None or (found.size != own.size and shown is not own):
        return None
    return (found.reshape(own.shape) if found.size == own.size else found).astype(own.dtype)


def _as_kernel(own: Array, layer: Layer | None) -> Array:
    """Return a kernel as [H, W, in, out]: a row where it has one axis, per group one in."""
    if own.ndim == KERNEL_RANK - 1:
        own = own[None]
    if own.ndim != KERNEL_RANK or layer is None:
        return own
    depthwise = layer.kind.startswith(("Depthwise", "Separable"))
    height, width, inputs, outputs = own.shape
    if depthwise and not (layer.kind.startswith("Separable") and height * width == 1):
        return own.reshape(height, width, 1, inputs * outputs)
    return own


def _by_role(fits: Values, change: ConstantChange, layer: Layer | None) -> Values:
    """Return the one of several equal weights that the node's input stands for."""
    roles = ROLES.get(change.node.op, ())
    if layer is None or change.slot >= len(roles):
        return fits
    wanted = roles[change.slot]
    return {name: new for name, new in fits.items() if role(name, layer) == wanted}


def role(name: str, layer: Layer) -> str:
    """Return what a weight is to its layer, by its name or its number in the file.

    Args:
        name: Its path.
        layer: The layer.
    """
    last = name.rpartition("/")[2].partition(":")[0]
    if not last.isdigit():
        return last
    all_of = HELD.get(layer.kind, ("kernel", "bias"))
    held = [one for one in all_of if layer.options.get(LEFT_OUT.get(one, ""), True)]
    place = int(last)
    return held[place] if place < len(held) else ""


def _recurrent(own: Mapping[str, Array], change: ConstantChange) -> Values:
    """Return a recurrent layer's weights, each direction's its own.

    Raises:
        ExportError: A direction's weight is not what was imported.
    """
    node = change.node
    found: Values = {}
    for old, new in zip(change.old, change.new, strict=True):
        fits = {
            name: laid
            for name, value in own.items()
            for was, now in _forms(node, change.slot, old, new)
            if (laid := _exact(value, was, now)) is not None
        }
        if len(fits) != 1:
            raise refusal(
                node.name,
                node.op,
                f"{len(fits)} weights hold what input {change.slot} was imported as",
            )
        found |= fits
    return found


def _exact(own: Array, was: Array, now: Array) -> Array | None:
    same = own.shape == was.shape == now.shape and np.array_equal(own, was)
    return now.astype(own.dtype) if same else None


def _forms(node: Node, slot: int, old: Array, new: Array) -> Iterator[tuple[Array, Array]]:
    """Yield one direction's value as Keras has it, old and new, in each way it may have."""
    order = GATES[node.op]
    if RECURRENT[slot] != "bias":
        yield _gates(old, order).T, _gates(new, order).T
        return
    both = [_gates(one.reshape(2, -1).T, order).T for one in (old, new)]
    yield both[0], both[1]
    if not both[0][1].any() and not both[1][1].any():
        yield both[0][0], both[1][0]
    yield both[0].sum(axis=0), both[1].sum(axis=0)


def _gates(value: Array, order: tuple[int, ...]) -> Array:
    """Return rows of gates in another order: [gates * hidden, …]."""
    return np.concatenate([np.split(value, len(order))[place] for place in order])
