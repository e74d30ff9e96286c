"""Where a repair put nodes in or took them out, as regions with one end each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from analyzer.core.types import Node
from rewriter.export.changes import Changes, same
from rewriter.export.keras_activations import is_elementwise
from rewriter.export.keras_layers import Owners
from rewriter.export.keras_made import PASSING, computed

OUTPUT = ""
"""Stands for the model's own outputs among the readers of a tensor."""

Reader = tuple[str, int]
"""A node's name and its input's number; of an output, `OUTPUT` and its place."""


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A pivot's nodes, and who gives and reads its tensors.

    Attributes:
        nodes: In topological order.
        makers: The node that gives each tensor.
        outputs: Names of the model's outputs.
    """

    nodes: Sequence[Node]
    makers: Mapping[str, Node]
    outputs: Sequence[str]

    def readers(self, tensor: str) -> Iterator[Reader]:
        """Yield who reads a tensor's numbers, through what only passes it on."""
        for place, name in enumerate(self.outputs):
            if name == tensor:
                yield OUTPUT, place
        for node in self.nodes:
            for slot, name in enumerate(node.inputs):
                if name != tensor or node.op == "Shape":
                    continue
                if node.op in PASSING:
                    yield from self.readers(node.outputs[0])
                else:
                    yield node.name, slot

    def root(self, tensor: str) -> str:
        """Return the tensor that another one is, but for the order of its axes."""
        while (maker := self.makers.get(tensor)) is not None and maker.op in PASSING:
            tensor = maker.inputs[0]
        return tensor


def graph_of(nodes: Sequence[Node], outputs: Sequence[str]) -> Graph:
    """Return a graph of nodes in topological order.

    Args:
        nodes: The nodes.
        outputs: Names of the model's outputs.
    """
    makers = {name: node for node in nodes for name in node.outputs if name}
    return Graph(nodes, makers, outputs)


def with_names(was: Graph, now: Graph) -> Graph:
    """Return a repaired graph whose nodes that stayed give tensors of the names they had.

    A node that comes behind an output takes its name, and the tensor before gets another.
    What only copies a tensor and was not there goes.

    Args:
        was: The pivot as it was imported.
        now: The pivot after the repair.
    """
    known = {(node.name, node.op): node.outputs for node in was.nodes}
    copies = [
        node
        for node in now.nodes
        if node.op == "Identity" and (node.name, node.op) not in known
    ]
    names: dict[str, str] = {}
    for node in now.nodes:
        old = known.get((node.name, node.op), node.outputs)
        pairs = zip(node.outputs, old, strict=False)
        names |= {new: name for new, name in pairs if new and name and new != name}
    taken = set(names.values()) - set(names)
    names |= {name: f"{name} after" for name in taken}
    for node in copies:
        names[node.outputs[0]] = names.get(node.inputs[0], node.inputs[0])
    return graph_of(
        [
            replace(
                node,
                inputs=tuple(names.get(one, one) for one in node.inputs),
                outputs=tuple(names.get(one, one) for one in node.outputs),
            )
            for node in now.nodes
            if node not in copies
        ],
        [names.get(one, one) for one in now.outputs],
    )


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """What a repair changed between some tensors and one other.

    Attributes:
        was: The nodes that gave the end, in topological order; none: nothing stood there.
        now: The nodes that give it after the repair.
        old: The tensor at the end, as it was imported.
        new: The same after the repair.
        readers: Those that read the end.
    """

    was: tuple[Node, ...]
    now: tuple[Node, ...]
    old: str
    new: str
    readers: tuple[Reader, ...]

    @property
    def given(self) -> tuple[list[str], list[str]]:
        """Tensors that are read, before and after; the end where there is no node."""
        return _given(self.was, self.old), _given(self.now, self.new)

    def without_start(self) -> "Region":
        """Return the region without the nodes that it begins with before and after."""
        count = 0
        for first, second in zip(self.was, self.now, strict=False):
            if not _alike(first, second) or computed(first) != computed(second):
                break
            count += 1
        return _ended(replace(self, was=self.was[count:], now=self.now[count:]), self)

    def without_end(self) -> "Region":
        """Return the region without the nodes that it ends with before and after."""
        region = self
        while region.was and region.now and _alike(region.was[-1], region.now[-1]):
            first, second = region.was[-1], region.now[-1]
            reads = [computed(first), computed(second)]
            if len(reads[0]) != 1 or len(reads[1]) != 1:
                return region
            slot = first.inputs.index(reads[0][0])
            region = Region(
                region.was[:-1],
                region.now[:-1],
                reads[0][0],
                reads[1][0],
                ((first.name, slot),),
            )
        return region


