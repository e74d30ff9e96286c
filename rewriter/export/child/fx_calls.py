"""ONNX operators as calls of ATen: what a repair puts into an exported program."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from analyzer.core.errors import ExportError
from analyzer.core.types import Array, Node
from rewriter.export.child.fx_constants import HINT, Constants

ATEN = torch.ops.aten

FIRST_SPATIAL = 2
"""Axes before the spatial ones: samples and channels."""


class Caller:
    """Puts calls into a program, each behind what it reads.

    Args:
        program: The `torch.export.ExportedProgram`; it is changed.
        constants: What its placeholders hold.
        values: The call behind each tensor of the repaired pivot so far.
        near: The call whose place in the user's modules the new ones share, or None.
    """

    def __init__(
        self, program: Any, constants: Constants, values: Mapping[str, Any], near: Any
    ) -> None:
        self._graph = program.graph
        self._constants = constants
        self._values = values
        self._near = near
        self.made: list[str] = []

    def call(self, target: Any, *arguments: Any, **named: Any) -> Any:
        """Return a new call.

        Args:
            target: The operator's overload.
            arguments: What it is given by position.
            named: What it is given by name.
        """
        last = next(one for one in reversed(self._graph.nodes) if one.op == "output")
        with self._graph.inserting_before(last):
            node = self._graph.call_function(target, arguments, named)
        for key in ("nn_module_stack", "stack_trace"):
            if self._near is not None and key in self._near.meta:
                node.meta[key] = self._near.meta[key]
        self.made.append(str(node.name))
        return node

    def tensor(self, node: Node, slot: int) -> Any:
        """Return what gives an input of an operator; a placeholder for a constant one.

        Args:
            node: The operator.
            slot: Which of its inputs.

        Raises:
            ExportError: No call gives it.
        """
        if slot in node.constants:
            value = node.constants[slot]
            name = node.inputs[slot]
            known = self._constants.find(value, name)
            return self._constants.add(value, name) if known is None else known
        if slot >= len(node.inputs) or not node.inputs[slot]:
            return None
        given = self._values.get(node.inputs[slot])
        if given is None:
            raise refusal(node, f"no call of the program gives {node.inputs[slot]}")
        return given

    def operand(self, node: Node, slot: int) -> Any:
        """Return an input of an operator, a single number as it is.

        Args:
            node: The operator.
            slot: Which of its inputs.
        """
        value = node.constants.get(slot)
        plain = value is not None and value.size == 1 and value.ndim <= 1
        return value.reshape(()).item() if plain and value is not None else self.tensor(node, slot)

    def rank(self, node: Node) -> int:
        """Return the number of axes of an operator's first input.

        Args:
            node: The operator.

        Raises:
            ExportError: It is not known.
        """
        value = getattr(self.tensor(node, 0), "meta", {}).get("val")
        if value is None:
            raise refusal(node, "the number of its axes is not known")
        return len(value.shape)


def refusal(node: Node, why: str) -> ExportError:
    """Return the error for an operator that the program cannot be given.

    Args:
        node: The operator.
        why: What is in the way, as the end of a sentence.
    """
    return ExportError(
        f"the repaired {node.name} ({node.op}) cannot go into the torch program: {why}",
        hint=HINT,
    )


def called(caller: Caller, node: Node) -> tuple[Any, ...]:
    """Return the calls that give an operator's outputs, after putting them in.

    Args:
        caller: Puts them in.
        node: The operator.

    Raises:
        ExportError: No call is known that computes it.
    """
    make = MAKERS.get(node.op)
    if make is None or node.domain:
        raise refusal(node, f"no call is known for {node.op}")
    found = make(caller, node)
    return found if isinstance(found, tuple) else (found,)


Make = Callable[[Caller, Node], Any]

COMMUTING = frozenset({"Add", "Mul"})


def _plain(target: Any) -> Make:
    return lambda caller, node: caller.call(target, caller.tensor(node, 0))


def _binary(target: Any) -> Make:
    """Return what calls an operator of two operands, the first of them a tensor."""

    def make(caller: Caller, node: Node) -> Any:
        if 0 in node.constants and node.op in COMMUTING:
            return caller.call(target, caller.tensor(node, 1), caller.operand(node, 0))
        if 0 in node.constants:
            return caller.call(target, caller.tensor(node, 0), caller.tensor(node, 1))
        return caller.call(target, caller.tensor(node, 0), caller.operand(node, 1))

    return make


def _clip(caller: Caller, node: Node) -> Any:
    bounds = [caller.operand(node, slot) if slot in node.constants else None for slot in (1, 2)]
    if all(isinstance(one, float) for one in bounds):
        return caller.call(ATEN.hardtanh.default, caller.tensor(node, 0), *bounds)
    return caller.call(ATEN.clamp.default, caller.tensor(node, 0), *bounds)


def _leaky(caller: Caller, node: Node) -> Any:
    return caller.call(ATEN.leaky_relu.default, caller.tensor(node, 0), node.attributes["alpha"])


def _elu(caller: Caller, node: Node) -> Any:
    return caller.call(ATEN.elu.default, caller.tensor(node, 0), node.attributes["alpha"])


def _gelu(caller: Caller, node: Node) -> Any:
    kind = node.attributes.get("approximate", "none")
    return caller.call(ATEN.gelu.default, caller.tensor(node, 0), approximate=kind)


def _along(target: Any) -> Make:
    return lambda caller, node: caller.call(
        target, caller.tensor(node, 0), node.attributes["axis"]
    )


def _permute(caller: Caller, node: Node) -> Any:
    image = caller.tensor(node, 0)
    axes = node.attributes.get("perm") or tuple(reversed(range(caller.rank(node))))
    return caller.call(ATEN.permute.default, image, list(_whole(axes)))


def _whole(axes: Any) -> list[int]:
    return [int(one) for one in np.atleast_1d(axes)]


def _concat(caller: Caller, node: Node) -> Any:
    parts = [caller.tensor(node, slot) for slot in range(len(node.inputs))]
    return caller.call(ATEN.cat.default, parts, node.attributes["axis"])


def _reshape(caller: Caller, node: Node) -> Any:
    image, sizes = caller.tensor(node, 0), node.constants.get(1)
    if sizes is None or (0 in sizes and node.attributes.get("allowzero")):
        raise refusal(node, "its sizes are computed")
    kept = [
        caller.call(ATEN.sym_size.int, image, axis) if size == 0 else int(size)
        for axis, size in enumerate(sizes)
    ]
    return caller.call(ATEN.reshape.default, image, kept)


def _axes(node: Node) -> list[int] | None:
    """Return the axes that an operator is told, as an input or as an attribute."""
    found = node.constants.get(1, node.attributes.get("axes"))
    return None if found is None else _whole(found)


def _reduced(target: Any) -> Make:
    def make(caller: Caller, node: Node) -> Any:
        axes = _axes(node)
        if axes is None:
            axes = list(range(caller.rank(node)))
        keep = bool(node.attributes.get("keepdims", 1))
        return caller.call(target, caller.tensor(node, 0), axes, keep)

    return make


def _global_mean(caller: Caller, node: Node) -> Any:
    axes = list(range(FIRST_SPATIAL, caller.rank(node)))
    return caller.call(ATEN.mean.dim, caller.tensor(node, 0), axes, True)  # noqa: FBT003  # ATen's own order


def _squeeze(caller: Caller, node: Node) -> Any:
    axes = _axes(node)
    if axes is None:
        return caller.call(ATEN.squeeze.default, caller.tensor(node, 0))
    return caller.call(ATEN.squeeze.dims, caller.tensor(node, 0), axes)


def _unsqueeze(caller: Caller, node: Node) -> Any:
    result = caller.tensor(node, 0)
    for axis in sorted(_axes(node) or []):
        result = caller.call(ATEN.unsqueeze.default, result, axis)
    return result


def _flatten(caller: Caller, node: Node) -> Any:
    axis = node.attributes["axis"]
    if axis != 1:
        raise refusal(node, f"it flattens from axis {axis} on")
    return caller.call(ATEN.flatten.using_ints, caller.tensor(node, 0), 1)


def _matmul(caller: Caller, node: Node) -> Any:
    return caller.call(ATEN.matmul.default, caller.tensor(node, 0), caller.tensor(node, 1))


def _gemm(caller: Caller, node: Node) -> Any:
    said = node.attributes
    if said["alpha"] != 1 or said["beta"] != 1:
        raise refusal(node, "it scales its operands")
    left, right = caller.tensor(node, 0), caller.tensor(node, 1)
    left = caller.call(ATEN.t.default, left) if said["transA"] else left
    bias = caller.tensor(node, 2)
    if said["transB"]:
        return caller.call(ATEN.linear.default, left, right, bias)
    product = caller.call(ATEN.matmul.default, left, right)
    return product if bias is None else caller.call(ATEN.add.Tensor, product, bias)


def _edges(pads: Sequence[int]) -> list[int]:
    half = len(pads) // 2
    both = zip(reversed(pads[:half]), reversed(pads[half:]), strict=True)
    return [int(one) for pair in both for one in pair]


def _padded(caller: Caller, node: Node, axes: int, fill: float) -> tuple[Any, list[int]]:
    """Return a windowed operator's image and padding: uneven padding is put in before it."""
    if node.attributes.get("auto_pad", "NOTSET") not in {"NOTSET", "VALID"}:
        raise refusal(node, f"its auto_pad is {node.attributes['auto_pad']}")
    pads = _whole(node.attributes.get("pads") or [0] * (2 * axes))
    image = caller.tensor(node, 0)
    if pads[:axes] == pads[axes:]:
        return image, pads[:axes]
    wider = caller.call(ATEN.pad.default, image, _edges(pads), "constant", fill)
    return wider, [0] * axes


