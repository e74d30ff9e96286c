"""What the arguments of a program's calls say, as its ONNX form says it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyzer.core.types import Node

Convert = Callable[[Any, int], Any]
"""Takes what an ONNX operator says, and its image's rank; None: no argument says it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """An argument of a call, and what of the ONNX operator says the same.

    Attributes:
        argument: Its name in the call's schema.
        place: The operator's attribute, or its constant input.
        convert: Makes the argument's value of it.
    """

    argument: str
    place: str | int
    convert: Convert


def _plain(value: Any, _rank: int) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _number(value: Any, _rank: int) -> Any:
    """Return a single number; None where there are several."""
    if not isinstance(value, np.ndarray):
        return value
    return value.reshape(()).item() if value.size == 1 else None


def _sizes(value: Any, _rank: int) -> list[int] | None:
    return None if value is None else [int(one) for one in value]


def _flag(value: Any, _rank: int) -> bool:
    return bool(value)


@dataclass(frozen=True, slots=True)
class Uneven:
    """Padding whose two ends differ, which a call of its own puts in.

    Attributes:
        edges: As ``aten::pad`` takes it: begin and end of the last axis first.
    """

    edges: tuple[int, ...]


def _even(value: Any, _rank: int) -> list[int] | None:
    """Return the padding of both ends of each axis; None where they differ."""
    if value is None:
        return None
    half = len(value) // 2
    same = list(value[:half]) == list(value[half:])
    return [int(one) for one in value[:half]] if same else None


def _pads(value: Any, rank: int) -> list[int] | Uneven | None:
    """Return the padding of a convolution."""
    if value is None or _even(value, rank) is not None:
        return _even(value, rank)
    return Uneven(tuple(edges(value)))


def axis_of(value: Any, rank: int) -> int | None:
    """Return a single axis, counted from the first; None where there are several."""
    single = _number(value, rank)
    return None if single is None else int(single) % max(rank, 1)


def axes_of(value: Any, rank: int) -> list[int]:
    """Return axes, counted from the first."""
    return [int(one) % max(rank, 1) for one in np.atleast_1d(value)]


def _moved(place: int) -> Convert:
    """Return what gives one of the two axes that a permutation exchanges."""

    def convert(value: Any, _rank: int) -> int | None:
        moved = [axis for axis, own in enumerate(value) if own != axis]
        return moved[place] if len(moved) == len(("one", "other")) else None

    return convert


def edges(value: Sequence[int]) -> list[int]:
    """Return ONNX's pads, begins before ends, from the last axis on as torch has them.

    Args:
        value: Begins of all axes, then ends; the first axes that have none are left out.
    """
    half = len(value) // 2
    both = zip(reversed(value[:half]), reversed(value[half:]), strict=True)
    flat = [int(one) for pair in both for one in pair]
    while flat[-2:] == [0, 0]:
        flat = flat[:-2]
    return flat


def _edges(value: Any, _rank: int) -> list[int]:
    return edges(value)


PAD_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}
"""How torch calls the ways of padding, by ONNX's names."""


def _mode(value: Any, _rank: int) -> str | None:
    return PAD_MODES.get(value)


def _aligned(value: Any, _rank: int) -> bool | None:
    return {"align_corners": True, "pytorch_half_pixel": False, "half_pixel": False}.get(
        value
    )


def _scales(value: Any, _rank: int) -> list[float]:
    return [float(one) for one in value[2:]]


_WINDOW = (
    Setting("stride", "strides", _sizes),
    Setting("padding", "pads", _even),
    Setting("dilation", "dilations", _sizes),
)
_TRANSPOSED = (*_WINDOW, Setting("groups", "group", _plain))
_CONVOLUTION = (
    _WINDOW[0],
    Setting("padding", "pads", _pads),
    *_WINDOW[2:],
    _TRANSPOSED[-1],
)
_MAXIMUM = (
    Setting("kernel_size", "kernel_shape", _sizes),
    *_WINDOW,
    Setting("ceil_mode", "ceil_mode", _flag),
)
_MEAN = (
    Setting("kernel_size", "kernel_shape", _sizes),
    *_WINDOW[:2],
    Setting("ceil_mode", "ceil_mode", _flag),
    Setting("count_include_pad", "count_include_pad", _flag),
)
_EPSILON = (Setting("eps", "epsilon", _number),)
_DIM = (Setting("dim", "axis", axis_of),)
_REDUCED = (Setting("dim", 1, axes_of), Setting("keepdim", "keepdims", _flag))
_SCALED = (
    Setting("align_corners", "coordinate_transformation_mode", _aligned),
    Setting("scale_factors", 2, _scales),
)
_OTHER = (Setting("other", 1, _number),)

