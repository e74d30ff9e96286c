"""What puts calls of ATen into an exported program, behind what they read."""

from collections.abc import Mapping
from typing import Any

import torch

from analyzer.core.errors import ExportError
from analyzer.core.types import Node
from rewriter.export.child.fx_constants import Constants
from rewriter.export.child.tied import HINT

ATEN = torch.ops.aten


class Caller:
    """Puts calls into a program, each behind what it reads.

    Args:
        program: The `torch.export.ExportedProgram`; it is changed.
        constants: What its placeholders hold.
        values: The call behind each tensor of the repaired pivot so far.
        near: The call whose place in the user's modules the new ones share, or None.
    """

    def __init__(
        self, program: Any, constants: Constants, values: Mapping[str, Any], near: Any
    ) -> None:
        self._graph = program.graph
        self._constants = constants
        self._values = values
        self._near = near
        self.made: list[str] = []

    def call(self, target: Any, *arguments: Any, **named: Any) -> Any:
        """Return a new call.

        Args:
            target: The operator's overload.
            arguments: What it is given by position.
            named: What it is given by name.
        """
        last = next(one for one in reversed(self._graph.nodes) if one.op == "output")
        with self._graph.inserting_before(last):
            node = self._graph.call_function(target, arguments, named)
        for key in ("nn_module_stack", "stack_trace"):
            if self._near is not None and key in self._near.meta:
                node.meta[key] = self._near.meta[key]
        self.made.append(str(node.name))
        return node

    def tensor(self, node: Node, slot: int) -> Any:
        """Return what gives an input of an operator; a placeholder for a constant one.

        Args:
            node: The operator.
            slot: Which of its inputs.

        Raises:
            ExportError: No call gives it.
        """
        if slot in node.constants:
            value = node.constants[slot]
            name = node.inputs[slot]
            known = self._constants.find(value, name)
            return self._constants.add(value, name) if known is None else known
        if slot >= len(node.inputs) or not node.inputs[slot]:
            return None
        given = self._values.get(node.inputs[slot])
        if given is None:
            raise refusal(node, f"no call of the program gives {node.inputs[slot]}")
        return given

    def operand(self, node: Node, slot: int) -> Any:
        """Return an input of an operator, a single number as it is.

        Args:
            node: The operator.
            slot: Which of its inputs.
        """
        value = node.constants.get(slot)
        plain = value is not None and value.size == 1 and value.ndim <= 1
        return (
            value.reshape(()).item()
            if plain and value is not None
            else self.tensor(node, slot)
        )

    def rank(self, node: Node) -> int:
        """Return the number of axes of an operator's first input.

        Args:
            node: The operator.

        Raises:
            ExportError: It is not known.
        """
        value = getattr(self.tensor(node, 0), "meta", {}).get("val")
        if value is None:
            raise refusal(node, "the number of its axes is not known")
        return len(value.shape)


def refusal(node: Node, why: str) -> ExportError:
    """Return the error for an operator that the program cannot be given.

    Args:
        node: The operator.
        why: What is in the way, as the end of a sentence.
    """
    return ExportError(
        f"the repaired {node.name} ({node.op}) cannot go into the torch program: {why}",
        hint=HINT,
    )
