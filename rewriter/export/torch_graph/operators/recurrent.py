"""Recurrent layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from rewriter.export.torch_graph.call import Call
from rewriter.export.torch_graph.operators.gates import USUAL, stepping
from rewriter.export.torch_graph.table import computes

ORDERS = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
"""Torch's order of gates in ONNX's: input forget cell output of i o f c, reset update new
of z r h."""

DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A recurrent layer's inputs.

    Attributes:
        x: [steps, batch, features].
        weights: Input and recurrent weights [D, gates H, ...], and the bias or None.
        states: First hidden state [D, batch, H], and the first cell state of an LSTM.
        lengths: Steps of each sample [batch], or None for all of them.
        peepholes: [D, 3 H], or None.
    """

    x: Any
    weights: tuple[Any, Any, Any]
    states: tuple[Any, ...]
    lengths: Any
    peepholes: Any


@computes("LSTM")
def long_short_term(call: Call) -> tuple[Any, ...]:
    """Return all hidden states [steps, D, batch, H], the last, and the last cell state."""
    return _layer(call)


@computes("GRU")
def gated(call: Call) -> tuple[Any, ...]:
    """Return all hidden states [steps, D, batch, H] and the last."""
    return _layer(call)


@computes("RNN")
def recurrent(call: Call) -> tuple[Any, ...]:
    """Return all hidden states [steps, D, batch, H] and the last."""
    return _layer(call)


def _layer(call: Call) -> tuple[Any, ...]:
    layer = _read(call)
    if call.option("layout", 0):
        layer = _steps_first(layer)
    found = _native(call, layer) if _has_native(call, layer) else _by_hand(call, layer)
    if not call.option("layout", 0):
        return found
    sequence, *states = found
    return (sequence.movedim(2, 0), *(one.transpose(0, 1) for one in states))


def _read(call: Call) -> Layer:
    x, recurrent_weight = call.tensor(0), call.tensor(2)
    cell = call.node.op_type == "LSTM"
    slots = (5, 6) if cell else (5,)
    batch = x.shape[0 if call.option("layout", 0) else 1]
    shape = recurrent_weight.shape[0], batch, recurrent_weight.shape[2]
    if call.option("layout", 0):
        shape = shape[1], shape[0], shape[2]
    states = tuple(
        call.tensor(slot) if call.has(slot) else torch.zeros(shape, dtype=x.dtype)
        for slot in slots
    )
    weights = call.tensor(1), recurrent_weight, call.maybe(3)
    peepholes = call.maybe(7) if cell else None
    return Layer(x, weights, states, call.maybe(4), peepholes)


def _steps_first(layer: Layer) -> Layer:
    states = tuple(one.transpose(0, 1) for one in layer.states)
    x = layer.x.transpose(0, 1)
    return Layer(x, layer.weights, states, layer.lengths, layer.peepholes)


def _has_native(call: Call, layer: Layer) -> bool:
    """Return whether torch has the layer itself."""
    kind, turns = call.node.op_type, DIRECTIONS[call.option("direction", "forward")]
    names = [_decoded(name) for name in call.option("activations") or USUAL[kind] * turns]
    usual = tuple(names) == USUAL[kind] * turns
    odd = call.option("clip") is not None or call.option("input_forget", 0)
    reset = kind != "GRU" or call.option("linear_before_reset", 0)
    whole = layer.lengths is None and layer.peepholes is None
    return bool(usual and reset and whole and not odd)


def _decoded(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _native(call: Call, layer: Layer) -> tuple[Any, ...]:
    direction = call.option("direction", "forward")
    turns, kind = DIRECTIONS[direction], call.node.op_type
    weights = [
        part
        for turn in range(turns)
        for part in _ordered(layer.weights, turn, ORDERS[kind])
    ]
    x = layer.x.flip(0) if direction == "reverse" else layer.x
    states = layer.states if kind == "LSTM" else layer.states[0]
    function = {"LSTM": torch.lstm, "GRU": torch.gru, "RNN": torch.rnn_tanh}[kind]
    biased = layer.weights[2] is not None
    both = turns == DIRECTIONS["bidirectional"]
    sequence, *last = function(x, states, weights, biased, 1, 0.0, False, both, False)  # noqa: FBT003
    sequence = sequence.flip(0) if direction == "reverse" else sequence
    return (sequence.unflatten(2, (turns, -1)).transpose(1, 2), *last)


def _ordered(weights: Sequence[Any], turn: int, order: Sequence[int]) -> list[Any]:
    """Return one direction's weights as torch has them."""
    into, again, bias = weights
    parts = [into[turn], again[turn]]
    if bias is not None:
        parts += bias[turn].chunk(2)
    return [_rearranged(part, order) for part in parts]


def _rearranged(part: Any, order: Sequence[int]) -> Any:
    if len(order) == 1:
        return part
    pieces = part.chunk(len(order))
    return torch.cat([pieces[gate] for gate in order])


def _by_hand(call: Call, layer: Layer) -> tuple[Any, ...]:
    """Return what the layer gives, step by step."""
    if isinstance(layer.x.shape[0], torch.SymInt):
        raise call.refusal("torch has no such layer, and its number of steps is dynamic")
    direction = call.option("direction", "forward")
    turns = DIRECTIONS[direction]
    found = [_turn(call, layer, turn, direction) for turn in range(turns)]
    sequences, lasts = zip(*found, strict=True)
    states = (torch.stack(one) for one in zip(*lasts, strict=True))
    return (torch.stack(sequences, 1), *states)


def _turn(
    call: Call, layer: Layer, turn: int, direction: str
) -> tuple[Any, tuple[Any, ...]]:
    """Return one direction's hidden states [steps, batch, H], and its last states."""
    backwards = direction == "reverse" or turn == 1
    x = _turned(layer.x, layer.lengths) if backwards else layer.x
    peepholes = None if layer.peepholes is None else layer.peepholes[turn]
    parts = [None if one is None else one[turn] for one in layer.weights]
    step = stepping(call, turn, parts, peepholes)
    states = tuple(one[turn] for one in layer.states)
    hidden = []
    for time in range(x.shape[0]):
        news = step(x[time], states)
        shown = news[0]
        if layer.lengths is not None:
            lives = (time < layer.lengths).unsqueeze(1)
            pairs = zip(news, states, strict=True)
            news = tuple(torch.where(lives, new, old) for new, old in pairs)
            shown = torch.where(lives, shown, torch.zeros_like(shown))
        states = news
        hidden.append(shown)
    sequence = torch.stack(hidden)
    return (_turned(sequence, layer.lengths) if backwards else sequence), states


def _turned(x: Any, lengths: Any) -> Any:
    """Return sequences [steps, batch, ...] backwards, each within its length."""
    if lengths is None:
        return x.flip(0)
    times = torch.arange(x.shape[0]).unsqueeze(1)
    places = torch.where(times < lengths, lengths - 1 - times, times)
    return x.gather(0, places.unsqueeze(-1).expand(x.shape).long())