SETTINGS: Mapping[str, tuple[str, tuple[Setting, ...]]] = {
    "aten::conv1d": ("Conv", _CONVOLUTION),
    "aten::conv2d": ("Conv", _CONVOLUTION),
    "aten::conv3d": ("Conv", _CONVOLUTION),
    "aten::convolution": ("Conv", _CONVOLUTION),
    "aten::conv_transpose1d": ("ConvTranspose", _TRANSPOSED),
    "aten::conv_transpose2d": ("ConvTranspose", _TRANSPOSED),
    "aten::max_pool1d": ("MaxPool", _MAXIMUM),
    "aten::max_pool2d": ("MaxPool", _MAXIMUM),
    "aten::max_pool3d": ("MaxPool", _MAXIMUM),
    "aten::avg_pool1d": ("AveragePool", _MEAN),
    "aten::avg_pool2d": ("AveragePool", _MEAN),
    "aten::avg_pool3d": ("AveragePool", _MEAN),
    "aten::batch_norm": ("BatchNormalization", _EPSILON),
    "aten::_native_batch_norm_legit_no_training": ("BatchNormalization", _EPSILON),
    "aten::layer_norm": ("LayerNormalization", _EPSILON),
    "aten::native_layer_norm": ("LayerNormalization", _EPSILON),
    "aten::instance_norm": ("InstanceNormalization", _EPSILON),
    "aten::leaky_relu": ("LeakyRelu", (Setting("negative_slope", "alpha", _number),)),
    "aten::elu": ("Elu", (Setting("alpha", "alpha", _number),)),
    "aten::hardtanh": (
        "Clip",
        (Setting("min_val", 1, _number), Setting("max_val", 2, _number)),
    ),
    "aten::clamp": ("Clip", (Setting("min", 1, _number), Setting("max", 2, _number))),
    "aten::gelu": ("Gelu", (Setting("approximate", "approximate", _plain),)),
    "aten::softmax": ("Softmax", _DIM),
    "aten::_softmax": ("Softmax", _DIM),
    "aten::log_softmax": ("LogSoftmax", _DIM),
    "aten::cat": ("Concat", _DIM),
    "aten::permute": ("Transpose", (Setting("dims", "perm", axes_of),)),
    "aten::transpose": (
        "Transpose",
        (Setting("dim0", "perm", _moved(0)), Setting("dim1", "perm", _moved(1))),
    ),
    "aten::mean": ("ReduceMean", _REDUCED),
    "aten::sum": ("ReduceSum", _REDUCED),
    "aten::amax": ("ReduceMax", _REDUCED),
    "aten::amin": ("ReduceMin", _REDUCED),
    "aten::reshape": ("Reshape", (Setting("shape", 1, _sizes),)),
    "aten::view": ("Reshape", (Setting("size", 1, _sizes),)),
    "aten::pad": (
        "Pad",
        (
            Setting("pad", 1, _edges),
            Setting("mode", "mode", _mode),
            Setting("value", 2, _number),
        ),
    ),
    "aten::select": (
        "Gather",
        (Setting("dim", "axis", axis_of), Setting("index", 1, _number)),
    ),
    "aten::upsample_bilinear2d": ("Resize", _SCALED),
    "aten::upsample_bicubic2d": ("Resize", _SCALED),
    "aten::upsample_nearest2d": ("Resize", _SCALED[1:]),
    "aten::add": ("Add", _OTHER),
    "aten::sub": ("Sub", _OTHER),
    "aten::mul": ("Mul", _OTHER),
    "aten::div": ("Div", _OTHER),
    "aten::pow": ("Pow", (Setting("exponent", 1, _number),)),
}
"""By the schema's name: the ONNX operator that a call becomes, and what of it is where.

Source: the schemas of ATen's operators, ``aten/src/ATen/native/native_functions.yaml``.
"""

SPELLINGS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "aten::gelu": ("approximate", ("none", "tanh")),
}
"""Calls that become several operators: the argument that says which, and its values."""


def described(node: Node, place: str | int) -> Any:
    """Return what an ONNX operator says in one place; None: nothing."""
    if isinstance(place, int):
        return node.constants.get(place)
    return node.attributes.get(place)
