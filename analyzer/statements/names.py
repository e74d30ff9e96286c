"""Names that stand twice in a file, and constants that hold nothing."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from analyzer.core.graph import node_name
from analyzer.core.types import Restate, Statement
from analyzer.statements.scene import Contradiction, Scene, first_outputs, told

if TYPE_CHECKING:
    import onnx


def valueless(scene: Scene) -> Iterator[Contradiction]:
    """Yield the Constant nodes that hold no value."""
    for node in scene.graph.node:
        if node.op_type == "Constant" and not node.domain and not node.attribute:
            name = node.output[0]
            yield Contradiction(
                Restate(Statement.NO_CONSTANT, name),
                f"Constant {node_name(node)} gives {name} and holds no value; "
                f"{told(scene.readers(name))} reads it",
                (*first_outputs(scene.readers(name)), name),
            )


def node_names(scene: Scene) -> Iterator[Contradiction]:
    """Yield the later ones of nodes that share a name."""
    known: dict[str, onnx.NodeProto] = {}
    taken = {node.name for node in scene.graph.node}
    for node in scene.graph.node:
        if not node.name or node.name not in known:
            known[node.name] = node
            continue
        (name,), first = first_outputs([node]), known[node.name]
        yield Contradiction(
            Restate(Statement.NODE_NAME, name, _fresh(node.name, taken)),
            f"{first.op_type}, which gives {first.output[0]}, and {node.op_type}, which "
            f"gives {name}, are both called {node.name}",
            (name,),
        )


def tensor_names(scene: Scene) -> Iterator[Contradiction]:
    """Yield the tensors that two nodes give."""
    known: dict[str, onnx.NodeProto] = {}
    taken = scene.given()
    for node in scene.graph.node:
        for name in filter(None, node.output):
            first = known.setdefault(name, node)
            if first is node:
                continue
            yield Contradiction(
                Restate(Statement.TENSOR_NAME, name, _fresh(name, taken)),
                f"{told([first])} and {told([node])} both give {name}",
                first_outputs([node]),
            )


def _fresh(name: str, taken: set[str]) -> str:
    count = 2
    while f"{name}_{count}" in taken:
        count += 1
    taken.add(f"{name}_{count}")
    return f"{name}_{count}"


def given_twice(scene: Scene) -> Iterator[Contradiction]:
    """Yield the constants that a node gives too."""
    for tensor in scene.graph.initializer:
        givers = scene.givers(tensor.name)
        if givers:
            yield Contradiction(
                Restate(Statement.NO_CONSTANT, tensor.name),
                f"{tensor.name} is an initializer of shape {list(tensor.dims)}, and "
                f"{told(givers)} gives it too",
                first_outputs(givers),
            )
