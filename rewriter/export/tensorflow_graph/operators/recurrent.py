"""LSTM, GRU and RNN in both directions: unrolled where the length is known and short."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tensorflow as tf

from rewriter.export.tensorflow_graph.operators.gates import gates
from rewriter.export.tensorflow_graph.operators.shaping import size_of
from rewriter.export.tensorflow_graph.table import Call, operator
from rewriter.export.tensorflow_graph.values import Value, valued
from rewriter.export.tensorflow_graph.weights import Tensor

LONGEST = 64
"""Steps up to which a recurrence is written out; a loop is slower, and larger in TFLite."""

State = tuple[Tensor, ...]
Step = Callable[[State, Tensor], State]
"""From a state, hidden values first, and a step's input, to the next state."""


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One direction of a recurrent operator.

    Attributes:
        call: The node.
        direction: Which, among its weights.
        kinds: How many gates it has.
    """

    call: Call
    direction: int
    kinds: int

    @property
    def hidden(self) -> int:
        """How many hidden values there are."""
        return int(self.call.value(2).shape[-1] or 0)

    def weight(self, index: int) -> Tensor:
        """Return a matrix of weights, from inputs to gates."""
        value = self.call.value(index)
        if value.array is not None:
            return valued(value.array[self.direction].T).tensor
        return tf.transpose(value.tensor[self.direction])

    def biases(self) -> tuple[Tensor, Tensor]:
        """Return the biases on the input's side and on the hidden side."""
        if not self.call.has(3):
            return 0.0, 0.0
        both = self.call.value(3)
        if both.array is not None:
            cut = self.kinds * self.hidden
            row = both.array[self.direction]
            return valued(row[:cut]).tensor, valued(row[cut:]).tensor
        one, other = tf.split(both.tensor[self.direction], 2)
        return one, other

    def start(self, index: int, like: Tensor) -> Tensor:
        """Return an initial state: batch by hidden values.

        Args:
            index: Of the input that may hold it.
            like: A step's input, for batch size and dtype.
        """
        if self.call.has(index):
            given = self.call.value(index)
            turned = given.moved((1, 0, 2)) if self.call.integer("layout", 0) else given
            return turned.tensor[self.direction]
        batch = like.shape[0] or tf.shape(like)[0]
        return tf.zeros([batch, self.hidden], like.dtype)

    def clipped(self, x: Tensor) -> Tensor:
        """Return what goes into a gate, within the clip where there is one."""
        limit = self.call.number("clip", 0.0)
        return tf.clip_by_value(x, -limit, limit) if limit else x


def _lstm_step(cell: Cell) -> Step:
    call, recurrent = cell.call, cell.weight(2)
    outer, inner, last = gates(call, ("Sigmoid", "Tanh", "Tanh"), cell.direction)
    peeps: list[Tensor] = [0.0, 0.0, 0.0]
    if call.has(7):
        peeps = tf.split(call.tensor(7)[cell.direction], 3)
    coupled = bool(call.integer("input_forget", 0))

    def step(state: State, given: Tensor) -> State:
        hidden, memory = state
        i, o, f, c = tf.split(given + tf.matmul(hidden, recurrent), 4, -1)
        if call.has(7):
            i, f = i + peeps[0] * memory, f + peeps[2] * memory
        i = outer(cell.clipped(i))
        f = 1 - i if coupled else outer(cell.clipped(f))
        memory = f * memory + i * inner(cell.clipped(c))
        if call.has(7):
            o += peeps[1] * memory
        return outer(cell.clipped(o)) * last(memory), memory

    return step


def _gru_step(cell: Cell) -> Step:
    call, weight = cell.call, cell.weight(2)
    outer, inner = gates(call, ("Sigmoid", "Tanh"), cell.direction)
    _, bias = cell.biases()
    size = cell.hidden
    added = bias[2 * size :] if call.has(3) else 0.0
    late = bool(call.integer("linear_before_reset", 0))

    def step(state: State, given: Tensor) -> State:
        (hidden,) = state
        z, r, h = tf.split(given, 3, -1)
        if late:
            own_z, own_r, own_h = tf.split(tf.matmul(hidden, weight), 3, -1)
        else:
            own_z, own_r = tf.split(tf.matmul(hidden, weight[:, : 2 * size]), 2, -1)
        z, r = outer(cell.clipped(z + own_z)), outer(cell.clipped(r + own_r))
        if late:
            h = h + r * (own_h + added)
        else:
            h = h + tf.matmul(r * hidden, weight[:, 2 * size :]) + added
        return (z * hidden + (1 - z) * inner(cell.clipped(h)),)

    return step


