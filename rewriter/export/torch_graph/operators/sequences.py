"""Sequences of tensors, and what may be missing."""

from typing import Any

import torch

from rewriter.export.torch_graph.call import Call
from rewriter.export.torch_graph.table import computes


@computes("SequenceEmpty")
def empty(call: Call) -> list[Any]:
    """Return a sequence of nothing."""
    del call
    return []


@computes("SequenceConstruct")
def built(call: Call) -> list[Any]:
    """Return a sequence of the inputs."""
    return list(call.tensors)


@computes("SequenceInsert")
def inserted(call: Call) -> list[Any]:
    """Return a sequence with one tensor more."""
    sequence = call.inputs[0]
    place = int(call.number(2, len(sequence)))
    place = place + len(sequence) if place < 0 else place
    return [*sequence[:place], call.tensor(1), *sequence[place:]]


@computes("SequenceErase")
def erased(call: Call) -> list[Any]:
    """Return a sequence with one tensor less."""
    sequence = list(call.inputs[0])
    sequence.pop(int(call.number(1, -1)))
    return sequence


@computes("SequenceAt")
def taken(call: Call) -> Any:
    """Return one tensor of a sequence."""
    return call.inputs[0][int(call.number(1))]


@computes("SequenceLength")
def length(call: Call) -> Any:
    """Return how many tensors a sequence has."""
    return torch.tensor(len(call.inputs[0]))


@computes("ConcatFromSequence")
def joined(call: Call) -> Any:
    """Return the tensors of a sequence one after the other, or stacked."""
    function = torch.stack if call.option("new_axis", 0) else torch.cat
    return function(list(call.inputs[0]), call.option("axis"))


@computes("SplitToSequence")
def split(call: Call) -> list[Any]:
    """Return the parts of a tensor along an axis as a sequence."""
    x, axis = call.tensor(0), call.option("axis", 0)
    if not call.has(1):
        parts = list(torch.split(x, 1, axis))
        return parts if call.option("keepdims", 1) else [one.squeeze(axis) for one in parts]
    sizes = call.numbers(1)
    known = call.known(1)
    scalar = known.ndim == 0 if known is not None else call.tensor(1).ndim == 0
    return list(torch.split(x, sizes[0] if scalar else sizes, axis))


@computes("Optional")
def optional(call: Call) -> Any:
    """Return the input, which may be missing."""
    return call.inputs[0] if call.inputs else None


@computes("OptionalHasElement")
def has_element(call: Call) -> Any:
    """Return whether something is there."""
    return torch.tensor(call.has(0))


@computes("OptionalGetElement")
def element(call: Call) -> Any:
    """Return what is there."""
    return call.inputs[0]
