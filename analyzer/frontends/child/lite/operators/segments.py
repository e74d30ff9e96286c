"""What gathers values by the group that each is in."""

import numpy as np

from analyzer.core.types import Array
from analyzer.frontends.child.lite.call import Call
from analyzer.frontends.child.lite.facts import FREE
from analyzer.frontends.child.lite.table import draws

GROUPS = {
    "SEGMENT_SUM": "add",
    "UNSORTED_SEGMENT_SUM": "add",
    "UNSORTED_SEGMENT_PROD": "mul",
    "UNSORTED_SEGMENT_MAX": "max",
    "UNSORTED_SEGMENT_MIN": "min",
}
"""How values of one group come together, as ScatterND has it."""


@draws(*GROUPS)
def segments(call: Call) -> str:
    """Draw one row for each group of rows; a row whose group is negative is in none."""
    grouping = GROUPS[call.operator.kind]
    count, one = _count(call), call.hold(np.array([1]))
    groups, zero = call.whole(1), call.hold(np.array(0))
    # what is in no group goes to a last row, which is cut off
    known = call.add("Where", call.add("Less", groups, zero), count, groups)
    rest = call.add("Shape", call.real(0), start=call.rank(1))
    shape = call.add("Concat", call.add("Add", count, one), rest, axis=0)
    start = call.add("Expand", call.hold(_start(call, grouping)), shape)
    places = call.add("Unsqueeze", known, call.hold(np.array([-1])))
    found = call.add("ScatterND", start, places, call.real(0), reduction=grouping)
    first = call.hold(np.array([0]))
    return call.add("Slice", found, first, count, first)


def _count(call: Call) -> str:
    """Return how many groups there are, as a vector of one."""
    if call.has(2):
        return call.vector(2)
    last = call.add("ReduceMax", call.vector(1), keepdims=1)
    return call.add("Add", last, call.hold(np.array([1])))


def _start(call: Call, grouping: str) -> Array:
    """Return what a group is before any value comes to it.

    Source: `SegmentMax` and the like in TensorFlow Lite's kernels/unsorted_segment.cc.
    """
    dtype = np.dtype(str(call.output.dtype))
    ends = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    starts = {"add": 0, "mul": 1, "max": ends.min, "min": ends.max}
    return np.array(starts[grouping], dtype)


@draws("SPARSE_TO_DENSE")
def dense(call: Call) -> str:
    """Draw a tensor that is one value but at a few places."""
    if FREE in call.sizes(0) or call.rank(0) > MATRIX:
        raise call.refusal("how many places it fills is computed")
    rows = (*call.sizes(0), 1, 1)[0] if call.rank(0) else 1
    places = call.add("Reshape", call.whole(0), call.hold(np.array([rows, -1])))
    values = call.add("Expand", call.real(2), call.hold(np.array([rows])))
    background = call.add("Expand", call.real(3), call.vector(1))
    return call.add("ScatterND", background, places, values)


MATRIX = 2
"""Axes of positions, one row each."""


@draws("DYNAMIC_UPDATE_SLICE")
def overwritten(call: Call) -> str:
    """Draw a tensor with a part replaced, moved inside where it would stick out."""
    part = call.sizes(1)
    if FREE in part:
        raise call.refusal("a size of the part it writes is free")
    room = call.add("Sub", call.add("Shape", call.real(0)), call.hold(np.array(part)))
    zero = call.hold(np.array(0))
    start = call.add("Max", call.add("Min", call.vector(2), room), zero)
    inside = np.moveaxis(np.indices(part, np.int64), 0, -1)
    places = call.add("Add", call.hold(inside), start)
    return call.add("ScatterND", call.real(0), places, call.real(1))


@draws("BUCKETIZE")
def buckets(call: Call) -> str:
    """Draw how many of some ordered bounds each value reaches."""
    dtype = call.tensor(0).dtype
    bounds = np.asarray(call.options.boundaries, np.float32)
    given = call.add("Unsqueeze", call.real(0), call.hold(np.array([-1])))
    reals = given if dtype == np.float32 else call.cast(given, np.float32)
    reached = call.add("GreaterOrEqual", reals, call.hold(bounds))
    last = call.hold(np.array([-1]))
    return call.given(call.add("ReduceSum", call.cast(reached, np.int32), last, keepdims=0))


@draws("UNIQUE")
def unique(call: Call) -> tuple[str, str]:
    """Draw the values that there are, in order of appearance, and which each one is."""
    given = call.real(0) if call.output.dtype == np.float32 else call.whole(0)
    found, _, places, _ = call.adds("Unique", given, outputs=4, sorted=0)
    dtype = call.draft.graph.tensors[call.operator.outputs[1]].dtype
    return call.given(found), call.cast(places, dtype)