def _rnn_step(cell: Cell) -> Step:
    recurrent = cell.weight(2)
    (function,) = gates(cell.call, ("Tanh",), cell.direction)

    def step(state: State, given: Tensor) -> State:
        return (function(cell.clipped(given + tf.matmul(state[0], recurrent))),)

    return step


@dataclass(frozen=True, slots=True)
class _Kind:
    kinds: int
    step: Callable[[Cell], Step]
    states: tuple[int, ...]
    """The inputs that hold the initial states."""


KINDS = {
    "GRU": _Kind(3, _gru_step, (5,)),
    "LSTM": _Kind(4, _lstm_step, (5, 6)),
    "RNN": _Kind(1, _rnn_step, (5,)),
}


@operator(*KINDS)
def recurrence(call: Call) -> tuple[Value, ...]:
    """Return all hidden values, and the last states, of one direction or both."""
    turned = bool(call.integer("layout", 0))
    value = call.value(0).moved((1, 0, 2)) if turned else call.value(0)
    how = call.text("direction", "forward")
    backward = {"forward": [False], "reverse": [True]}.get(how, [False, True])
    runs = [_run(call, value, n, backwards=b) for n, b in enumerate(backward)]
    every = valued(tf.stack([run[0] for run in runs], 1))
    last = [valued(tf.stack(parts)) for parts in zip(*(r[1] for r in runs), strict=True)]
    if turned:
        return every.moved((2, 0, 1, 3)), *(one.moved((1, 0, 2)) for one in last)
    return every, *last


def _run(
    call: Call, value: Value, direction: int, *, backwards: bool
) -> tuple[Tensor, State]:
    """Return one direction's hidden values by step, and its last state."""
    kind = KINDS[call.node.op_type]
    cell = Cell(call, direction, kind.kinds)
    x = value.tensor
    one, other = cell.biases()
    if call.node.op_type == "GRU" and call.has(3):
        size = 2 * cell.hidden  # the last third stands behind the reset gate
        other = tf.concat([other[:size], tf.zeros_like(other[size:])], 0)
    given = _gated(x, cell.weight(1)) + (one + other)
    start = tuple(cell.start(place, x[0]) for place in kind.states)
    lengths = call.tensor(4) if call.has(4) else None
    length = size_of(value, 0)
    loop = _Loop(kind.step(cell), lengths, backwards=backwards)
    written_out = isinstance(length, int) and (call.scope.lite or length <= LONGEST)
    return loop.unrolled(given, start) if written_out else loop.looped(given, start, length)


def _gated(x: Tensor, weight: Tensor) -> Tensor:
    """Return inputs times their weights for all steps at once."""
    return tf.matmul(x, weight)


@dataclass(frozen=True, slots=True)
class _Loop:
    """Steps over time."""

    step: Step
    lengths: Tensor
    backwards: bool

    def unrolled(self, given: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the hidden values of a known number of steps."""
        parts = tf.unstack(given)
        found: list[Tensor] = [None] * len(parts)
        places: Sequence[int] = range(len(parts))
        for place in reversed(places) if self.backwards else places:
            state, found[place] = self._stepped(state, parts[place], place)
        return tf.stack(found), state

    def looped(self, given: Tensor, state: State, length: Tensor) -> tuple[Tensor, State]:
        """Return the hidden values of as many steps as there are."""
        steps = tf.cast(length, tf.int32)
        kept = tf.TensorArray(given.dtype, steps, element_shape=state[0].shape)

        def body(n: Tensor, held: State, outputs: Tensor) -> tuple[Tensor, State, Tensor]:
            place = steps - 1 - n if self.backwards else n
            new, shown = self._stepped(held, given[place], place)
            for after, before in zip(new, held, strict=True):
                after.set_shape(before.shape)
            return n + 1, new, outputs.write(place, shown)

        first = tf.constant(0), state, kept
        _, last, outputs = tf.while_loop(lambda n, *_: n < steps, body, first)
        return outputs.stack(), last

    def _stepped(self, state: State, given: Tensor, place: Tensor) -> tuple[State, Tensor]:
        """Return the next state, and what is shown: of ended sequences, nothing new."""
        new = self.step(state, given)
        if self.lengths is None:
            return new, new[0]
        alive = tf.cast(place, self.lengths.dtype) < self.lengths
        alive = tf.expand_dims(alive, -1)
        held = tuple(tf.where(alive, a, b) for a, b in zip(new, state, strict=True))
        return held, tf.where(alive, new[0], tf.zeros_like(new[0]))
