"""New attributes of pivot nodes, as options of the Keras layers they are of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyzer.core.types import Array, Node
from rewriter.export.changes import AttributeChange, ConstantChange, same
from rewriter.export.keras_file import refusal
from rewriter.export.keras_layers import Layer, number, sizes
from rewriter.export.keras_windows import SAME, VALID, Window, window

WINDOWED = ("Conv", "ConvTranspose", "MaxPool", "AveragePool")

OF_WINDOW = {
    "strides": "strides",
    "dilations": "dilation_rate",
    "kernel_shape": "pool_size",
    "pads": "padding",
    "auto_pad": "padding",
}
"""What Keras calls each attribute of a window."""

INNERMOST = {"BatchNormalization": {"momentum"}, "AveragePool": {"count_include_pad"}}
"""Attributes that no option says: of training, and one that Keras has no choice of."""

AXES = {"Softmax": "axis", "Concat": "axis", "LogSoftmax": "axis", "Gather": "axis"}
"""Operators whose axis is an option of the layer."""

TO_NCHW = (0, 3, 1, 2)
"""Keras's axes of an image in the order that most ONNX operators take them in."""

MODES = {"linear": "bilinear", "nearest": "nearest", "cubic": "bicubic"}
"""Interpolations by ONNX's names."""

GATES = 2
"""Activations of a direction before that of its output; Keras has one for the last two."""

GATE_ACTIVATIONS = {
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Relu": "relu",
    "HardSigmoid": "hard_sigmoid",
    "Softsign": "softsign",
    "Softplus": "softplus",
}