def _convolution(caller: Caller, node: Node) -> Any:
    axes = len(node.constants[1].shape) - FIRST_SPATIAL if 1 in node.constants else 0
    target = {1: ATEN.conv1d.default, 2: ATEN.conv2d.default, 3: ATEN.conv3d.default}.get(axes)
    if target is None:
        raise refusal(node, "its weights are computed")
    image, padding = _padded(caller, node, axes, 0.0)
    stride = _whole(node.attributes.get("strides") or [1] * axes)
    dilation = _whole(node.attributes.get("dilations") or [1] * axes)
    weights = caller.tensor(node, 1), caller.tensor(node, 2)
    groups = node.attributes["group"]
    return caller.call(target, image, *weights, stride, padding, dilation, groups)


def _pool(node: Node) -> tuple[list[int], list[int]]:
    kernel = _whole(node.attributes["kernel_shape"])
    return kernel, _whole(node.attributes.get("strides") or [1] * len(kernel))


def _maximum(caller: Caller, node: Node) -> Any:
    kernel, stride = _pool(node)
    kinds = (ATEN.max_pool1d.default, ATEN.max_pool2d.default, ATEN.max_pool3d.default)
    image, padding = _padded(caller, node, len(kernel), float("-inf"))
    dilation = _whole(node.attributes.get("dilations") or [1] * len(kernel))
    ceil = bool(node.attributes["ceil_mode"])
    return caller.call(kinds[len(kernel) - 1], image, kernel, stride, padding, dilation, ceil)


