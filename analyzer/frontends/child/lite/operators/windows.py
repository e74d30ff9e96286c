"""Convolutions and pooling: what slides a window over an image."""

from typing import cast

from analyzer.frontends.child.lite.call import Call, Drawn
from analyzer.frontends.child.lite.draft import Layout
from analyzer.frontends.child.lite.facts import FREE
from analyzer.frontends.child.lite.table import draws

SAME = 0
"""The padding that keeps the size, as the schema numbers it; the other is VALID."""

Pair = tuple[int, int]


def same_pads(image: Pair, window: Pair, strides: Pair) -> tuple[int, ...]:
    """Return the pads that SAME stands for, as ONNX writes them.

    Args:
        image: Height and width.
        window: What the window covers, its dilation included.
        strides: In rows and columns.

    Source: `ComputePaddingWithOffset` in TensorFlow Lite's kernels/padding.h.
    """
    totals = [
        max((-(-size // stride) - 1) * stride + covered - size, 0)
        for size, covered, stride in zip(image, window, strides, strict=True)
    ]
    return (*(total // 2 for total in totals), *(total - total // 2 for total in totals))


def padding(call: Call, slot: int, window: Pair, strides: Pair) -> dict[str, object]:
    """Return ONNX's attributes for an operator's padding.

    Args:
        call: The operator.
        slot: Which input is the image.
        window: What the window covers, its dilation included.
        strides: In rows and columns.
    """
    if call.options.padding != SAME:
        return {"pads": (0, 0, 0, 0)}
    image = call.sizes(slot)[1:3]
    if FREE in image:
        return {"auto_pad": "SAME_UPPER"}
    return {"pads": same_pads(cast("Pair", image), window, strides)}


@draws("CONV_2D")
def convolution(call: Call) -> Drawn:
    """Draw a convolution, in as many groups as its weight is narrower than its image."""
    channels, own = call.sizes(0)[3], call.sizes(1)[3]
    group = 1 if channels == FREE else channels // own
    return _convolved(call, call.weight(1, (0, 3, 1, 2)), group)


@draws("DEPTHWISE_CONV_2D")
def depthwise(call: Call) -> Drawn:
    """Draw a convolution of each channel by itself; weights are [1, H, W, channels]."""
    channels = call.sizes(0)[3]
    multiplier = max(call.options.depthMultiplier, 1)
    group = call.sizes(1)[3] // multiplier if channels == FREE else channels
    return _convolved(call, call.weight(1, (3, 0, 1, 2)), group)


def _convolved(call: Call, weight: str, group: int) -> Drawn:
    options, kernel = call.options, cast("Pair", call.sizes(1)[1:3])
    strides = options.strideH, options.strideW
    dilations = options.dilationHFactor, options.dilationWFactor
    covered = (kernel[0] - 1) * dilations[0] + 1, (kernel[1] - 1) * dilations[1] + 1
    inputs = [call.image(0), weight, *([call.real(2)] if call.has(2) else [])]
    product = call.add(
        "Conv",
        *inputs,
        kernel_shape=kernel,
        strides=strides,
        dilations=dilations,
        group=group,
        **padding(call, 0, covered, strides),
    )
    return Drawn(product, Layout.IMAGE)


@draws("TRANSPOSE_CONV")
def transposed_convolution(call: Call) -> Drawn:
    """Draw the gradient of a convolution; input 0 is the size of what it gives."""
    options, kernel = call.options, cast("Pair", call.sizes(1)[1:3])
    strides = options.strideH, options.strideW
    bias = [call.real(3)] if call.has(3) else []
    pads, more = _cropped(call, kernel, strides)
    product = call.add(
        "ConvTranspose",
        call.image(2),
        call.weight(1, (3, 0, 1, 2)),
        *bias,
        kernel_shape=kernel,
        strides=strides,
        pads=pads,
        output_padding=more if any(more) else None,
    )
    return Drawn(product, Layout.IMAGE)


def _cropped(call: Call, kernel: Pair, strides: Pair) -> tuple[tuple[int, ...], Pair]:
    """Return the pads and the output padding that give the size which is told.

    Source: `ComputePaddingHeightWidth` of the size it gives, as in TensorFlow Lite's
    kernels/transpose_conv.cc.
    """
    given, image = _given(call), call.sizes(2)[1:3]
    before, after, more = [], [], []
    for place in (0, 1):
        window, stride, size = kernel[place], strides[place], given[place]
        usual = stride if call.options.padding == SAME else max(window, stride)
        excess = window - usual
        first = max(excess, 0) // 2
        if FREE not in {size, image[place]}:
            steps = -(-size // stride) if call.options.padding == SAME else image[place]
            total = max((steps - 1) * stride + window - size, 0)
            first = total // 2 if call.options.padding == SAME else 0
            excess = (image[place] - 1) * stride + window - size
        before.append(first)
        after.append(max(excess - first, 0))
        more.append(max(first - excess, 0))
    return (*before, *after), (more[0], more[1])


def _given(call: Call) -> Pair:
    """Return the height and width that the operator is told to give, FREE if computed."""
    told = call.constant(0)
    if told is not None:
        return int(told.reshape(-1)[1]), int(told.reshape(-1)[2])
    sizes = call.output.sizes
    return (sizes[1], sizes[2]) if sizes else (FREE, FREE)


@draws("AVERAGE_POOL_2D")
def average_pool(call: Call) -> Drawn:
    """Draw the mean of each window; what is padded does not count."""
    return _pooled(call, "AveragePool", count_include_pad=0)


@draws("MAX_POOL_2D")
def max_pool(call: Call) -> Drawn:
    """Draw the largest value of each window."""
    return _pooled(call, "MaxPool")


@draws("L2_POOL_2D")
def length_pool(call: Call) -> Drawn:
    """Draw the root of the mean of the squares in each window."""
    image = call.image(0)
    mean = _windowed(call, "AveragePool", call.add("Mul", image, image))
    return Drawn(call.add("Sqrt", mean), Layout.IMAGE)


def _pooled(call: Call, op: str, **more: object) -> Drawn:
    return Drawn(_windowed(call, op, call.image(0), **more), Layout.IMAGE)


def _windowed(call: Call, op: str, image: str, **more: object) -> str:
    options = call.options
    window = options.filterHeight, options.filterWidth
    strides = options.strideH, options.strideW
    pads = padding(call, 0, window, strides)
    return call.add(op, image, kernel_shape=window, strides=strides, **pads, **more)
