"""A program written as a frozen graph: one GraphDef with its weights as constants."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from rewriter.export.tensorflow_graph.module import Graph, Settings
from rewriter.export.tensorflow_graph.program import Program
from rewriter.export.tensorflow_graph.weights import Tensor, valid_name


def write(program: Program, out: Path, settings: Settings) -> list[str]:
    """Write a frozen graph whose ends are nodes of the user's names.

    Args:
        program: The graph.
        out: The ``.pb`` file.
        settings: Its names and layouts outside.

    Returns:
        What the user should know, in sentences.
    """
    graph = Graph(program, replace(settings, variables=True))
    concrete = graph.concrete()
    constant = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    names = [valid_name(settings.name(one.name)) for one in program.graph.output]
    results = sorted(settings.name(one.name) for one in program.graph.output)
    ends = dict(zip(results, constant.outputs, strict=True))
    tensors = [ends[settings.name(one.name)].name for one in program.graph.output]
    out.write_bytes(
        _ended(constant.graph.as_graph_def(), names, tensors).SerializeToString()
    )
    return graph.notes


def _ended(graph: Tensor, names: list[str], tensors: list[str]) -> Tensor:
    """Return a GraphDef whose last nodes are the outputs, in order."""
    moved = _without(graph, names)
    for name, tensor in zip(names, tensors, strict=True):
        node, _, place = tensor.partition(":")
        source = moved.get(node, node)
        kind = next(one.attr["T"] for one in graph.node if one.name == source)
        end = graph.node.add()
        end.name, end.op = name, "Identity"
        end.input.append(source if place == "0" else f"{source}:{place}")
        end.attr["T"].CopyFrom(kind)
    return graph


def _without(graph: Tensor, taken: list[str]) -> Mapping[str, str]:
    """Give nodes that have an output's name another one; return the new names."""
    moved = {name: f"{name}_inner" for name in taken}
    for node in graph.node:
        node.name = moved.get(node.name, node.name)
        node.input[:] = [_renamed(name, moved) for name in node.input]
    return moved


def _renamed(name: str, moved: Mapping[str, str]) -> str:
    control = "^" if name.startswith("^") else ""
    node, colon, place = name.removeprefix("^").partition(":")
    return f"{control}{moved.get(node, node)}{colon}{place}"
