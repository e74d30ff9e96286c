"""The weights and constants of an exported program: found by exact value, given another."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.export.graph_signature import InputKind, InputSpec, TensorArgument

from analyzer.core.errors import ExportError
from analyzer.core.types import Array
from analyzer.frontends.child.export import as_array
from rewriter.export.changes import same
from rewriter.export.child.tied import HINT, write_all
from rewriter.export.layouts import relaid

HELD = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)


class Constants:
    """What a program's placeholders hold, by the placeholder's name.

    Args:
        program: The `torch.export.ExportedProgram`; it is changed.
    """

    def __init__(self, program: Any) -> None:
        self._program = program
        self._specs = {
            spec.arg.name: spec
            for spec in program.graph_signature.input_specs
            if spec.kind in HELD
        }
        self._places = {
            node.name: node for node in program.graph.nodes if node.op == "placeholder"
        }
        self.changed: dict[str, Array] = {}
        self.fresh: list[str] = []

    def read_by(self, node: Any) -> list[Any]:
        """Return the placeholders with a value that a call reads, in order.

        What is computed of such alone, as a transposed weight is, leads to them too.

        Args:
            node: The call.
        """
        found: list[Any] = []
        for one in node.all_input_nodes:
            if one.name in self._specs:
                found.append(one)
            elif self.is_constant(one):
                found += self.read_by(one)
        return found

    def is_constant(self, node: Any) -> bool:
        """Return whether a call computes a value of what placeholders hold, and no input.

        Args:
            node: The call.
        """
        given = node.all_input_nodes
        return bool(given) and all(
            one.name in self._specs or self.is_constant(one) for one in given
        )

    def readers(self, place: Any) -> list[Any]:
        """Return the calls that read a placeholder's value, itself or moved about.

        Args:
            place: The placeholder.
        """
        found: list[Any] = []
        for user in place.users:
            found += self.readers(user) if self.is_constant(user) else [user]
        return found

    def name(self, place: Any) -> str:
        """Return the name that a placeholder's value has in the program's state."""
        return str(self._specs[place.name].target)

    def array(self, place: Any) -> Array:
        """Return what a placeholder holds, of its own shape and dtype."""
        return as_array(self._held(self.name(place)))

    def number(self, place: Any) -> float | None:
        """Return the single number that a placeholder holds; None: it holds none.

        Args:
            place: The placeholder.
        """
        if place.name not in self._specs:
            return None
        own = self.changed.get(self.name(place), self.array(place))
        return float(own.reshape(())) if own.size == 1 else None

    def place(self, node: Any, old: Array, new: Array, called: str) -> Any:
        """Return the placeholder that a call reads a value from, and no other call.

        Args:
            node: The call.
            old: The value, in any layout.
            new: What it is to be.
            called: What the pivot calls it: that breaks a tie and nothing else.

        Raises:
            ExportError: None holds it exactly, or others read it as well.
        """
        fitting = [
            one
            for one in dict.fromkeys(self.read_by(node))
            if relaid(self.array(one).astype(old.dtype), old, new) is not None
        ]
        named = [one for one in fitting if self.name(one) == called]
        if not fitting or len(fitting) > 1 != len(named):
            count = "none" if not fitting else "more than one"
            raise ExportError(
                f"of the weights that {node.name} reads, {count} is exactly what was "
                f"imported as {called}",
                hint=HINT,
            )
        return (named or fitting)[0]

    def give(self, place: Any, old: Array, new: Array) -> None:
        """Let a placeholder have another value, in its own layout, once all are known.

        Args:
            place: The placeholder.
            old: Its value as the pivot has it.
            new: The pivot's value after the repair.

        Raises:
            ExportError: It was given yet another.
        """
        name = self.name(place)
        laid = relaid(self.array(place).astype(old.dtype), old, new)
        value = np.asarray(new if laid is None else laid)
        if not same(self.changed.setdefault(name, value), value):
            raise ExportError(
                f"the weight {name} is to have two values, one for each call that reads it",
                hint=HINT,
            )

    def write(self) -> None:
        """Write every value that was given, tensors of several names for all of them.

        Raises:
            ExportError: One name of a tensor is to have another value than the others.
        """
        held = {spec.target: self._held(spec.target) for spec in self._specs.values()}
        alike = [
            name for name, new in self.changed.items() if new.shape == held[name].shape
        ]
        read = [self.name(one) for one in self._places.values() if self._is_read(one)]
        write_all(held, {name: self.changed[name] for name in alike}, read)
        for name in self.changed.keys() - set(alike):
            self._replace(name, self.changed[name])

    def _is_read(self, place: Any) -> bool:
        return place.name in self._specs and bool(place.users)

    def find(self, value: Array, called: str) -> Any:
        """Return a placeholder that holds a value exactly; None: none does.

        Args:
            value: The value, of its shape.
            called: What the pivot calls it, which chooses between equal ones.
        """
        places = (self._places[name] for name in self._specs if name in self._places)
        fitting = [one for one in places if _is(self.array(one), value)]
        named = (one for one in fitting if self.name(one) == called)
        return next(named, next(iter(fitting), None))

    def add(self, value: Array, called: str) -> Any:
        """Return a new placeholder for a constant that the program did not have.

        Args:
            value: The constant.
            called: What to call it, if that name is free.
        """
        program, graph = self._program, self._program.graph
        taken = {*program.constants, *program.state_dict, *(n.name for n in graph.nodes)}
        name = next(one for one in _numbered(called) if one not in taken)
        tensor = torch.from_numpy(np.ascontiguousarray(value))
        first = next(
            node
            for node in graph.nodes
            if node.op != "placeholder" or node.name not in self._specs
        )
        with graph.inserting_before(first):
            place = graph.placeholder(name)
        place.meta["val"] = _fake(program, tensor)
        program.constants[name] = tensor
        spec = InputSpec(
            InputKind.CONSTANT_TENSOR, TensorArgument(place.name), name, persistent=None
        )
        program.graph_signature.input_specs.insert(len(self._specs), spec)
        self._specs[place.name] = spec
        self._places[place.name] = place
        self.fresh.append(name)
        return place

    def _held(self, name: str) -> Any:
        state = self._program.state_dict
        return state[name] if name in state else self._program.constants[name]

    def _replace(self, name: str, value: Array) -> None:
        """Put a tensor of another shape in the place of one."""
        own = self._held(name)
        tensor = torch.from_numpy(np.array(value)).to(own.dtype)
        state = self._program.state_dict
        held = state if name in state else self._program.constants
        is_parameter = isinstance(own, torch.nn.Parameter)
        wanted = own.requires_grad
        held[name] = torch.nn.Parameter(tensor, wanted) if is_parameter else tensor
        for place in self._places.values():
            if place.name in self._specs and self.name(place) == name:
                place.meta["val"] = _fake(self._program, tensor)


def _is(own: Array, value: Array) -> bool:
    return own.shape == value.shape and bool(np.array_equal(own, value, equal_nan=True))


def _numbered(called: str) -> Iterator[str]:
    plain = "".join(one if one.isalnum() else "_" for one in called) or "constant"
    yield f"c_{plain}"
    number = 1
    while True:
        yield f"c_{plain}_{number}"
        number += 1


def _fake(program: Any, tensor: Any) -> Any:
    """Return a tensor without its values, as the program's graph notes sizes."""
    return fake_mode(program).from_tensor(tensor.detach(), static_shapes=True)


def fake_mode(program: Any) -> Any:
    """Return the mode in which a program's sizes are worked out.

    Args:
        program: The `torch.export.ExportedProgram`.
    """
    values = (node.meta.get("val") for node in program.graph.nodes)
    return next(one.fake_mode for one in values if hasattr(one, "fake_mode"))
