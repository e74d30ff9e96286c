"""Loops as TensorFlow 1 spells them, found in a graph: what enters, turns, and leaves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Nodes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Variable:
    """What a lowered loop carries from turn to turn.

    Attributes:
        enter: The node that brings its first value.
        merge: The node that has its value at the start of a turn.
        switch: The node that has it in the turn's body.
        again: The tensor that is its value in the next turn.
        leave: The node that has its last value, None where nobody wants it.
    """

    enter: Any
    merge: Any
    switch: Any
    again: str
    leave: Any


@dataclass(frozen=True, slots=True)
class Loop:
    """One lowered loop.

    Attributes:
        name: Its frame.
        variables: What it carries.
        constants: The nodes that bring what does not change.
        going: The tensor that says whether another turn follows.
    """

    name: str
    variables: tuple[Variable, ...]
    constants: tuple[Any, ...]
    going: str

    @property
    def entering(self) -> list[Any]:
        """Return the nodes that bring values in, in the order of the arguments."""
        return [*(variable.enter for variable in self.variables), *self.constants]


def loops(nodes: Nodes) -> Iterator[Loop]:
    """Yield every loop of a graph whose turns are counted.

    Args:
        nodes: The graph's nodes by name.
    """
    frames: dict[str, list[Any]] = {}
    for node in nodes.values():
        if node.op == "Enter":
            frames.setdefault(node.attr["frame_name"].s.decode(), []).append(node)
    reading = readers(nodes)
    for name, entering in frames.items():
        carried = [node for node in entering if not node.attr["is_constant"].b]
        variables = [_variable(node, nodes, reading) for node in carried]
        counted = _counted([each for each in variables if each is not None], nodes)
        if counted is None or None in variables:
            continue
        constants = tuple(node for node in entering if node.attr["is_constant"].b)
        condition = nodes[node_name(counted[0].switch.input[1])]
        yield Loop(name, counted, constants, condition.input[0])


def _counted(variables: Sequence[Variable], nodes: Nodes) -> tuple[Variable, ...] | None:
    """Return what a loop carries, its counter first and how many turns there are second.

    That is the order of a functional loop, and tf2onnx relies on it. None where no turns
    are counted.
    """
    merges = {variable.merge.name: variable for variable in variables}
    for node in nodes.values():
        if node.op != "Less":
            continue
        counter, most = (merges.get(source(tensor, nodes, {})) for tensor in node.input[:2])
        if counter is None or most is None or not _is_kept(most, nodes):
            continue
        rest = [each for each in variables if each not in (counter, most)]
        return (counter, most, *sorted(rest, key=_number))
    return None


def _number(variable: Variable) -> tuple[int, str]:
    """Return what sorts the values that enter a loop as its author listed them."""
    name = str(variable.enter.name)
    return len(name), name


def _is_kept(variable: Variable, nodes: Nodes) -> bool:
    """Return whether a variable has the same value on every turn."""
    return source(variable.again, nodes, {}) == f"{variable.switch.name}:1"


def _variable(
    enter: Any, nodes: Nodes, readers: Mapping[str, list[Any]]
) -> Variable | None:
    """Return what one value that enters becomes, None where it is spelled otherwise."""
    merge = _reader(enter, "Merge", readers)
    switch = merge and _reader(merge, "Switch", readers)
    if switch is None:
        return None
    again = nodes[node_name(merge.input[1])]
    return Variable(enter, merge, switch, again.input[0], _reader(switch, "Exit", readers))


def _reader(node: Any, op: str, readers: Mapping[str, list[Any]]) -> Any:
    return next((each for each in readers.get(node.name, ()) if each.op == op), None)


def readers(nodes: Nodes) -> dict[str, list[Any]]:
    """Return the nodes that read or wait for each node, by its name.

    Args:
        nodes: The graph's nodes by name.
    """
    found: dict[str, list[Any]] = {}
    for node in nodes.values():
        for tensor in node.input:
            found.setdefault(node_name(tensor), []).append(node)
    return found


def source(tensor: str, nodes: Nodes, places: Mapping[str, str]) -> str:
    """Return where a tensor comes from, past all that only hands it on.

    Args:
        tensor: Its name.
        nodes: The graph's nodes by name.
        places: Another name for each tensor at which to stop.
    """
    while tensor not in places and nodes[node_name(tensor)].op == "Identity":
        tensor = nodes[node_name(tensor)].input[0]
    return places.get(tensor, tensor)


def node_name(tensor: str) -> str:
    """Return the node that a tensor comes from, or that is waited for."""
    return tensor.removeprefix("^").partition(":")[0]