def _ended(region: Region, whole: Region) -> Region:
    """Return what is left of a region with the ends that it has now."""
    was, now = (_given(nodes, "")[0] for nodes in (region.was, region.now))
    old = whole.old if region.was else now
    return replace(
        region, old=old or whole.old, new=(whole.new if region.now else was) or whole.new
    )


def _given(nodes: Sequence[Node], end: str) -> list[str]:
    if not nodes:
        return [end]
    own = {name for node in nodes for name in node.outputs}
    reads = [name for node in nodes for name in computed(node) if name not in own]
    return list(dict.fromkeys(reads))


def _alike(first: Node, second: Node) -> bool:
    """Return whether two nodes compute the same of what they read."""
    names = first.attributes.keys() | second.attributes.keys()
    return (
        (first.op, first.domain) == (second.op, second.domain)
        and first.constants.keys() == second.constants.keys()
        and all(
            same(first.attributes.get(one), second.attributes.get(one)) for one in names
        )
        and all(
            same(first.constants[one], second.constants[one]) for one in first.constants
        )
    )


def regions(owners: Owners, was: Graph, now: Graph, found: Changes) -> Iterator[Region]:
    """Yield where nodes came, went or read something else.

    Parts of an activation that stay belong to the region in which others go.

    Args:
        owners: The layers.
        was: The pivot as it was imported.
        now: The pivot after the repair.
        found: What the repair changed.
    """
    beside = {
        owners.path(maker)
        for node in found.added
        if len(set(computed(node))) == 1  # what joins tensors is no part of an activation
        for name in computed(node)
        if (maker := was.makers.get(was.root(name))) is not None
    }
    touched = ({owners.path(node) for node in found.removed} | beside) - {""}
    kept = {
        node.name
        for node in was.nodes
        if owners.path(node) in touched and is_elementwise(node)
    }
    gone = {node.name for node in found.removed} | kept
    came = {node.name for node in found.added} | kept
    ends: dict[tuple[str, str], list[Reader]] = {}
    for reader, old, new in _ends(was, now, gone | came):
        ends.setdefault((old, new), []).append(reader)
    for (old, new), readers in ends.items():
        before, after = _behind(was, old, gone), _behind(now, new, came)
        if old != new or [one.name for one in before] != [one.name for one in after]:
            yield Region(before, after, old, new, tuple(readers))


def _ends(was: Graph, now: Graph, inner: set[str]) -> Iterator[tuple[Reader, str, str]]:
    """Yield what nodes outside read, as they were and after the repair."""
    for place, both in enumerate(zip(was.outputs, now.outputs, strict=False)):
        yield (OUTPUT, place), *both
    known = {node.name: node for node in now.nodes}
    for node in was.nodes:
        after = known.get(node.name)
        if node.name in inner or after is None or after.op != node.op:
            continue
        for slot, (old, new) in enumerate(zip(node.inputs, after.inputs, strict=False)):
            if slot not in node.constants and slot not in after.constants and old:
                yield (node.name, slot), old, new


def _behind(graph: Graph, end: str, inner: set[str]) -> tuple[Node, ...]:
    """Return the nodes of a set that an end depends on without leaving the set."""
    found: set[str] = set()
    waiting = [end]
    while waiting:
        maker = graph.makers.get(waiting.pop())
        if maker is None or maker.name not in inner or maker.name in found:
            continue
        found.add(maker.name)
        waiting += computed(maker)
    return tuple(node for node in graph.nodes if node.name in found)
