"""Which node of a torch program each operator and tensor of its ONNX form comes from.

An exporter decomposes a program before it translates it; what is written back goes into
the program as it was.
"""

import re
from typing import Any

import onnx

NODE = "pivotfix.node"
"""The metadata of an operator that names the program's node it belongs to."""

VALUE = "pivotfix.value"
"""The metadata of an operator that names the program's node whose value it gives."""

TRANSLATED = "pkg.torch.onnx.fx_node"
"""The exporter's own note of the decomposed node, as torch prints it."""

NAMED = re.compile(r"%(\w+)")

CALL = "call_function"


def note_origins(made: Any) -> None:
    """Let each operator of an ONNX form say which node of the program it comes from.

    Args:
        made: A `torch.onnx.ONNXProgram`; it is changed.
    """
    nodes = [one for one in made.exported_program.graph.nodes if one.op == CALL]
    owners = {node.name: _origin(node) for node in nodes}
    last = {owner: name for name, owner in owners.items()}
    for node in made.model.graph:
        found = NAMED.match(node.metadata_props.get(TRANSLATED, ""))
        owner = owners.get(found[1]) if found else None
        if owner is not None:
            node.metadata_props[NODE] = owner
        given = [str(one.name) for one in node.outputs]
        values = [name for name in given if last.get(owners.get(name, "")) == name]
        if len(given) == len(values) == 1:
            node.metadata_props[VALUE] = owners[values[0]]
        elif values:
            node.metadata_props[VALUE] = " ".join(
                owners[name] if name in values else "-" for name in given
            )


def _origin(node: Any) -> str:
    """Return the name of the node that a node was decomposed from, itself if from none."""
    sources = node.meta.get("from_node")
    name = str(node.name)
    while sources:
        name, sources = sources[-1].name, sources[-1].from_node
    return name


def owners(model: onnx.ModelProto) -> tuple[dict[str, str], dict[str, str]]:
    """Return the program's node behind each operator, and behind each tensor's value.

    Args:
        model: A pivot whose operators note them.
    """
    nodes: dict[str, str] = {}
    values: dict[str, str] = {}
    for node in model.graph.node:
        notes = {entry.key: entry.value for entry in node.metadata_props}
        if NODE in notes:
            nodes[node.name or node.output[0]] = notes[NODE]
        named = notes.get(VALUE, "").split()
        both = zip(node.output, named, strict=False)
        values |= {tensor: name for tensor, name in both if name != "-"}
    return nodes, values
