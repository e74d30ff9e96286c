"""What changes the size of images."""

import numpy as np

from analyzer.frontends.child.lite.call import Call, Drawn
from analyzer.frontends.child.lite.draft import Layout
from analyzer.frontends.child.lite.facts import FREE
from analyzer.frontends.child.lite.table import draws


@draws("RESIZE_BILINEAR")
def bilinear(call: Call) -> Drawn:
    """Draw an image of another size, interpolated."""
    return _resized(call, mode="linear")


@draws("RESIZE_NEAREST_NEIGHBOR")
def nearest(call: Call) -> Drawn:
    """Draw an image of another size, each pixel that of the nearest place.

    Source: `GetNearestNeighbor` in TensorFlow Lite's
    kernels/internal/reference/resize_nearest_neighbor.h: rounded down, half up where pixels
    are aligned by their corners or centres.
    """
    options = call.options
    rounds = options.alignCorners or options.halfPixelCenters
    chosen = "round_prefer_ceil" if rounds else "floor"
    return _resized(call, mode="nearest", nearest_mode=chosen)


def _resized(call: Call, **chosen: str) -> Drawn:
    transformation = "asymmetric"
    if call.options.alignCorners:
        transformation = "align_corners"
    elif call.options.halfPixelCenters:
        transformation = "half_pixel"
    image = call.image(0)
    resized = call.add(
        "Resize",
        image,
        "",
        "",
        _whole_size(call, image),
        coordinate_transformation_mode=transformation,
        **chosen,
    )
    return Drawn(resized, Layout.IMAGE)


def _whole_size(call: Call, image: str) -> str:
    """Return all four sizes of what a resize gives.

    Two of them and `axes` say as much, but ONNX Runtime moves a Transpose through such a
    node without its axes, and then refuses the model.
    """
    count, _, _, channels = call.sizes(0)
    told = call.constant(1)
    if told is None or FREE in {count, channels}:
        kept = call.add("Shape", image, start=0, end=2)
        return call.add("Concat", kept, call.vector(1), axis=0)
    height, width = (int(size) for size in told.reshape(-1))
    return call.hold(np.array([count, channels, height, width]))


@draws("SPACE_TO_DEPTH")
def space_to_depth(call: Call) -> Drawn:
    """Draw blocks of an image as channels."""
    size = int(call.options.blockSize)
    drawn = call.add("SpaceToDepth", call.image(0), blocksize=size)
    return Drawn(drawn, Layout.IMAGE)


@draws("DEPTH_TO_SPACE")
def depth_to_space(call: Call) -> Drawn:
    """Draw channels as blocks of an image."""
    size = int(call.options.blockSize)
    drawn = call.add("DepthToSpace", call.image(0), blocksize=size, mode="DCR")
    return Drawn(drawn, Layout.IMAGE)