def _mean(caller: Caller, node: Node) -> Any:
    kernel, stride = _pool(node)
    counted = bool(node.attributes["count_include_pad"])
    pads = node.attributes.get("pads")
    if pads and not counted and list(_whole(pads))[::2] != list(_whole(pads))[1::2]:
        raise refusal(node, "its uneven padding is not counted")
    kinds = (ATEN.avg_pool1d.default, ATEN.avg_pool2d.default, ATEN.avg_pool3d.default)
    image, padding = _padded(caller, node, len(kernel), 0.0)
    ceil = bool(node.attributes["ceil_mode"])
    return caller.call(kinds[len(kernel) - 1], image, kernel, stride, padding, ceil, counted)


def _normalised(caller: Caller, node: Node) -> Any:
    image, *held = (caller.tensor(node, slot) for slot in range(5))
    epsilon = node.attributes["epsilon"]
    return caller.call(ATEN.batch_norm.default, image, *held, False, 0.1, epsilon, False)  # noqa: FBT003  # ATen's own order


def _layer_normalised(caller: Caller, node: Node) -> Any:
    scale = caller.tensor(node, 1)
    sizes = list(node.constants[1].shape)
    held = scale, caller.tensor(node, 2)
    epsilon = node.attributes["epsilon"]
    image = caller.tensor(node, 0)
    return caller.call(ATEN.layer_norm.default, image, sizes, *held, epsilon, False)  # noqa: FBT003  # ATen's own order


MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}


def _pad(caller: Caller, node: Node) -> Any:
    pads, mode = node.constants.get(1), MODES.get(str(node.attributes["mode"]))
    if pads is None or mode is None or (len(node.inputs) > 3 and node.inputs[3]):
        raise refusal(node, "how it pads has no call of its own")
    image, edges = caller.tensor(node, 0), _edges(_whole(pads))
    while mode != "constant" and edges[-2:] == [0, 0]:
        edges = edges[:-2]
    fill = caller.operand(node, 2) if mode == "constant" else None
    return caller.call(ATEN.pad.default, image, edges, mode, fill)


def _gather(caller: Caller, node: Node) -> Any:
    index = node.constants.get(1)
    if index is None:
        raise refusal(node, "its indices are computed")
    axis = node.attributes["axis"]
    if index.ndim == 0:
        return caller.call(ATEN.select.int, caller.tensor(node, 0), axis, int(index))
    if index.ndim > 1:
        raise refusal(node, "its indices have several axes")
    return caller.call(
        ATEN.index_select.default, caller.tensor(node, 0), axis, caller.tensor(node, 1)
    )