Shape = tuple[int | None, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Padded:
    """What a layer is to put around its input itself: Keras has a layer of its own for it.

    Attributes:
        layer: The layer that reads the padded tensor.
        before: Zeros before each of its axes.
        behind: Zeros behind.
    """

    layer: Layer
    before: tuple[int, ...]
    behind: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """A node whose attributes a repair changed, and the layer it is of.

    Attributes:
        was: The node as it was imported.
        now: The node after the repair.
        layer: Its layer.
        before: The layer in front of it, where that has no other reader.
        shape: Sizes of what the node reads after the repair; None: unknown.
    """

    was: Node
    now: Node
    layer: Layer
    before: Layer | None
    shape: Shape

    def refuse(self, why: str) -> Exception:
        """Return the error that says why the layer cannot be told."""
        return refusal(self.was.name, self.was.op, why)

    def put(self, option: str, old: Any, new: Any) -> None:  # noqa: ANN401  # JSON
        """Give an option a new value, which must have the old one.

        Raises:
            ExportError: It has another, or there is no such option.
        """
        options = self.layer.options
        if option not in options:
            raise self.refuse(f"{self.layer.kind} {self.layer.path} has no option {option}")
        if not agree(options[option], old):
            raise self.refuse(
                f"layer {self.layer.path} says {option} = {options[option]}, "
                f"not {old} as it was imported"
            )
        options[option] = new


def agree(option: Any, value: Any) -> bool:  # noqa: ANN401  # JSON
    """Return whether an option says a value, as float32 has it or one for all axes.

    Args:
        option: As the file has it.
        value: As the pivot has it.
    """
    if isinstance(value, list | tuple):
        given = option if isinstance(option, list | tuple) else [option] * len(value)
        return len(given) == len(value) and all(map(agree, given, value))
    if isinstance(option, bool) or isinstance(value, str) or option is None:
        return bool(option == value)
    if isinstance(option, dict) and option.get("class_name") == "__numpy__":
        return False
    return isinstance(option, int | float) and np.float32(option) == np.float32(value)


def set_options(turn: Turn, changed: Sequence[AttributeChange]) -> Padded | None:
    """Let a layer's options say what a node's attributes are now.

    Args:
        turn: The node and its layer, whose options are changed.
        changed: Its new attributes.

    Returns:
        Zeros that a layer of their own has to put in front; None in most cases.

    Raises:
        ExportError: No option says it, or the option's old value is another.
    """
    if turn.was.op in WINDOWED:
        return _of_window(turn, {change.attribute for change in changed})
    for change in changed:
        _of_attribute(turn, change)
    return None


def _of_window(turn: Turn, changed: set[str]) -> Padded | None:
    unsaid = changed - set(OF_WINDOW)
    if unsaid or (turn.was.op == "Conv" and "kernel_shape" in changed):
        name = min(unsaid or {"kernel_shape"})
        raise turn.refuse(f"{turn.layer.kind} has no option for its {name}")
    options = turn.layer.options
    kernel = _listed(options.get("kernel_size", options.get("pool_size")))
    if kernel is None:
        raise turn.refuse(f"{turn.layer.kind} {turn.layer.path} has no window")
    was, now = window(turn.was, kernel), window(turn.now, kernel)
    for attribute, old, new in (
        ("strides", was.strides, now.strides),
        ("dilations", was.dilations, now.dilations),
        ("kernel_shape", was.kernel, now.kernel),
    ):
        if attribute in changed and old != new:
            turn.put(OF_WINDOW[attribute], old, list(new))
    return _pad(turn, was, now)


def _pad(turn: Turn, was: Window, now: Window) -> Padded | None:
    """Let the layer, or the zeros before it, say the node's padding."""
    spatial = _spatial(turn, len(now.kernel))
    said = turn.layer.options.get("padding", VALID)
    if now.says(said, spatial) and not _explicit(turn, was):
        return None
    if _explicit(turn, was) and turn.before is not None:
        turn.before.options["padding"] = _rows(now.begins, now.ends)
        return None
    for word in (VALID, SAME):
        if now.says(word, spatial):
            turn.put("padding", said, word)
            return None
    if now.auto != "NOTSET" or now.transposed or turn.was.op != "Conv":
        raise turn.refuse(f"{turn.layer.kind} has no such padding")
    turn.put("padding", said, VALID)
    return Padded(turn.layer, now.begins, now.ends)


def _explicit(turn: Turn, was: Window) -> bool:
    """Return whether the layer in front puts the zeros that the node had."""
    front = turn.before
    if front is None or not front.kind.startswith("ZeroPadding"):
        return False
    rows = front.options.get("padding")
    return turn.layer.options.get("padding") == VALID and agree_rows(rows, was)


def agree_rows(rows: Any, was: Window) -> bool:  # noqa: ANN401  # JSON
    """Return whether a ZeroPadding layer's option says a window's zeros.

    Args:
        rows: The option.
        was: The window.
    """
    if not isinstance(rows, list):
        return False
    pairs = [rows] if rows and isinstance(rows[0], int) else rows
    return [list(pair) for pair in pairs] == [
        list(two) for two in zip(*was.pads, strict=True)
    ]


def _rows(before: Sequence[int], behind: Sequence[int]) -> list[Any]:
    rows = [list(two) for two in zip(before, behind, strict=True)]
    return rows if len(rows) > 1 else rows[0]


def _spatial(turn: Turn, rank: int) -> Sequence[int | None] | None:
    """Return the sizes of the axes that a window moves over."""
    if turn.shape is not None:
        return turn.shape[-rank:]  # the node itself takes them last
    declared = sizes(turn.layer)
    if declared is None or len(declared) < rank + 2:
        return None
    last = turn.layer.options.get("data_format", "channels_last") == "channels_last"
    return declared[1 : rank + 1] if last else declared[2 : rank + 2]


def _listed(option: Any) -> tuple[int, ...] | None:  # noqa: ANN401  # JSON
    if isinstance(option, int):
        return (option,)
    return tuple(option) if isinstance(option, list) else None


def _of_attribute(turn: Turn, change: AttributeChange) -> None:
    node, name = turn.was, change.attribute
    if name in INNERMOST.get(node.op, ()):
        raise turn.refuse(f"{turn.layer.kind} has no option for its {name}")
    if AXES.get(node.op) == name:
        _axis(turn, change)
    elif node.op == "Resize" and name == "mode":
        turn.put("interpolation", MODES.get(str(change.old)), MODES.get(str(change.new)))
    elif name == "activations":
        _gates(turn, change)
    elif isinstance(change.old, float) and isinstance(change.new, float):
        scalar(turn, name, change.old, change.new)
    else:
        raise turn.refuse(f"{turn.layer.kind} has no option for its {name}")


def _gates(turn: Turn, change: AttributeChange) -> None:
    """Let a recurrent layer name its activations; the cell's output has no other."""
    old, new = change.old, change.new
    if not isinstance(old, tuple) or not isinstance(new, tuple) or len(old) != len(new):
        raise turn.refuse("its directions are others")
    if len(new) > GATES and new[1] != new[GATES]:
        raise turn.refuse("Keras has one activation for the cell and its output")
    for option, place in (("recurrent_activation", 0), ("activation", 1)):
        both = [GATE_ACTIVATIONS.get(str(one[place])) for one in (old, new)]
        if both[0] != both[1] and None not in both:
            turn.put(option, *both)
        elif None in both:
            raise turn.refuse(f"Keras has no name for {new[place]}")


def _axis(turn: Turn, change: AttributeChange) -> None:
    """Let an option name an axis, counted as Keras counts the axes of the tensor."""
    declared, option = turn.shape, turn.layer.options.get("axis")
    old, new = change.old, change.new
    if declared is None or not isinstance(option, int) or not isinstance(new, int):
        raise turn.refuse(f"the axes of layer {turn.layer.path} are not known")
    rank = len(declared)
    orders = [tuple(range(rank)), *([TO_NCHW] if rank == len(TO_NCHW) else [])]
    fits = [order for order in orders if order[int(str(old)) % rank] == option % rank]
    if not fits:
        raise turn.refuse(f"layer {turn.layer.path} says axis = {option}")
    turn.layer.options["axis"] = fits[0][new % rank]


def scalar(turn: Turn, name: str, old: float, new: float) -> None:
    """Give the one option that has a number another; its own name, if it has one, first.

    Args:
        turn: The node and its layer, whose option is changed.
        name: What the node calls it.
        old: The number it had, as float32 has it.
        new: The number it gets.

    Raises:
        ExportError: No option has the old number, or several do.
    """
    options = turn.layer.options
    fits = [
        option
        for option, value in options.items()
        if not isinstance(value, bool)
        and isinstance(value, int | float)
        and agree(value, old)
    ]
    chosen = [name] if name in fits else fits
    if len(chosen) != 1:
        many = "several options are" if chosen else "no option is"
        raise turn.refuse(f"{many} {old:g} in {turn.layer.kind} {turn.layer.path}")
    options[chosen[0]] = new


def is_option(change: ConstantChange) -> bool:
    """Return whether a constant may be what an option says: one number, sizes or zeros."""
    return change.old.size == 1 or change.node.op in {"Pad", "Resize"}


def set_constant_option(turn: Turn, change: ConstantChange) -> None:
    """Let a layer's option say what is no weight of it, but a constant of its node.

    Args:
        turn: The node and its layer, whose options are changed.
        change: The constant.

    Raises:
        ExportError: No option says it, or its old value is another.
    """
    old, new = number(change.old), number(change.new)
    if turn.was.op == "Resize" and "size" in turn.layer.options:
        turn.put("size", *(_spatial_part(one) for one in (change.old, change.new)))
    elif turn.was.op == "Pad" and turn.layer.kind.startswith("ZeroPadding"):
        _zeros(turn, change.old, change.new)
    elif old is not None and new is not None:
        scalar(turn, "", old, new)
    else:
        raise turn.refuse(f"{turn.layer.kind} has no option for its input {change.slot}")


def _spatial_part(scales: Array) -> list[int]:
    """Return the scales of an image's two axes, as whole numbers."""
    return [round(float(one)) for one in scales[2:]]


def _zeros(turn: Turn, old: Array, new: Array) -> None:
    """Let a ZeroPadding layer say the zeros of a Pad, wherever its axes lie."""
    rows = turn.layer.options["padding"]
    pairs = [rows] if isinstance(rows[0], int) else rows
    both = [np.asarray(one).reshape(2, -1).T.tolist() for one in (old, new)]
    starts = [start for start in (1, 2) if both[0][start : start + len(pairs)] == pairs]
    if len(starts) != 1 and not same(old[..., :0], new[..., :0]):
        raise turn.refuse(f"layer {turn.layer.path} says padding = {rows}")
    if not starts:
        raise turn.refuse(f"layer {turn.layer.path} says padding = {rows}")
    found = both[1][starts[0] : starts[0] + len(pairs)]
    turn.layer.options["padding"] = found if len(found) > 1 else found[0]
