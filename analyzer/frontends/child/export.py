"""A torch program as ONNX, with the module and code line behind each tensor."""

import ast
import re
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import numpy as np
import onnx
import torch
from torch.utils import _pytree as pytree

from analyzer.core.types import Array, Feeds
from analyzer.frontends.child.naming import io_names
from analyzer.frontends.child.origins import note_origins

OPSET = 18
"""The same as the other importers', so that a difference of opsets is never ours."""

SCOPES = "pkg.torch.onnx.name_scopes"
TRACE = "pkg.torch.onnx.stack_trace"
NO_MODULE = "_empty_nn_module_stack"
"""The scope of nodes that torch adds itself, such as checks of sizes."""

FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')

Layers = dict[str, tuple[str, str | None]]


def pivot_of(program: Any) -> tuple[onnx.ModelProto, Layers, Any]:
    """Return a program in ONNX form, the module behind each of its tensors, and itself.

    Args:
        program: A `torch.export.ExportedProgram`.

    Returns:
        The form, its layers, and the program as it was translated, its operators
        decomposed: the form's tensors are named after this one's nodes.
    """
    for node in program.graph.nodes:
        node.meta.pop("from_node", None)  # what it was decomposed from is not in the file
    made = exported(program)
    pivot: onnx.ModelProto = made.model_proto
    return pivot, layers_of(pivot), made.exported_program


def exported(program: Any) -> Any:
    """Return a `torch.onnx.ONNXProgram`.

    The exporter's optimizer stays off: it keeps the names of weights and changes their
    values.

    Args:
        program: A `torch.export.ExportedProgram`.
    """
    made = torch.onnx.export(
        program, (), dynamo=True, optimize=False, opset_version=OPSET, verbose=False
    )
    note_origins(made)
    return made


def layers_of(pivot: onnx.ModelProto) -> Layers:
    """Return the module behind each tensor; absolute paths in the model become file names.

    Args:
        pivot: What the exporter wrote.
    """
    layers: Layers = {}
    for node in pivot.graph.node:
        notes = {entry.key: entry.value for entry in node.metadata_props}
        module = _module(notes.get(SCOPES, ""))
        if module:
            found = module, _location(notes.get(TRACE, ""))
            layers |= dict.fromkeys(filter(None, node.output), found)
        for entry in node.metadata_props:
            entry.value = FRAME.sub(_basename, entry.value)
    return layers


def _module(scopes: str) -> str:
    """Return a node's deepest module path, or its own name where the model itself runs it.

    The scopes are a list from the model, an empty path, down to the operation.
    """
    paths = [path for path in ast.literal_eval(scopes or "[]") if path]
    found = str(paths[-2] if len(paths) > 1 else paths[-1]) if paths else ""
    return "" if found.startswith(NO_MODULE) else found


def _location(trace: str) -> str | None:
    """Return the user's own line: the first frame that is not in torch itself."""
    for frame in FRAME.finditer(trace):
        file = PurePath(frame["file"])
        if "torch" not in file.parts:
            return f"{file.name}:{frame['line']}"
    return None


def _basename(frame: re.Match[str]) -> str:
    return f'File "{PurePath(frame["file"]).name}", line {frame["line"]}'


def flat_call(
    program: Any, module: Callable[..., Any], pivot: onnx.ModelProto
) -> Callable[[Feeds], Feeds]:
    """Return a function that runs a module with arrays by pivot name.

    Args:
        program: The `torch.export.ExportedProgram`; it knows the structure of the inputs.
        module: What runs; it takes what the program takes.
        pivot: Its ONNX form, whose names are used.
    """
    structure = program.call_spec.in_spec
    slots = program.graph_signature.user_inputs
    _, outputs = io_names(pivot)

    def run(feeds: Feeds) -> Feeds:
        flat = [as_tensor(feeds[slot]) if slot in feeds else slot for slot in slots]
        positional, named = pytree.tree_unflatten(flat, structure)
        with torch.no_grad():
            results = pytree.tree_leaves(module(*positional, **named))
        arrays = (as_array(result) for result in results if result is not None)
        return dict(zip(outputs, arrays, strict=True))

    return run


def as_tensor(value: Array) -> Any:
    """Return a copy of an array as a tensor of its dtype and shape."""
    return torch.from_numpy(np.array(value))


def as_array(value: Any) -> Array:
    """Return a tensor as an array of its shape and dtype, bfloat16 as float32."""
    if not isinstance(value, torch.Tensor):
        return np.asarray(value)
    whole = value.detach().cpu()
    return np.asarray(whole.float() if whole.dtype == torch.bfloat16 else whole)
