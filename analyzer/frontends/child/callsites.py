"""The layer and the code line behind each tensor of a function that jax2onnx converted."""

import re
from collections.abc import Mapping
from pathlib import PurePath

import onnx

from analyzer.frontends.child.naming import all_nodes

TRACE = "pkg.jax2onnx.jax_traceback"
"""The frames that JAX recorded for an operation, the innermost first."""

FRAME = re.compile(r"^(?P<file>.+):(?P<line>\d+) \((?P<function>.+)\)$", re.MULTILINE)

INSTALLED = frozenset({"site-packages", "dist-packages"})

NAMELESS = "<"
"""How Python's own names for code without one begin, such as ``<lambda>``."""

Layers = dict[str, tuple[str, str | None]]


def layers_of(model: onnx.ModelProto, roots: Mapping[str, str]) -> Layers:
    """Return the layer behind each tensor, and strip the model of the paths it recorded.

    What reads a parameter is the parameter's layer, the path without its last part; all
    else goes by the user's function that called it.

    Args:
        model: What jax2onnx wrote, with tracebacks; they are removed from it.
        roots: Path of each initializer that is a parameter.
    """
    owners = {name: _layer(path) for name, path in roots.items()}
    layers: Layers = {name: (layer, None) for name, layer in owners.items()}
    computed = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        owner = next((owners[name] for name in node.input if name in owners), "")
        function, line = _callsite(node)
        if all(name in computed for name in node.input if name):
            computed.update(node.output)  # a parameter moved or reshaped is still one
            owners |= dict.fromkeys(node.output, owner) if owner else {}
        if owner or function:
            layers |= dict.fromkeys(filter(None, node.output), (owner or function, line))
    for node in all_nodes(model.graph):
        del node.metadata_props[:]
    for function_ in model.functions:
        for node in function_.node:
            del node.metadata_props[:]
    return layers


def _layer(path: str) -> str:
    return path.rpartition("/")[0] or path


def _callsite(node: onnx.NodeProto) -> tuple[str, str | None]:
    """Return the user's own function and line: the first frame of no installed package."""
    trace = next((entry.value for entry in node.metadata_props if entry.key == TRACE), "")
    for frame in FRAME.finditer(trace):
        file = PurePath(frame["file"])
        if INSTALLED.isdisjoint(file.parts):
            name = frame["function"].rpartition(".<locals>.")[2]
            line = f"{file.name}:{frame['line']}"
            return ("", line) if name.startswith(NAMELESS) else (name, line)
    return "", None
