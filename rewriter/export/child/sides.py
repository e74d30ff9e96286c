"""A pivot before and after its repair, with the program's nodes behind its operators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from analyzer.core.types import Node
from analyzer.frontends.child.origins import owners
from rewriter.export.child.pivots import read
from rewriter.export.evaluated import evaluated


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """A pivot before and after its repair; what is computed of constants is one.

    Attributes:
        before: The imported operators.
        after: The repaired ones, under the names of the imported ones where they are those.
        owners: The program's node behind each imported operator, by name.
        values: The program's node behind each imported tensor.
        outputs: Names of the outputs, before and after.
    """

    before: tuple[Node, ...]
    after: tuple[Node, ...]
    owners: Mapping[str, str]
    values: Mapping[str, str]
    outputs: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def groups(self) -> dict[str, tuple[Node, ...]]:
        """The imported operators of each of the program's nodes."""
        found: dict[str, tuple[Node, ...]] = {}
        for node in self.before:
            owner = self.owners.get(node.name)
            if owner is not None:
                found[owner] = (*found.get(owner, ()), node)
        return found


def sides(before: str, after: str, weights: str) -> Sides:
    """Return both sides of a repair.

    Args:
        before: The imported pivot, a proto.
        after: The same after the repair.
        weights: The folder that their weights lie in.
    """
    pivots = read(before, after, weights, {})
    old, new = (tuple(evaluated(one)) for one in (pivots.before, pivots.after))
    return Sides(old, _recognised(old, new), *owners(pivots.imported), pivots.outputs)


def _recognised(before: Sequence[Node], after: Sequence[Node]) -> tuple[Node, ...]:
    """Return the repaired operators, new ones named as the old ones they are again.

    A replaced region often repeats operators of the one it replaces. Of both sequences of
    operator types, what they have in common in order is taken to be the same operators.
    """
    old, new = {_key(node) for node in before}, {_key(node) for node in after}
    gone = [node for node in before if _key(node) not in new]
    come = [node for node in after if _key(node) not in old]
    ops = [one.op for one in gone], [one.op for one in come]
    blocks = SequenceMatcher(None, *ops, autojunk=False).get_matching_blocks()
    names = {
        _key(come[block.b + offset]): gone[block.a + offset].name
        for block in blocks
        for offset in range(block.size)
    }
    return tuple(
        replace(node, name=names.get(_key(node), _own(node, old))) for node in after
    )


def _key(node: Node) -> tuple[str, str, str]:
    return node.name, node.op, node.domain


def _own(node: Node, old: set[tuple[str, str, str]]) -> str:
    """Return a node's name; one that another operator bore is marked as new."""
    taken = any(node.name == name for name, _, _ in old) and _key(node) not in old
    return f"{node.name}+" if taken else node.name
