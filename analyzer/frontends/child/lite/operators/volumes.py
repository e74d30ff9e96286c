"""Convolutions over volumes, [N, D, H, W, C]."""

from collections.abc import Sequence

from analyzer.frontends.child.lite.call import Call
from analyzer.frontends.child.lite.facts import FREE
from analyzer.frontends.child.lite.operators.windows import SAME
from analyzer.frontends.child.lite.table import draws

FRONT, BACK = (0, 4, 1, 2, 3), (0, 2, 3, 4, 1)
"""Channels in front of the volume, as ONNX has them, and behind it again."""

OUTWARD = (4, 3, 0, 1, 2)
"""A weight's axes, from [D, H, W, inputs, outputs]; a transposed one's the other way."""


@draws("CONV_3D")
def convolution(call: Call) -> str:
    """Draw a convolution over volumes, in groups where the weight is narrower."""
    strides, dilations = _steps(call)
    kernel, channels = call.sizes(1)[:3], call.sizes(0)[4]
    covered = [(size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True)]
    product = call.add(
        "Conv",
        call.add("Transpose", call.real(0), perm=FRONT),
        call.weight(1, OUTWARD),
        *([call.real(2)] if call.has(2) else []),
        kernel_shape=kernel,
        strides=strides,
        dilations=dilations,
        group=1 if channels == FREE else channels // call.sizes(1)[3],
        pads=_pads(call, call.sizes(0)[1:4], covered, strides),
    )
    return call.add("Transpose", product, perm=BACK)


@draws("CONV_3D_TRANSPOSE")
def transposed_convolution(call: Call) -> str:
    """Draw the gradient of a convolution over volumes; input 0 is the size it gives."""
    strides, dilations = _steps(call)
    kernel, image, told = call.sizes(1)[:3], call.sizes(2)[1:4], call.integers(0, "size")
    covered = [(size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True)]
    pads = _pads(call, told[1:4], covered, strides)
    if FREE in image:
        raise call.refusal("a size of its volume is free")
    given = [
        (size - 1) * stride + window - before - after
        for size, stride, window, before, after in zip(
            image, strides, covered, pads[:3], pads[3:], strict=True
        )
    ]
    more = [whole - part for whole, part in zip(told[1:4], given, strict=True)]
    product = call.add(
        "ConvTranspose",
        call.add("Transpose", call.real(2), perm=FRONT),
        call.weight(1, OUTWARD),
        *([call.real(3)] if call.has(3) else []),
        kernel_shape=kernel,
        strides=strides,
        dilations=dilations,
        pads=pads,
        output_padding=more if any(more) else None,
    )
    return call.add("Transpose", product, perm=BACK)


def _steps(call: Call) -> tuple[list[int], list[int]]:
    options = call.options
    return (
        [options.strideD, options.strideH, options.strideW],
        [options.dilationDFactor, options.dilationHFactor, options.dilationWFactor],
    )


def _pads(
    call: Call, volume: Sequence[int], window: Sequence[int], strides: Sequence[int]
) -> list[int]:
    """Return the pads that its padding stands for, as ONNX writes them.

    Source: `ComputePadding3DValues` in TensorFlow Lite's kernels/padding.h.
    """
    if call.options.padding != SAME:
        return [0] * 6
    if FREE in volume:
        raise call.refusal("a size of its volume is free")
    totals = [
        max((-(-size // stride) - 1) * stride + covered - size, 0)
        for size, covered, stride in zip(volume, window, strides, strict=True)
    ]
    return [total // 2 for total in totals] + [total - total // 2 for total in totals]
