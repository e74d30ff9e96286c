"""Operators that run graphs of their own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from rewriter.export.torch_graph.call import Call, Held
from rewriter.export.torch_graph.dtypes import as_tensor
from rewriter.export.torch_graph.table import computes


@computes("If")
def branch(call: Call) -> tuple[Any, ...]:
    """Return what one of two graphs gives."""
    known = call.known(0)
    chosen = bool(known.item()) if known is not None else _decided(call.tensor(0))
    if chosen is None:
        return _both(call)
    return tuple(call.bodies["then_branch" if chosen else "else_branch"](()))


def _decided(condition: Any) -> bool | None:
    """Return a condition's value; None where it is not known while a program is written."""
    if torch.compiler.is_exporting():
        return None
    return bool(condition.item())


def _both(call: Call) -> tuple[Any, ...]:
    """Return what either graph gives, chosen element by element; both are computed.

    A program cannot branch on a value without torch.cond, which takes graphs whose results
    have the same shapes; where they do, so does a choice between them.
    """
    sides = [
        [_tensor(call, one) for one in call.bodies[name](())]
        for name in ("then_branch", "else_branch")
    ]
    for one, other in zip(*sides, strict=True):
        if one.dtype != other.dtype or one.shape != other.shape:
            raise call.refusal("its branches give different shapes, chosen by a value")
    condition = call.tensor(0).reshape(())
    return tuple(
        torch.where(condition, one, other) for one, other in zip(*sides, strict=True)
    )


def _tensor(call: Call, value: Any) -> Any:
    if isinstance(value, Held):
        return call.tensor_of(value)
    return value if isinstance(value, torch.Tensor) else as_tensor(value)


@computes("Loop")
def loop(call: Call) -> tuple[Any, ...]:
    """Return what a graph carries through its repetitions, then what it leaves in each."""
    most = call.number(0) if call.has(0) else None
    going = call.number(1, default=True)
    carried = list(call.inputs[2:])
    left: list[list[Any]] = [[] for _ in range(call.outputs - len(carried))]
    turn = 0
    while going and (most is None or turn < most):
        place, goes = np.array(turn, np.int64), np.array(going)
        condition, *found = call.bodies["body"]((place, goes, *carried))
        carried = found[: len(carried)]
        for kept, one in zip(left, found[len(carried) :], strict=True):
            kept.append(_tensor(call, one))
        going = _truth(call, condition)
        turn += 1
    stacked = [_stacked(call, one) for one in left]
    return (*carried, *stacked)


def _stacked(call: Call, kept: Sequence[Any]) -> Any:
    if not kept:
        raise call.refusal("it ends before its first turn, and leaves nothing to stack")
    return torch.stack(list(kept))


def _truth(call: Call, condition: Any) -> bool:
    value = condition.array if isinstance(condition, Held) else condition
    if isinstance(value, torch.Tensor) and torch.compiler.is_exporting():
        raise call.refusal("how often it turns depends on a value that it computes")
    return bool(value.item())


@computes("Scan")
def scan(call: Call) -> tuple[Any, ...]:
    """Return the states that a graph carries along sequences, then what it leaves."""
    count = call.option("num_scan_inputs")
    tensors = call.tensors
    if call.opset < 9:  # noqa: PLR2004  # the opset until which it had a batch
        raise call.refusal("it is of an opset before 9, with a batch of its own")
    states: tuple[Any, ...] = tuple(tensors[:-count])
    sequences = tensors[-count:]
    axes = call.option("scan_input_axes") or [0] * count
    backwards = call.option("scan_input_directions") or [0] * count
    rows = [
        one.movedim(axis, 0).flip(0) if turned else one.movedim(axis, 0)
        for one, axis, turned in zip(sequences, axes, backwards, strict=True)
    ]
    left: list[list[Any]] = [[] for _ in range(call.outputs - len(states))]
    for turn in range(rows[0].shape[0]):
        given = (*states, *(one[turn] for one in rows))
        found = tuple(_tensor(call, one) for one in call.bodies["body"](given))
        states = found[: len(states)]
        for kept, one in zip(left, found[len(states) :], strict=True):
            kept.append(one)
    return (*states, *_laid_out(call, left))


def _laid_out(call: Call, left: Sequence[Sequence[Any]]) -> list[Any]:
    axes = call.option("scan_output_axes") or [0] * len(left)
    backwards = call.option("scan_output_directions") or [0] * len(left)
    found = []
    for kept, axis, turned in zip(left, axes, backwards, strict=True):
        rows = torch.stack(list(kept)[::-1] if turned else list(kept))
        found.append(rows.movedim(0, axis))
    return found
