"""The cells of recurrent layers, one step at a time, with any activations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.nn import functional as torch_functions

from rewriter.export.torch_graph.call import Call

Function = Callable[[Any], Any]

ACTIVATIONS: dict[str, tuple[Callable[..., Any], tuple[float, ...]]] = {
    "Affine": (lambda x, alpha, beta: alpha * x + beta, (1.0, 0.0)),
    "Elu": (torch_functions.elu, (1.0,)),
    "HardSigmoid": (lambda x, alpha, beta: (alpha * x + beta).clamp(0, 1), (0.2, 0.5)),
    "LeakyRelu": (torch_functions.leaky_relu, (0.01,)),
    "Relu": (torch.relu, ()),
    "ScaledTanh": (lambda x, alpha, beta: alpha * torch.tanh(beta * x), (1.0, 1.0)),
    "Sigmoid": (torch.sigmoid, ()),
    "Softplus": (torch_functions.softplus, ()),
    "Softsign": (torch_functions.softsign, ()),
    "Tanh": (torch.tanh, ()),
    "ThresholdedRelu": (lambda x, alpha: torch.where(x > alpha, x, 0), (1.0,)),
}
"""What a recurrent layer may have, with the numbers it takes where none are given."""


@dataclass(frozen=True, slots=True, eq=False)
class Gates:
    """The weights and settings of one direction.

    Attributes:
        into: Weights of the input, a matrix [H, features] per gate.
        again: Weights of the hidden state, [H, H] per gate.
        biases: Of the input, then of the hidden state: [H] per gate.
        functions: Its activations, in the order in which ONNX lists them.
        peepholes: [H] of the input, output and forget gate; None where there are none.
        clip: What its sums are kept within; None where they are not.
        coupled: Whether an LSTM forgets exactly what it does not take in.
        reset_after: Whether a GRU resets after the product.
    """

    into: Sequence[Any]
    again: Sequence[Any]
    biases: Sequence[Any]
    functions: Sequence[Function]
    peepholes: Sequence[Any] | None
    clip: float | None
    coupled: bool
    reset_after: bool

    def total(self, gate: int, x: Any, hidden: Any) -> Any:
        """Return a gate's sum before its activation.

        Args:
            gate: Its place in ONNX's order.
            x: [batch, features].
            hidden: [batch, H].
        """
        return x @ self.into[gate].t() + self.biases[gate] + self.again_of(gate, hidden)

    def again_of(self, gate: int, hidden: Any) -> Any:
        """Return what the hidden state [batch, H] adds to a gate's sum."""
        return hidden @ self.again[gate].t() + self.biases[gate + len(self.into)]

    def kept(self, x: Any) -> Any:
        """Return a sum within the clip."""
        return x if self.clip is None else x.clamp(-self.clip, self.clip)

    def peeped(self, gate: int, cell: Any) -> Any:
        """Return what the cell state [batch, H] adds to a gate's sum."""
        return 0 if self.peepholes is None else self.peepholes[gate] * cell


def gates_of(call: Call, turn: int, parts: Sequence[Any], peepholes: Any) -> Gates:
    """Return the weights and settings of one direction of a layer.

    Args:
        call: The layer.
        turn: 0, or 1 for the second direction.
        parts: Its input weights, its recurrent weights and its bias, stacked by gate.
        peepholes: Stacked likewise, or None.
    """
    count = COUNTS[call.node.op_type]
    into, again, bias = parts
    biases = [0] * (2 * count) if bias is None else bias.chunk(2 * count)
    return Gates(
        into.chunk(count),
        again.chunk(count),
        biases,
        _functions(call, turn),
        None if peepholes is None else peepholes.chunk(3),
        call.option("clip"),
        bool(call.option("input_forget", 0)),
        bool(call.option("linear_before_reset", 0)),
    )


def _functions(call: Call, turn: int) -> list[Function]:
    usual = USUAL[call.node.op_type]
    given = call.option("activations") or []
    names = [one.decode() if isinstance(one, bytes) else str(one) for one in given]
    alphas = list(call.option("activation_alpha") or [])
    betas = list(call.option("activation_beta") or [])
    found = [_function(call, name, alphas, betas) for name in names or usual * (turn + 1)]
    return found[turn * len(usual) : (turn + 1) * len(usual)]


def _function(call: Call, name: str, alphas: list[float], betas: list[float]) -> Function:
    """Return an activation; it takes its numbers, if it has any, off the lists."""
    known = {kind.lower(): entry for kind, entry in ACTIVATIONS.items()}
    if name.lower() not in known:
        raise call.refusal(f"its activation {name} is not in the table")
    function, numbers = known[name.lower()]
    given = [alphas.pop(0) if alphas else number for number in numbers[:1]]
    given += [betas.pop(0) if betas else number for number in numbers[1:]]
    return lambda x: function(x, *given)


def lstm(gates: Gates, x: Any, states: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return hidden and cell state [batch, H] after one step."""
    hidden, cell = states
    f, g, h = gates.functions
    taken = gates.total(0, x, hidden) + gates.peeped(0, cell)
    taken = f(gates.kept(taken))
    left = gates.total(2, x, hidden) + gates.peeped(2, cell)
    left = 1 - taken if gates.coupled else f(gates.kept(left))
    news = left * cell + taken * g(gates.kept(gates.total(3, x, hidden)))
    shown = gates.total(1, x, hidden) + gates.peeped(1, news)
    return f(gates.kept(shown)) * h(news), news


def gru(gates: Gates, x: Any, states: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the hidden state [batch, H] after one step."""
    (hidden,) = states
    f, g = gates.functions
    update = f(gates.kept(gates.total(0, x, hidden)))
    reset = f(gates.kept(gates.total(1, x, hidden)))
    if gates.reset_after:
        again = reset * gates.again_of(2, hidden)
    else:
        again = gates.again_of(2, reset * hidden)
    news = g(gates.kept(x @ gates.into[2].t() + gates.biases[2] + again))
    return ((1 - update) * news + update * hidden,)


def rnn(gates: Gates, x: Any, states: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the hidden state [batch, H] after one step."""
    (hidden,) = states
    return (gates.functions[0](gates.kept(gates.total(0, x, hidden))),)


COUNTS = {"LSTM": 4, "GRU": 3, "RNN": 1}
"""How many gates there are."""

USUAL = {
    "LSTM": ("Sigmoid", "Tanh", "Tanh"),
    "GRU": ("Sigmoid", "Tanh"),
    "RNN": ("Tanh",),
}
"""The activations that a layer has where none are given, and that torch has."""

CELLS = {"LSTM": lstm, "GRU": gru, "RNN": rnn}


def stepping(
    call: Call, turn: int, parts: Sequence[Any], peepholes: Any
) -> Callable[[Any, tuple[Any, ...]], tuple[Any, ...]]:
    """Return what one step does with an input [batch, features] and the states.

    Args:
        call: The layer.
        turn: 0, or 1 for the second direction.
        parts: Its input weights, its recurrent weights and its bias, stacked by gate.
        peepholes: Stacked likewise, or None.
    """
    return partial(CELLS[call.node.op_type], gates_of(call, turn, parts, peepholes))
