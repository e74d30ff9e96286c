"""What changes the size of images."""

from analyzer.frontends.child.lite.call import Call, Drawn
from analyzer.frontends.child.lite.draft import Layout
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
    resized = call.add(
        "Resize",
        call.image(0),
        "",
        "",
        call.vector(1),
        axes=(2, 3),
        coordinate_transformation_mode=transformation,
        **chosen,
    )
    return Drawn(resized, Layout.IMAGE)


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