FARTHEST = 2**63 - 1


def _slice(caller: Caller, node: Node) -> Any:
    if not all(slot in node.constants for slot in range(1, len(node.inputs))):
        raise refusal(node, "its bounds are computed")
    starts, ends = (_whole(node.constants[slot]) for slot in (1, 2))
    axes = _whole(node.constants.get(3, np.arange(len(starts))))
    steps = _whole(node.constants.get(4, np.ones(len(starts), np.int64)))
    result = caller.tensor(node, 0)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if step < 0:
            if abs(start) <= 1 and end < -FARTHEST // 2:
                result = caller.call(ATEN.flip.default, result, [axis])
                continue
            raise refusal(node, "it goes backwards")
        result = caller.call(ATEN.slice.Tensor, result, axis, start, end, step)
    return result


def _identity(caller: Caller, node: Node) -> Any:
    return caller.tensor(node, 0)


KINDS = {
    1: torch.float32,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    16: torch.bfloat16,
}
"""Torch's dtypes by ONNX's numbers for them."""


def _cast(caller: Caller, node: Node) -> Any:
    kind = KINDS.get(int(node.attributes["to"]))  # type: ignore[arg-type]  # an INT attribute
    if kind is None:
        raise refusal(node, "torch has no such dtype")
    return caller.call(ATEN.to.dtype, caller.tensor(node, 0), kind)


def _softplus(caller: Caller, node: Node) -> Any:
    return caller.call(ATEN.softplus.default, caller.tensor(node, 0))


def _hard_sigmoid(caller: Caller, node: Node) -> Any:
    said = node.attributes
    if not np.isclose(said["alpha"], 1 / 6) or said["beta"] != 0.5:
        raise refusal(node, "torch has its own slope and offset")
    return caller.call(ATEN.hardsigmoid.default, caller.tensor(node, 0))


def _prelu(caller: Caller, node: Node) -> Any:
    slope = node.constants.get(1)
    if slope is None:
        raise refusal(node, "its slopes are computed")
    return caller.call(ATEN.prelu.default, caller.tensor(node, 0), _vector(caller, node, slope))


def _vector(caller: Caller, node: Node, value: Array) -> Any:
    del node
    return caller._constants.add(value.reshape(-1), "slope")  # noqa: SLF001  # our own class


MAKERS: Mapping[str, Make] = {
    "Abs": _plain(ATEN.abs.default),
    "Add": _binary(ATEN.add.Tensor),
    "AveragePool": _mean,
    "BatchNormalization": _normalised,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _convolution,
    "Div": _binary(ATEN.div.Tensor),
    "Dropout": _identity,
    "Elu": _elu,
    "Erf": _plain(ATEN.erf.default),
    "Exp": _plain(ATEN.exp.default),
    "Flatten": _flatten,
    "Gather": _gather,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_mean,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _plain(ATEN.hardswish.default),
    "Identity": _identity,
    "LayerNormalization": _layer_normalised,
    "LeakyRelu": _leaky,
    "Log": _plain(ATEN.log.default),
    "LogSoftmax": _along(ATEN.log_softmax.int),
    "MatMul": _matmul,
    "MaxPool": _maximum,
    "Mul": _binary(ATEN.mul.Tensor),
    "Neg": _plain(ATEN.neg.default),
    "PRelu": _prelu,
    "Pad": _pad,
    "Reciprocal": _plain(ATEN.reciprocal.default),
    "ReduceMax": _reduced(ATEN.amax.default),
    "ReduceMean": _reduced(ATEN.mean.dim),
    "ReduceMin": _reduced(ATEN.amin.default),
    "ReduceSum": _reduced(ATEN.sum.dim_IntList),
    "Relu": _plain(ATEN.relu.default),
    "Reshape": _reshape,
    "Selu": _plain(ATEN.selu.default),
    "Sigmoid": _plain(ATEN.sigmoid.default),
    "Slice": _slice,
    "Softmax": _along(ATEN.softmax.int),
    "Softplus": _softplus,
    "Sqrt": _plain(ATEN.sqrt.default),
    "Squeeze": _squeeze,
    "Sub": _binary(ATEN.sub.Tensor),
    "Tanh": _plain(ATEN.tanh.default),
    "Transpose": _permute,
    "Unsqueeze": _unsqueeze,
}
"""What computes each ONNX operator in a program."""
