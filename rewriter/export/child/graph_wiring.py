"""New nodes and connections of a repaired pivot, in the TensorFlow graph it came from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from analyzer.core.types import Array, Node
from rewriter.export.child.graph_edits import Drop, GraphEdit, Rewire
from rewriter.export.child.graph_new import new_node
from rewriter.export.child.graph_place import refused
from rewriter.export.child.graph_view import GraphView, data, node_of
from rewriter.export.child.pivots import Pivots

OUTPUT = "output "
"""How a pivot's output is called among those who read, before its place."""


@dataclass(frozen=True, eq=False)
class Wiring:
    """Who reads what, before and after a repair.

    Attributes:
        view: The graph.
        pivots: Its pivot before and after.
        given: The graph's new node that gives what a pivot's node does; it grows.
    """

    view: GraphView
    pivots: Pivots
    given: dict[str, str] = field(default_factory=dict)

    @cached_property
    def old(self) -> Mapping[str, Node]:
        """The imported pivot's nodes, by name."""
        return {node.name: node for node in self.pivots.before}

    @cached_property
    def added(self) -> Mapping[str, Node]:
        """The new nodes, by name."""
        return {node.name: node for node in self.pivots.changes.added}

    @cached_property
    def belonging(self) -> Mapping[str, str]:
        """The pivot's node that each node of the graph is known to belong to."""
        found: dict[str, str] = {}
        for node in self.pivots.before:
            for name in (self.view.owner(node), self.view.giver(node)):
                if name:
                    found.setdefault(name, node.name)
        return found

    def edits(self) -> Iterator[GraphEdit]:
        """Yield new nodes, then new connections, then what goes."""
        if not self._is_rewired():
            return
        for node in self.pivots.changes.added:
            for one in new_node(self.view, node, self._operands(node)):
                yield one
                self.given[node.name] = one.name
        moved = list(self._moved())
        for old, new in dict.fromkeys((old, new) for old, new, _ in moved):
            readers = [reader for was, now, reader in moved if (was, now) == (old, new)]
            yield Rewire(old, new, self._edges(old, readers))
        yield from self._dropped(moved)

    def _is_rewired(self) -> bool:
        found = self.pivots.changes
        return bool(found.added or found.removed or found.wires or found.outputs)

    def _operands(self, node: Node) -> list[str | Array]:
        givers = _givers(self.pivots.after)
        reads = enumerate(node.inputs)
        return [
            node.constants[slot]
            if slot in node.constants
            else self._native(givers.get(name, name), node)
            for slot, name in reads
            if name
        ]

    def _native(self, giver: str, node: Node) -> str:
        """Return the graph's node behind what a pivot's node, or an input, gives."""
        if giver in self.given:
            return self.given[giver]
        if giver in self.old:
            name = self.view.giver(self.old[giver])
            if not name and self.old[giver].op == "Transpose":  # the importer's own
                source = _givers(self.pivots.before).get(self.old[giver].inputs[0])
                return self._native(source or self.old[giver].inputs[0], node)
        else:
            name = self.view.origin(giver)
        if not name:
            raise refused(node, f"no tensor of the graph is known to be what {giver} gives")
        return name

    def _moved(self) -> Iterator[tuple[str, str, str]]:
        """Yield each connection that changed: read before, read now, and by whom."""
        before, after = (dict(self._reads(nodes, ends)) for nodes, ends in self._both())
        for reader, giver in after.items():
            was = before.get(reader)
            if was is None or was == giver or reader[0] in self.added:
                continue
            known = self.old.get(reader[0]) or self.added.get(giver) or self.old.get(was)
            node = known or next(iter(self.old.values()))  # an output that reads an input
            old, new = self._native(was, node), self._native(giver, node)
            if old != new:
                yield old, new, reader[0]

    def _both(self) -> Iterator[tuple[Sequence[Node], Sequence[str]]]:
        yield self.pivots.before, self.pivots.outputs[0]
        yield self.pivots.after, self.pivots.outputs[1]

    def _reads(
        self, nodes: Sequence[Node], ends: Sequence[str]
    ) -> Iterator[tuple[tuple[str, int], str]]:
        """Yield each reader, with its slot, and the node or the input that it reads."""
        givers = _givers(nodes)
        for node in nodes:
            for slot, name in enumerate(node.inputs):
                if name and slot not in node.constants:
                    yield (node.name, slot), givers.get(name, name)
        for place, name in enumerate(ends):
            yield (f"{OUTPUT}{place}", 0), givers.get(name, name)

    def _edges(
        self, old: str, readers: Sequence[str]
    ) -> tuple[tuple[str, int], ...] | None:
        """Return the graph's edges behind readers of a node; None: all that it has.

        Raises:
            ExportError: One of them is not known in the graph.
        """
        edges = self.view.readers.get(old, [])
        found = {one: [e for e in edges if self._serves(e[0], one)] for one in readers}
        for one in (one for one in readers if edges and not found[one]):
            node = self.old.get(one, next(iter(self.old.values())))
            raise refused(node, f"none that reads {old} is known to be {one}")
        wanted = tuple(e for e in edges if any(e in own for own in found.values()))
        return None if len(wanted) == len(edges) else wanted

    def _serves(self, name: str, reader: str) -> bool:
        """Return whether a node of the graph is what a pivot's node, or output, stands for.

        A transpose of the importer's own is named after what it serves, or bears no name of
        the graph's: then it is known by what reads it, as are other nodes without a name.
        """
        if name == self.view.origin(reader) or self._reader(name) == reader:
            return True
        if not self._is_strange(reader):
            return False
        laid = self.old[reader].op == "Transpose" or name not in self.belonging
        return laid and self._reader(name) in self._known_behind(reader)

    def _is_strange(self, name: str) -> bool:
        """Return whether no operator of the graph is known to be a pivot's node."""
        return name in self.old and name not in self.belonging.values()

    def _known_behind(self, name: str) -> set[str]:
        """Return the first nodes behind one of the pivot's that the graph knows."""
        waiting, found = [name], set[str]()
        while waiting:
            here = waiting.pop()
            if not self._is_strange(here):
                found.add(here)
                continue
            given = set(self.old[here].outputs)
            waiting += [one.name for one in self.pivots.before if given & set(one.inputs)]
        return found

    def _reader(self, name: str) -> str:
        """Return the pivot's node, or output, that a node of the graph belongs to."""
        waiting, seen = [name], {name}
        while waiting:
            here = waiting.pop(0)
            if here in self.belonging:
                return self.belonging[here]
            behind = [one for one, _ in self.view.readers.get(here, ()) if one not in seen]
            seen.update(behind)
            waiting += behind
        return f"{OUTPUT}0"

    def _dropped(self, moved: Sequence[tuple[str, str, str]]) -> Iterator[Drop]:
        """Yield what nothing reads any more, now that its readers read others."""
        gone = {self.view.giver(node) for node in self.pivots.changes.removed} - {""}
        kept = {new for _, new, _ in moved}
        for first in sorted(gone - kept):
            name = first
            while name in gone - kept:
                yield Drop(name)
                above = data(self.view.nodes[name])
                name = node_of(above[0]) if above else ""


def _givers(nodes: Sequence[Node]) -> dict[str, str]:
    return {name: node.name for node in nodes for name in node.outputs if name}
