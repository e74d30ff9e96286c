"""How a torch program is called: with which arguments, and what it gives back."""

import inspect
import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils import _pytree as pytree

from analyzer.core.errors import ExportError
from analyzer.frontends.child.from_program import refuse_code

Given = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and named arguments."""


@dataclass(frozen=True, slots=True, eq=False)
class Calling:
    """How a program is called.

    Attributes:
        names: Of its arguments, the positional ones first.
        slots: The graph's inputs in the order of the arguments' leaves; where an argument
            is no tensor, what it always is.
        arguments: How positional and named arguments are made of leaves.
        results: How what it gives is made of the graph's outputs; None where one output is
            given bare, and several in a tuple.
        examples: A tensor for each graph input, by name; may be empty.
        state: What the program holds, by name; may be empty.
    """

    names: tuple[str, ...]
    slots: tuple[Any, ...]
    arguments: Any
    results: Any
    examples: Mapping[str, Any]
    state: Mapping[str, Any]

    def given(self, tensors: Mapping[str, Any]) -> Given:
        """Return the arguments that a program is called with.

        Args:
            tensors: One for each graph input, by name.
        """
        leaves = [tensors[slot] if isinstance(slot, str) else slot for slot in self.slots]
        positional, named = pytree.tree_unflatten(leaves, self.arguments)
        return positional, named

    def read(self, positional: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
        """Return the tensors among a call's arguments, in the graph's order."""
        leaves = pytree.tree_leaves((tuple(positional), dict(named)))
        pairs = zip(leaves, self.slots, strict=True)
        return [leaf for leaf, slot in pairs if isinstance(slot, str)]

    def told(self, outputs: Sequence[Any]) -> Any:
        """Return what a caller gets for the graph's outputs."""
        if self.results is None:
            return outputs[0] if len(outputs) == 1 else tuple(outputs)
        return pytree.tree_unflatten(list(outputs), self.results)


def plainly(names: Sequence[str]) -> Calling:
    """Return the calling of a program with a positional argument per graph input.

    Args:
        names: Of the graph's inputs.
    """
    words = _words(names)
    _, arguments = pytree.tree_flatten((tuple(names), {}))
    return Calling(words, tuple(names), arguments, None, {}, {})


def _words(names: Sequence[str]) -> tuple[str, ...]:
    """Return names as Python's arguments may have them."""
    found: list[str] = []
    for name in names:
        word = re.sub(r"\W", "_", name, flags=re.ASCII)
        if not word or word[0].isdigit() or keyword.iskeyword(word):
            word = f"_{word}"
        while word in found:
            word += "_"
        found.append(word)
    return tuple(found)


def as_before(path: str, names: Sequence[str], *, trust_code: bool) -> Calling:
    """Return how a program of the user's is called.

    Args:
        path: A ``.pt2``.
        names: Of the inputs of the graph that was made of it.
        trust_code: Whether it is loaded even where it holds code.

    Raises:
        ExportError: The graph has other inputs.
        LoadError: It holds code.
    """
    if not trust_code:
        refuse_code(path)
    program = torch.export.load(path)
    slots = tuple(program.graph_signature.user_inputs)
    if [slot for slot in slots if isinstance(slot, str)] != list(names):
        raise ExportError(
            f"{Path(path).name} is called with {slots}, the repaired graph with {names}",
            hint="the repaired model is whole as ONNX: give OUT the suffix .onnx",
        )
    words = inspect.signature(program.module(check_guards=False).forward).parameters
    examples = program.example_inputs
    leaves = pytree.tree_leaves(examples) if examples else []
    known = zip(slots, leaves, strict=True) if len(leaves) == len(slots) else ()
    return Calling(
        tuple(words),
        slots,
        program.call_spec.in_spec,
        _results(program),
        {slot: leaf for slot, leaf in known if isinstance(slot, str)},
        program.state_dict,
    )


def _results(program: Any) -> Any:
    """Return how a program's results are structured; None where some are no tensors."""
    whole = all(isinstance(one, str) for one in program.graph_signature.user_outputs)
    return program.call_spec.out_spec if whole else None


def called(module: Any, calling: Calling) -> Any:
    """Return a module that takes and gives what a caller expects.

    Args:
        module: Takes tensors by place, and gives a tuple; it is changed.
        calling: What is expected.
    """
    walked: Callable[..., Any] = module.forward

    def forward(*positional: Any, **named: Any) -> Any:
        bound = signature.bind(*positional, **named).arguments
        both = list(bound.values())
        return calling.told(walked(*calling.read(both[:split], _rest(bound, split))))

    split = calling.arguments.child(0).num_children
    signature = _signature(calling.names, split)
    forward.__signature__ = signature  # type: ignore[attr-defined]  # torch reads it
    module.forward = forward
    return module


def _rest(bound: Mapping[str, Any], split: int) -> dict[str, Any]:
    return dict(list(bound.items())[split:])


def _signature(names: Sequence[str], split: int) -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    named = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature(
        [
            inspect.Parameter(name, kind if place < split else named)
            for place, name in enumerate(names)
        ]
    )
