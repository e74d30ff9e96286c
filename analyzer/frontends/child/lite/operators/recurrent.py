"""Recurrent layers that the file has as one operator."""

import numpy as np

from analyzer.frontends.child.lite.call import Call
from analyzer.frontends.child.lite.table import draws

GATES = (0, 3, 1, 2)
"""ONNX's order of gates, input output forget cell, in TFLite's."""

WEIGHTS, RECURRENT, PEEPHOLES, BIASES = 1, 5, 9, 12
"""Slots of the first of each kind of weight of an LSTM.

Source: TensorFlow Lite's kernels/lstm_shared.h."""

PROJECTION, NORMS = (16, 17), range(20, 24)
STATES = (18, 19)
TANH = 4


@draws("UNIDIRECTIONAL_SEQUENCE_LSTM")
def lstm(call: Call) -> str:
    """Draw an LSTM over a sequence that starts from zeros."""
    _refuse_unusual(call)
    options = call.options
    steps = call.real(0)
    if not options.timeMajor:
        steps = call.add("Transpose", steps, perm=(1, 0, 2))
    weight, recurrent = _stacked(call, WEIGHTS), _stacked(call, RECURRENT)
    biases = call.add("Concat", *(call.real(BIASES + gate) for gate in GATES), axis=0)
    cells = call.sizes(RECURRENT)[1]
    zeros = call.hold(np.zeros(4 * cells, np.float32))
    first = call.hold(np.array([0]))
    bias = call.add("Unsqueeze", call.add("Concat", biases, zeros, axis=0), first)
    (found,) = call.adds(
        "LSTM", steps, weight, recurrent, bias, outputs=1, hidden_size=cells
    )
    straight = call.add("Squeeze", found, call.hold(np.array([1])))
    if options.timeMajor:
        return straight
    return call.add("Transpose", straight, perm=(1, 0, 2))


def _refuse_unusual(call: Call) -> None:
    options = call.options
    extra = [*range(PEEPHOLES, PEEPHOLES + 3), *PROJECTION, *NORMS]
    if any(call.has(slot) for slot in extra) or not call.has(WEIGHTS):
        raise call.refusal("it has peepholes, a projection, norms or coupled gates")
    if options.cellClip or options.projClip or options.fusedActivationFunction != TANH:
        raise call.refusal("it clips its state, or its activation is not tanh")
    if not all(call.tensor(slot).starts_at_zero for slot in STATES):
        raise call.refusal("its first state is given")


def _stacked(call: Call, first: int) -> str:
    rows = call.add("Concat", *(call.real(first + gate) for gate in GATES), axis=0)
    return call.add("Unsqueeze", rows, call.hold(np.array([0])))
