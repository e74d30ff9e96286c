"""ONNX as a TorchScript archive: this is what the child process is asked to import."""

from collections.abc import Sequence
from typing import Any

import onnx
import torch
from torch.fx import GraphModule, Node
from torch.fx.graph import CodeGen

from analyzer.core.errors import ExportError
from analyzer.frontends.child.from_script import refuse_code
from rewriter.export.child.torch_script import keep_inputs, opened
from rewriter.export.torch_graph.program import ONNX_INSTEAD, program_of, taken

aten = torch.ops.aten

SPELLED = {
    aten.sym_size.int: aten.size,
    aten.sym_numel.default: aten.numel,
    aten.sym_stride.int: aten.stride,
}
"""Operators of free sizes that TorchScript has under another name."""

TENSOR = "TensorType"
"""How TorchScript calls the kind of a tensor."""


def export(onnx_path: str, out: str, *, script: str, trust_code: bool) -> list[str]:
    """Write an ONNX model as a TorchScript archive, each of its open axes dynamic.

    Args:
        onnx_path: The model.
        out: The archive to write.
        script: The user's own: what it takes and gives is taken and given alike, and what
            was saved beside it is saved again.
        trust_code: Whether that is loaded even where its code opens files.

    Returns:
        What is to be said of it, in sentences.

    Raises:
        ExportError: Torch cannot say the model, or it gives what is no tensor.
        LoadError: The user's archive holds code.
    """
    if not trust_code:
        refuse_code(script)
    own, extra = opened(script)
    program, notes = program_of(onnx.load(onnx_path))
    made = taken(lambda: (torch.jit.script(_plain(program.module(), own)), []))[0]
    torch.jit.save(made, out, _extra_files=extra)
    keep_inputs(script, out)
    return notes


def _plain(module: GraphModule, own: Any) -> GraphModule:
    """Return a module in words that TorchScript has, called as the user's is.

    Raises:
        ExportError: The user's takes or gives something else than tensors.
    """
    graph = module.graph
    for node in reversed(list(graph.nodes)):
        if not node.users and (node.op == "call_module" or _asserts(node)):
            graph.erase_node(node)
        elif isinstance(node.target, torch._ops.OpOverload):  # noqa: SLF001 - no public name
            node.target = SPELLED.get(node.target, node.target.overloadpacket)
    schema = own.forward.schema
    _begin([node for node in graph.nodes if node.op == "placeholder"], schema)
    _end(graph.output_node(), schema.returns)
    graph.set_codegen(CodeGen())
    return GraphModule(module, graph)


def _asserts(node: Node) -> bool:
    """Return whether a node only checks what it reads."""
    return node.op == "call_function" and "assert" in str(node.target)


def _begin(given: Sequence[Node], schema: Any) -> None:
    """Call what a graph is given as the user's module does."""
    own = [one for one in schema.arguments if one.name != "self"]
    if len(own) != len(given) or any(one.type.kind() != TENSOR for one in own):
        raise _refused(f"takes {', '.join(str(one.type) for one in own)}")
    for node, one in zip(given, own, strict=True):
        node.target = one.name


def _end(node: Node, returned: Sequence[Any]) -> None:
    """Let a graph give what the user's module does: a tensor, or a tuple of them."""
    kind, found = returned[0].type, node.args[0]
    parts = kind.elements() if kind.kind() == "TupleType" else (kind,)
    if len(parts) != len(found) or any(part.kind() != TENSOR for part in parts):
        raise _refused(f"gives {kind}")
    if kind.kind() == TENSOR:
        node.args = (found[0],)


def _refused(why: str) -> ExportError:
    return ExportError(
        f"the user's TorchScript module {why}, which the export anew cannot",
        hint=ONNX_INSTEAD,
    )
