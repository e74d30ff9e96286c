"""An exported program that a repair is carried over to, and what was done to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analyzer.core.types import Array, Node
from rewriter.export.child.fx_constants import Constants
from rewriter.export.child.sides import Sides


@dataclass(frozen=True, slots=True)
class Stated:
    """An argument of a call that says something else now.

    Attributes:
        node: The call's name.
        argument: The argument's name in its schema.
        old: What it said.
        new: What it says.
    """

    node: str
    argument: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True, eq=False)
class Mended:
    """What was done to a program.

    Attributes:
        weights: New values by the names of the program's state.
        stated: Arguments that say something else.
        made: Names of the calls that were put in.
        gone: Names of the calls that were taken out.
        moved: Names of the calls that read something else.
        fresh: Names of the constants that were put in.
        renamed: What calls have become the names of, by their own names till then.
    """

    weights: Mapping[str, Array]
    stated: tuple[Stated, ...]
    made: tuple[str, ...]
    gone: tuple[str, ...]
    moved: tuple[str, ...]
    fresh: tuple[str, ...]
    renamed: Mapping[str, str]


@dataclass(slots=True)
class Work:
    """A program that is being changed, and what is known of it on the way.

    Attributes:
        program: The `torch.export.ExportedProgram`.
        sides: The pivot before and after.
        constants: What the program's placeholders hold.
        nodes: Its nodes, by name.
        was: The imported operators, by name.
        now: The repaired ones, by name.
        values: The node that gives each tensor of the repaired pivot; it grows.
        old: The node that gave each tensor of the imported one.
        givers: The operator that gives each tensor, before and after.
        stated: Arguments that say something else; it grows.
        made: Names of the calls that were put in; it grows.
        moved: Names of the calls that read something else; it grows.
    """

    program: Any
    sides: Sides
    constants: Constants
    nodes: Mapping[str, Any]
    was: Mapping[str, Node]
    now: Mapping[str, Node]
    values: dict[str, Any]
    old: Mapping[str, Any]
    givers: tuple[Mapping[str, str], Mapping[str, str]]
    stated: list[Stated] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)


def start(program: Any, sides: Sides) -> Work:
    """Return a program of which nothing is changed yet.

    Args:
        program: The `torch.export.ExportedProgram`.
        sides: The pivot before and after.
    """
    nodes = {node.name: node for node in program.graph.nodes}
    given = {tensor: nodes[name] for tensor, name in sides.values.items() if name in nodes}
    inputs = {
        name: node
        for name, node in nodes.items()
        if node.op == "placeholder" and name not in given
    }
    old = {**inputs, **given}
    return Work(
        program,
        sides,
        Constants(program),
        nodes,
        {node.name: node for node in sides.before},
        {node.name: node for node in sides.after},
        dict(inputs),
        old,
        (_givers(sides.before), _givers(sides.after)),
    )


def _givers(nodes: Sequence[Node]) -> dict[str, str]:
    return {name: node.name for node in nodes for name in node.outputs}
