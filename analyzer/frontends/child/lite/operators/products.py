"""Matrix products."""

import numpy as np

from analyzer.frontends.child.lite.call import Call
from analyzer.frontends.child.lite.facts import FREE
from analyzer.frontends.child.lite.table import draws

MATRIX = 2
"""Axes of what Gemm takes."""


@draws("FULLY_CONNECTED")
def fully_connected(call: Call) -> str:
    """Draw a product with a weight of [outputs, inputs], with its bias if it has one."""
    if call.options is not None and call.options.weightsFormat:
        raise call.refusal("its weight is stored shuffled")
    rows = _rows(call)
    weight = call.weight(1, (1, 0))
    if not call.has(2):
        return call.add("MatMul", rows, weight)
    flat = call.rank(0) == MATRIX or not _keeps(call)
    if flat:
        return call.add("Gemm", rows, weight, call.real(2))
    return call.add("Add", call.add("MatMul", rows, weight), call.real(2))


def _keeps(call: Call) -> bool:
    return call.options is not None and bool(call.options.keepNumDims)


def _rows(call: Call) -> str:
    """Return what is multiplied, all axes but the last as one where that is not kept."""
    rows, width = call.real(0), call.sizes(1)[1]
    if _keeps(call) or (call.rank(0) == MATRIX and call.sizes(0)[1] in {width, FREE}):
        return rows
    return call.add("Reshape", rows, call.hold(np.array([-1, width])))


@draws("BATCH_MATMUL")
def batch_matmul(call: Call) -> str:
    """Draw a product of stacks of matrices, either one turned if told so."""
    left = _turned(call, 0, turn=call.options.adjX)
    return call.add("MatMul", left, _turned(call, 1, turn=call.options.adjY))


def _turned(call: Call, slot: int, *, turn: bool) -> str:
    if not turn:
        return call.real(slot)
    *stacked, rows, columns = range(call.rank(slot))
    return call.weight(slot, (*stacked, columns, rows))
