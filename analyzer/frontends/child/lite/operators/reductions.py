"""Sums, means and the like along axes, and what searches along one."""

import numpy as np

from analyzer.frontends.child.lite.call import Call, Drawn
from analyzer.frontends.child.lite.draft import Layout
from analyzer.frontends.child.lite.table import draws

REDUCTIONS = {
    "MEAN": "ReduceMean",
    "REDUCE_MAX": "ReduceMax",
    "REDUCE_MIN": "ReduceMin",
    "REDUCE_PROD": "ReduceProd",
    "SUM": "ReduceSum",
}
"""Operators along axes that ONNX computes alike."""

TRUTHS = {"REDUCE_ALL": "ReduceMin", "REDUCE_ANY": "ReduceMax"}
"""What whole numbers 0 and 1 take in place of an operator on truth values."""

SEARCHES = {"ARG_MAX": "ArgMax", "ARG_MIN": "ArgMin"}


@draws(*REDUCTIONS)
def reduction(call: Call) -> Drawn:
    """Draw a reduction; without axes it gives its input."""
    keeps, axes = bool(call.options.keepDims), call.constant(1)
    layout = Layout.STRAIGHT if axes is None else _layout(call, keeps=keeps)
    if axes is None:
        places = call.vector(1)
    else:
        found = sorted({call.laid(int(axis), layout) for axis in axes.reshape(-1)})
        places = call.hold(np.array(found, np.int64))
    reduced = call.add(
        REDUCTIONS[call.operator.kind],
        call.real(0, layout),
        places,
        keepdims=int(keeps),
        noop_with_empty_axes=1,
    )
    return Drawn(reduced, layout if keeps else Layout.STRAIGHT)


def _layout(call: Call, *, keeps: bool) -> Layout:
    """Return an image's layout where the axes that are left keep their order in it."""
    gone = {call.axis(one) for one in call.integers(1, "axes")}
    left = [axis for axis in Layout.IMAGE.value if axis not in gone]
    return call.layout(0) if keeps or left == sorted(left) else Layout.STRAIGHT


@draws(*TRUTHS)
def truth(call: Call) -> str:
    """Draw whether all, or any, along axes are true."""
    whole = call.cast(call.real(0), np.int32)
    op, keeps = TRUTHS[call.operator.kind], int(call.options.keepDims)
    found = call.add(op, whole, call.vector(1), keepdims=keeps, noop_with_empty_axes=1)
    return call.cast(found, np.bool_)


@draws(*SEARCHES)
def search(call: Call) -> str:
    """Draw the place of the first extreme along an axis."""
    axis = call.axis(call.integers(1, "axis")[0])
    op = SEARCHES[call.operator.kind]
    return call.given(call.add(op, call.real(0), axis=axis, keepdims=0))


@draws("TOPK_V2")
def top(call: Call) -> tuple[str, str]:
    """Draw the largest along the last axis, and their places."""
    largest, places = call.adds("TopK", call.real(0), call.vector(1), outputs=2, axis=-1)
    dtype = call.draft.graph.tensors[call.operator.outputs[1]].dtype
    return largest, call.cast(places, dtype)


@draws("CUMSUM")
def cumulative_sum(call: Call) -> str:
    """Draw running sums along an axis."""
    options = call.options
    return call.add(
        "CumSum",
        call.real(0),
        call.whole(1),
        exclusive=int(options.exclusive),
        reverse=int(options.reverse),
    )
