"""What puts tensors together, and takes them apart."""

import numpy as np

from analyzer.core.types import Array
from analyzer.frontends.child.lite.call import Call, Drawn
from analyzer.frontends.child.lite.draft import IMAGE_RANK
from analyzer.frontends.child.lite.table import draws


@draws("CONCATENATION")
def concatenation(call: Call) -> Drawn:
    """Draw tensors one behind the other along an axis."""
    slots = range(call.count)
    layout = call.layout(*slots)
    axis = call.laid(int(call.options.axis), layout)
    parts = (call.real(slot, layout, rank=IMAGE_RANK) for slot in slots)
    return Drawn(call.add("Concat", *parts, axis=axis), layout)


@draws("SPLIT")
def split(call: Call) -> tuple[Drawn, ...]:
    """Draw equal parts along an axis, input 0."""
    axis = call.axis(call.integers(0, "axis")[0], 1)
    count = len(call.operator.outputs)
    size = call.sizes(1)[axis]
    sizes = None if size < 0 else np.full(count, size // count, np.int64)
    return _parts(call, 1, axis, sizes)


@draws("SPLIT_V")
def split_by_sizes(call: Call) -> tuple[Drawn, ...]:
    """Draw parts of given sizes along an axis, input 2; one size may be left open."""
    axis = call.axis(call.integers(2, "axis")[0])
    sizes = np.array(call.integers(1, "sizes"), np.int64)
    whole = call.sizes(0)[axis]
    if np.any(sizes < 0):
        if whole < 0:
            raise call.refusal("one of its sizes is open, as is the whole")
        sizes[sizes < 0] = whole - sizes[sizes >= 0].sum()
    return _parts(call, 0, axis, sizes)


def _parts(call: Call, slot: int, axis: int, sizes: Array | None) -> tuple[Drawn, ...]:
    layout = call.layout(slot)
    place = layout.value.index(axis) if call.rank(slot) == IMAGE_RANK else axis
    count = len(call.operator.outputs)
    given = call.real(slot, layout)
    if count == 1:
        return (Drawn(call.add("Identity", given), layout),)
    told = [] if sizes is None else [call.hold(sizes)]
    options = {"num_outputs": count} if sizes is None else {}
    names = call.adds("Split", given, *told, outputs=count, axis=place, **options)
    return tuple(Drawn(name, layout) for name in names)


@draws("PACK")
def pack(call: Call) -> str:
    """Draw tensors stacked along a new axis."""
    axis = int(call.options.axis) % (call.rank(0) + 1)
    place = call.hold(np.array([axis]))
    slots = range(call.count)
    parts = [call.add("Unsqueeze", call.real(slot), place) for slot in slots]
    return call.add("Concat", *parts, axis=axis)


@draws("UNPACK")
def unpack(call: Call) -> tuple[str, ...]:
    """Draw the slices of a tensor along an axis, without it."""
    axis = call.axis(int(call.options.axis))
    count, place = len(call.operator.outputs), call.hold(np.array([axis]))
    if count == 1:
        return (call.add("Squeeze", call.real(0), place),)
    sizes = call.hold(np.ones(count, np.int64))
    parts = call.adds("Split", call.real(0), sizes, outputs=count, axis=axis)
    return tuple(call.add("Squeeze", part, place) for part in parts)
