"""The pairs that a user states, by the names of what is analysed.

A user names what stands in the files. What is analysed may be written otherwise: a fused
operator is opened, a product whose result is only split again is three.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import onnx

from analyzer.core.errors import UsageError
from analyzer.core.graph import node_name, reads
from analyzer.core.listing import several
from analyzer.matching.overrides import Named, read_pairs
from analyzer.prepared import Prepared
from analyzer.view.calls import every_node, subgraphs
from analyzer.view.classes import dynamic_tensors
from analyzer.view.inline import Opened

ONE_BY_ONE = "pair each of them with its own counterpart, in one row each"


def stated_pairs(path: Path | None, pair: Prepared) -> Named:
    """Return the user's pairs, by the names of the opened models.

    Args:
        path: The file that holds them; None: there are none.
        pair: The pair of models.

    Raises:
        UsageError: The file is missing, is no JSON, or holds anything else; a name is in
            neither model, or stands for what is not paired.
    """
    rows = read_pairs(path)
    if not rows:
        return ()
    sides = (
        Spoken("source", pair.source.model, pair.sides[0], pair.cut.source.model),
        Spoken("target", pair.target.model, pair.sides[1], pair.cut.target.model),
    )
    return tuple(one for row in rows for one in _pairs(row, sides))


@dataclass(frozen=True, eq=False)
class Spoken:
    """One model of a pair, as its user speaks of it and as it is analysed.

    Attributes:
        side: ``source`` or ``target``.
        written: The user's model.
        opened: The same, opened.
        analysed: The opened model without what no run can compare.
    """

    side: str
    written: onnx.ModelProto
    opened: Opened
    analysed: onnx.ModelProto

    def parts(self, name: str) -> tuple[str, ...]:
        """Return what a name stands for in the analysed model, in the order of the file.

        Args:
            name: A node or a tensor, of the user's model or of the opened one.

        Raises:
            UsageError: It stands for nothing that is paired.
        """
        if name in self._paired:
            return (name,)
        whole = self.opened.result(name)
        if whole in self._paired:
            return (whole,)
        found = self._left_of(name)
        if found:
            return found
        raise UsageError(
            f"the pairs file names {name}, which {self._why(name)}",
            hint="`python cli.py inspect MODEL` lists the names pivotfix sees",
        )

    @cached_property
    def _paired(self) -> frozenset[str]:
        """The tensors that depend on the model's inputs, and the nodes that give them."""
        dynamic = dynamic_tensors(self.analysed)
        giving = (
            node_name(node)
            for node in self.analysed.graph.node
            if not dynamic.isdisjoint(node.output)
        )
        return dynamic | frozenset(giving)

    @cached_property
    def _nodes(self) -> Mapping[str, onnx.NodeProto]:
        """The user's nodes by their names and by what they give."""
        nodes = self.written.graph.node
        named = {node_name(node): node for node in nodes}
        return {name: node for node in nodes for name in node.output if name} | named

    def _left_of(self, name: str) -> tuple[str, ...]:
        """Return what is left of a node, or of a tensor, that the analysed model has not.

        Of a node that is gone, that is what it gave; of a node that is written apart, what
        its parts give and no other part of it reads.
        """
        node = self._nodes.get(name)
        if node is None:
            return ()
        given = tuple(node.output) if node_name(node) == name else (name,)
        kept = tuple(one for one in given if one in self._paired)
        if kept:
            return kept
        parts = [one for one in self.analysed.graph.node if self._is_part(one, node)]
        read = {one for part in parts for one in reads(part)}
        ends = (one for part in parts for one in part.output if one not in read)
        return tuple(one for one in ends if one in self._paired)

    def _is_part(self, node: onnx.NodeProto, outer: onnx.NodeProto) -> bool:
        part = self.opened.parts.get(node_name(node))
        return part is not None and part.outer.output[:] == outer.output[:]

    def _why(self, name: str) -> str:
        """Return, as the end of a sentence, why a name stands for nothing paired."""
        constant = {tensor.name for tensor in self.written.graph.initializer}
        if name in constant:
            return f"is a constant of the {self.side}: what is computed is paired"
        if name in self._nodes:
            return f"the {self.side} computes without its inputs' values: not paired"
        outer = next(self._around(name), None)
        if outer is not None:
            return f"stands inside {outer} of the {self.side}: bodies pair themselves"
        return f"is no node or tensor of the {self.side}"

    def _around(self, name: str) -> Iterator[str]:
        """Yield the nodes and functions of the user's model that a name stands inside."""
        for node in self.written.graph.node:
            bodies = (graph.node for graph in subgraphs(node))
            if any(_names(body, name) for body in bodies):
                yield f"{node.op_type} {node_name(node)}"
        for function in self.written.functions:
            if _names(function.node, name):
                yield f"function {function.name}"


def _names(nodes: Iterable[onnx.NodeProto], name: str) -> bool:
    found = every_node(nodes)
    return any(name in {node.name, *node.output} for node in found)


def _pairs(row: tuple[str, str], sides: tuple[Spoken, Spoken]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of parts that a row of the file stands for, in their order.

    Raises:
        UsageError: One name stands for more than the other.
    """
    left, right = (side.parts(name) for side, name in zip(sides, row, strict=True))
    if len(left) == len(right):
        yield from zip(left, right, strict=True)
        return
    place = 0 if len(left) > len(right) else 1
    parts = (left, right)[place]
    raise UsageError(
        f"the pairs file names {row[place]}, which is compared as {len(parts)} parts of "
        f"the {sides[place].side}: {several(parts)}",
        hint=ONE_BY_ONE,
    )
