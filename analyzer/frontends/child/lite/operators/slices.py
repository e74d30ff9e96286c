"""Parts of a tensor by position, and what pads it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from analyzer.core.types import Array
from analyzer.frontends.child.lite.call import FARTHEST, NEAREST, Call, Drawn
from analyzer.frontends.child.lite.draft import Layout
from analyzer.frontends.child.lite.facts import FREE
from analyzer.frontends.child.lite.table import draws

REFLECT = 0
"""The mirror that does not repeat the edge, as the schema numbers it."""


@draws("SLICE")
def slice_(call: Call) -> str:
    """Draw a part that starts somewhere and has a size; -1 is all that is left."""
    starts, sizes = call.constant(1), call.constant(2)
    if starts is not None and sizes is not None:
        first, count = (one.reshape(-1).astype(np.int64) for one in (starts, sizes))
        ends = np.where(count < 0, FARTHEST, first + count)
        return _cut(call, call.hold(first), call.hold(ends))
    first_name, count_name = call.vector(1), call.vector(2)
    total = call.add("Add", first_name, count_name)
    is_open = call.add("Less", count_name, call.hold(np.array(0)))
    ends_name = call.add("Where", is_open, call.hold(np.array(FARTHEST)), total)
    return _cut(call, first_name, ends_name)


def _cut(call: Call, starts: str, ends: str) -> str:
    axes = call.hold(np.arange(call.rank(0)))
    return call.add("Slice", call.real(0), starts, ends, axes)


@dataclass(frozen=True, slots=True)
class Cut:
    """One number of a STRIDED_SLICE's operands.

    Attributes:
        place: Which number.
        axis: The axis of the input it is for; None where it makes a new one.
        takes_one: Whether it takes one index and drops the axis.
    """

    place: int
    axis: int | None
    takes_one: bool


def cuts(call: Call) -> Iterator[Cut]:
    """Yield what each number of a STRIDED_SLICE is for; an ellipsis skips axes."""
    options, axis = call.options, 0
    for place in range(_count(call)):
        if options.ellipsisMask >> place & 1:
            axis += _skipped(call)
        elif options.newAxisMask >> place & 1:
            yield Cut(place, None, takes_one=False)
        else:
            yield Cut(place, axis, bool(options.shrinkAxisMask >> place & 1))
            axis += 1


def _count(call: Call) -> int:
    sizes = call.sizes(1)
    if not sizes or sizes[0] == FREE:
        raise call.refusal("how many axes it cuts is computed")
    return sizes[0]


@draws("STRIDED_SLICE")
def strided_slice(call: Call) -> str:
    """Draw a part with steps, some axes whole, some dropped, some new.

    Source: `StridedSlice` in TensorFlow Lite's kernels/strided_slice.cc.
    """
    found = tuple(cuts(call))
    cut = {one.axis: one for one in found if one.axis is not None}
    result = call.real(0)
    if cut:
        places = [one.place for one in cut.values()]
        steps = np.array(call.integers(3, "steps"))[places]
        starts, ends = _bounds(call, cut, steps)
        axes = call.hold(np.array(list(cut)))
        result = call.add("Slice", result, starts, ends, axes, call.hold(steps))
    dropped = [one.axis for one in found if one.takes_one]
    if dropped:
        result = call.add("Squeeze", result, call.hold(np.array(dropped)))
    new = _new_axes(call)
    return call.add("Unsqueeze", result, call.hold(np.array(new))) if new else result


def _new_axes(call: Call) -> list[int]:
    """Return the places of the new axes in the result."""
    options, order = call.options, list[bool]()
    for place in range(_count(call)):
        if options.ellipsisMask >> place & 1:
            order += [False] * _skipped(call)
        elif options.newAxisMask >> place & 1:
            order.append(True)
        elif not options.shrinkAxisMask >> place & 1:
            order.append(False)
    return [place for place, is_new in enumerate(order) if is_new]


def _skipped(call: Call) -> int:
    """Return how many axes the ellipsis stands for."""
    options, count = call.options, _count(call)
    made = sum(bool(options.newAxisMask >> place & 1) for place in range(count))
    return call.rank(0) - (count - made - 1)


def _bounds(call: Call, cut: Mapping[int, Cut], steps: Array) -> tuple[str, str]:
    """Return where each axis starts and ends."""
    places = [one.place for one in cut.values()]
    masks = [
        np.array([bool(mask >> place & 1) for place in places])
        for mask in (call.options.beginMask, call.options.endMask)
    ]
    takes_one = np.array([one.takes_one for one in cut.values()])
    first = np.where(takes_one, 0, np.where(steps > 0, 0, FARTHEST))
    last = np.where(steps > 0, FARTHEST, NEAREST)
    begin, end = call.constant(1), call.constant(2)
    if begin is None or end is None:
        return _computed(call, places, (masks[0], masks[1], takes_one), (first, last))
    start = begin.reshape(-1)[places].astype(np.int64)
    stop = end.reshape(-1)[places].astype(np.int64)
    stop = stop + start if call.options.offset else stop
    start = np.where(masks[0], first, start)
    behind = np.where(start == -1, FARTHEST, start + 1)
    stop = np.where(takes_one, behind, np.where(masks[1], last, stop))
    sizes = np.array(call.sizes(0))[list(cut)]
    is_before = (start < -sizes) & (steps < 0) & (sizes != FREE)
    stop = np.where(is_before, sizes, stop)  # ONNX would start at the first index
    return call.hold(start), call.hold(stop)


def _computed(
    call: Call,
    places: list[int],
    masks: tuple[Array, Array, Array],
    whole: tuple[Array, Array],
) -> tuple[str, str]:
    """Return the bounds where the operator computes them."""
    begin, end = (_chosen(call, slot, places) for slot in (1, 2))
    if call.options.offset:
        end = call.add("Add", begin, end)
    first, last = (call.hold(one) for one in whole)
    start = _where(call, masks[0], first, begin)
    behind = call.add("Add", start, call.hold(np.array(1)))
    is_last = call.add("Equal", start, call.hold(np.array(-1)))
    behind = call.add("Where", is_last, call.hold(np.array(FARTHEST)), behind)
    stop = _where(call, masks[1], last, end)
    return start, _where(call, masks[2], behind, stop)


def _chosen(call: Call, slot: int, places: list[int]) -> str:
    numbers = call.vector(slot)
    if places == list(range(_count(call))):
        return numbers
    return call.add("Gather", numbers, call.hold(np.array(places)))


def _where(call: Call, mask: Array, yes: str, no: str) -> str:
    if mask.all():
        return yes
    return call.add("Where", call.hold(mask), yes, no) if mask.any() else no


@draws("REVERSE_V2")
def reverse(call: Call) -> str:
    """Draw the tensor backward along axes."""
    axes = np.array([call.axis(one) for one in call.integers(1, "axes")])
    last, stop = np.full(axes.size, -1), np.full(axes.size, NEAREST)
    bounds = (call.hold(one) for one in (last, stop, axes, last))
    return call.add("Slice", call.real(0), *bounds)


@draws("REVERSE_SEQUENCE")
def reverse_sequence(call: Call) -> str:
    """Draw the first steps of each sequence backward; ONNX has both axes in front."""
    batch, time = (call.axis(one) for one in (call.options.batchDim, call.options.seqDim))
    front = (batch, time)
    rest = (axis for axis in range(call.rank(0)) if axis not in front)
    order = (*front, *rest) if {*front} != {0, 1} else tuple(range(call.rank(0)))
    is_moved = list(order) != sorted(order)
    moved = call.weight(0, order) if is_moved else call.real(0)
    places = {"batch_axis": order.index(batch), "time_axis": order.index(time)}
    turned = call.add("ReverseSequence", moved, call.whole(1), **places)
    if not is_moved:
        return turned
    return call.add("Transpose", turned, perm=tuple(np.argsort(order).tolist()))


@draws("PAD", "PADV2")
def pad(call: Call) -> Drawn:
    """Draw the tensor with zeros, or a value, around it."""
    value = [call.real(2)] if call.has(2) else []
    rows = call.constant(1)
    if rows is None:
        turned = call.add("Transpose", call.whole(1), perm=(1, 0))
        pads = call.add("Reshape", turned, call.hold(np.array([-1])))
        return Drawn(call.add("Pad", call.real(0), pads, *value))
    layout = call.layout(0)
    order = list(layout.value) if layout is Layout.IMAGE else slice(None)
    whole = rows.reshape(-1, 2).astype(np.int64)[order].T.reshape(-1)
    return Drawn(call.add("Pad", call.real(0, layout), call.hold(whole), *value), layout)


@draws("MIRROR_PAD")
def mirror_pad(call: Call) -> str:
    """Draw the tensor with its mirror image around it, its edge repeated or not."""
    rows = np.array(call.integers(1, "padding")).reshape(-1, 2)
    if call.options.mode == REFLECT:
        return call.add("Pad", call.real(0), call.hold(rows.T.reshape(-1)), mode="reflect")
    result = call.real(0)
    for axis, (before, after) in enumerate(rows):
        first = _mirrored(call, result, axis, (int(before) - 1, NEAREST), before)
        last = _mirrored(call, result, axis, (-1, -int(after) - 1), after)
        if first or last:
            result = call.add("Concat", *first, result, *last, axis=axis)
    return result


def _mirrored(
    call: Call, name: str, axis: int, ends: tuple[int, int], count: int
) -> list[str]:
    if not count:
        return []
    bounds = (ends[0], ends[1], axis, -1)
    return [call.add("Slice", name, *(call.hold(np.array([one])) for one in bounds))]
