"""A SavedModel with a repair in it: nodes of its functions changed, and its variables."""

import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorflow.core.protobuf import saved_model_pb2

from analyzer.core.errors import ExportError
from analyzer.frontends.child.from_saved_model import opened_model
from rewriter.export.child.checkpoint import NewValue, rewrite
from rewriter.export.child.graph_bodies import bodies
from rewriter.export.child.graph_calls import apply_all
from rewriter.export.child.graph_edits import GraphEdit, SetValue
from rewriter.export.child.graph_plan import plan
from rewriter.export.child.graph_view import GraphView
from rewriter.export.child.pivots import read

GRAPH = "saved_model.pb"


def export(  # noqa: PLR0913 - what a child is told
    path: str,
    out: str,
    *,
    before: str,
    after: str,
    weights: str,
    layers: Mapping[str, str],
    signature: str,
) -> list[str]:
    """Write a SavedModel folder with a repair in it, and return what is to be noted.

    Args:
        path: The user's folder.
        out: A folder that is there, and empty.
        before: Its pivot, a proto.
        after: The same after the repair.
        weights: The folder that the pivots' weights lie in.
        layers: The user's layer of each tensor that has one.
        signature: The one that is compared; empty: the default.

    Raises:
        ExportError: The folder cannot say the repair.
    """
    opened = opened_model(path, signature)
    graph, variables = opened.frozen()
    ends = {own: tensor for end in opened.ends for tensor, own in end.items()}
    view = GraphView(graph, ends)
    edits = plan(view, read(before, after, weights, layers))
    names = Counter(variables.values())
    of_variables = [
        NewValue(name, view.constants[edit.constant], edit.value, shared=names[name] > 1)
        for edit in edits
        if isinstance(edit, SetValue) and (name := variables.get(edit.constant, ""))
    ]
    rest = [one for one in edits if not _is_of(one, variables)]
    shutil.copytree(path, out, dirs_exist_ok=True)
    if rest:
        _edit_functions(Path(out) / GRAPH, opened.name, rest)
    if of_variables:
        rewrite(Path(out) / "variables" / "variables", of_variables)
    return _notes(opened, rest)


def _is_of(edit: GraphEdit, variables: Mapping[str, str]) -> bool:
    return isinstance(edit, SetValue) and edit.constant in variables


def _edit_functions(file: Path, signature: str, edits: list[GraphEdit]) -> None:
    """Change the functions behind a signature."""
    stored = saved_model_pb2.SavedModel()
    stored.ParseFromString(file.read_bytes())
    served = [one for one in stored.meta_graphs if signature in one.signature_def]
    if not served:
        raise ExportError(
            f"{file} has no graph with the signature {signature}",
            hint="write the repaired model with -o to an .onnx file",
        )
    graph = served[0].graph_def
    found = list(bodies(graph, _function(served[0], signature)))
    apply_all(found, edits)
    for body in found:
        body.forget_shapes()
    file.write_bytes(stored.SerializeToString())


def _function(graph: Any, signature: str) -> str:
    """Return the function that a signature calls."""
    given = next(iter(graph.signature_def[signature].outputs.values())).name
    name = given.partition(":")[0]
    call = next(node for node in graph.graph_def.node if node.name == name)
    return str(call.attr["f"].func.name)


def _notes(opened: Any, rest: list[GraphEdit]) -> list[str]:
    """Say that other signatures may keep the fault, where functions were changed."""
    others = sorted(set(opened.model.signatures) - {opened.name})
    if not rest or not others:
        return []
    told = ", ".join(others)
    return [
        f"Of its signatures, {opened.name} was mended; {told} may call other functions."
    ]
