"""What torch itself computes at each node of an exported program."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.export.graph_signature import InputKind

from analyzer.core.types import Array, Feeds
from analyzer.frontends.child.export import as_tensor


class _Recorder(torch.fx.Interpreter):  # type: ignore[misc]  # torch is untyped here
    """Runs a graph node by node and keeps each tensor that a node gives."""

    def __init__(self, module: Any, wanted: frozenset[str]) -> None:
        super().__init__(module)
        self.wanted = wanted
        self.seen: dict[str, Array] = {}

    def run_node(self, n: Any) -> Any:
        """Return a node's result."""
        result = super().run_node(n)
        kept = n.name in self.wanted
        if kept and isinstance(result, torch.Tensor) and result.dtype in SEEN:
            self.seen[n.name] = result.detach().cpu().numpy().copy()
        return result


SEEN = frozenset(
    {
        torch.float64,
        torch.float32,
        torch.float16,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
        torch.bool,
    }
)
"""Dtypes that NumPy and ONNX Runtime have as torch has them."""


def native_values(program: Any, feeds: Feeds, names: Sequence[str]) -> Feeds:
    """Return the values of nodes of a program, by the node's name.

    The exporter gives a node's tensor the same name.

    Args:
        program: A `torch.export.ExportedProgram`.
        feeds: One sample by input name.
        names: The tensors that are asked for; what the program has not is left out.
    """
    recorder = _Recorder(program.graph_module, frozenset(names))
    with torch.no_grad():
        recorder.run(*_arguments(program, feeds))
    return recorder.seen


def _arguments(program: Any, feeds: Feeds) -> Sequence[Any]:
    """Return a value for each placeholder of a program's graph, in order."""
    given = []
    for spec in program.graph_signature.input_specs:
        name = getattr(spec.arg, "name", "")
        if spec.kind is InputKind.USER_INPUT:
            fixed = getattr(spec.arg, "value", None)
            given.append(as_tensor(feeds[name]) if name in feeds else fixed)
        else:
            given.append(_held(program, spec))
    return given


def _held(program: Any, spec: Any) -> Any:
    if spec.target in program.state_dict:
        return program.state_dict[spec.target]
    return program.constants[spec.target]
