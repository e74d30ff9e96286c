"""The nodes between cuts, on both sides, and what of them belongs together."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product

from analyzer.core.graph import node_reads
from analyzer.core.types import Node, Pair, Region, TensorPair
from analyzer.view import View
from analyzer.view.absorb import LAYOUT_OPS, label


def region(
    view: View,
    results: Sequence[str],
    cuts: Collection[str],
    *,
    loosely: bool = False,
    beyond: Collection[str] = (),
) -> Region:
    """Return what computes `results` from the nearest cuts before them.

    Args:
        view: The macro graph.
        results: Tensors the region gives.
        cuts: Tensors at which the walk back stops; the model's inputs always stop it.
        loosely: Whether a tensor that is only another layout of a cut stops the walk too.
        beyond: Tensors whose layouts do not stop it all the same.
    """
    ends = {view.root.get(name) for name in (*results, *beyond)}
    roots = {view.root.get(name) for name in cuts} - ends if loosely else set()
    inside: dict[int, Node] = {}
    edges: dict[str, None] = {}
    waiting = [view.giver[name] for name in results if name in view.giver]
    while waiting:
        node = waiting.pop()
        if id(node) in inside:
            continue
        inside[id(node)] = node
        for name in node_reads(node):
            if name not in view.dynamic:
                continue
            if name in cuts or name not in view.giver or view.root.get(name) in roots:
                edges[name] = None
            else:
                waiting.append(view.giver[name])
    return Region(
        tuple(sorted(inside.values(), key=lambda node: _place(view, node))),
        tuple(sorted(edges, key=lambda name: view.order.get(name, -1))),
        tuple(results),
    )


def _place(view: View, node: Node) -> int:
    return next(view.order[name] for name in node.outputs if name)


def reached(view: View, cuts: Collection[str]) -> Mapping[str, frozenset[str]]:
    """Return, for each dynamic tensor, the nearest cuts before it that it depends on."""
    found: dict[str, frozenset[str]] = {}
    for node in view.nodes:
        before: set[str] = set()
        for name in node_reads(node):
            if name not in view.dynamic:
                continue
            if name in cuts or name not in found:
                before.add(name)
            else:
                before |= found[name]
        found |= dict.fromkeys((name for name in node.outputs if name), frozenset(before))
    return found


def node_pairs(
    source: View,
    target: View,
    left: Region,
    right: Region,
    known: Mapping[int, int],
    edges: Iterable[TensorPair] = (),
) -> tuple[Pair, ...]:
    """Return which nodes of two regions belong together, macro operator by macro operator.

    Args:
        source: The source's macro graph.
        target: The target's macro graph.
        left: The source's region.
        right: The target's region.
        known: Target operator index by source operator index, as far as it is known.
        edges: What the regions read, pairwise.

    Returns:
        Pairs in topological order; what has no counterpart stands in none of them.
    """
    ones, others = _parts(source, left), _parts(target, right)
    pairs = [
        (one, known[one])
        for one in ones
        if known.get(one) in others
        and source.operators[one].op == target.operators[known[one]].op
    ]
    held = {one for one, _ in pairs}, {other for _, other in pairs}
    rest = [one for one in ones if one not in held[0]]
    free = [other for other in others if other not in held[1]]
    pairs += _aligned(
        rest,
        free,
        [label(ones[one][0]) for one in rest],
        [label(others[o][0]) for o in free],
    )
    pairs += _instead(pairs, ones, others, edges)
    found = [
        Pair(ones[one], others[other], 1.0 if one in known else 0.5, ("region",))
        for one, other in sorted(pairs)
    ]
    return (*found, *_strays(right, found))


def _instead(
    pairs: Sequence[tuple[int, int]],
    ones: Mapping[int, tuple[Node, ...]],
    others: Mapping[int, tuple[Node, ...]],
    edges: Iterable[TensorPair],
) -> Iterator[tuple[int, int]]:
    """Yield the one operator on either side that no pair holds, if they read the same."""
    left = ones.keys() - {one for one, _ in pairs}
    right = others.keys() - {other for _, other in pairs}
    if len(left) != 1 or len(right) != 1:
        return
    one, other = left.pop(), right.pop()
    same = {(edge.source, edge.target) for edge in edges}
    for ours, theirs in pairs:
        given = (_given(ones[ours]), _given(others[theirs]))
        same.update(zip(*given, strict=False))
    reads = product(_read(ones[one]), _read(others[other]))
    if _is_alone(ones[one]) and _is_alone(others[other]) and not same.isdisjoint(reads):
        yield one, other


def _given(nodes: Sequence[Node]) -> tuple[str, ...]:
    return nodes[-1].outputs


def _read(nodes: Sequence[Node]) -> tuple[str, ...]:
    return tuple(name for node in nodes for name in node.inputs if name)


def _is_alone(nodes: Sequence[Node]) -> bool:
    return sum(node.op not in LAYOUT_OPS for node in nodes) == 1


def _strays(right: Region, pairs: Sequence[Pair]) -> Iterator[Pair]:
    """Yield pairs of nodes that were folded into different operators on the two sides."""
    whole = {id(node) for pair in pairs for node in pair.target}
    free = [node for node in right.nodes if id(node) not in whole]
    for pair in pairs:
        for node in beyond(pair.source, pair.target):
            twin = next((one for one in free if one.op == node.op), None)
            if twin is not None:
                free.remove(twin)
                yield Pair((node,), (twin,), 0.5, ("region",))


def beyond(nodes: Sequence[Node], others: Sequence[Node]) -> Iterator[Node]:
    """Yield the nodes of one group whose operator the other lacks, or has fewer times.

    Args:
        nodes: One group.
        others: The other; layout operators of the first are never yielded.
    """
    left = Counter(node.op for node in others)
    joined = JOINING & left.keys()
    for node in nodes:
        if left[node.op] == 0 and node.op not in LAYOUT_OPS | joined:
            yield node
        left[node.op] -= 1


def unpaired(region: Region, paired: Iterable[Node]) -> tuple[Node, ...]:
    """Return the region's nodes that no pair holds, spelling-only operators left out."""
    held = {id(node) for node in paired}
    return tuple(
        node for node in region.nodes if id(node) not in held and node.op not in LAYOUT_OPS
    )


def _parts(view: View, region: Region) -> dict[int, tuple[Node, ...]]:
    """Return the region's nodes by their macro operator, a join of joins as one."""
    parts: dict[int, list[Node]] = {}
    for node in region.nodes:
        index = view.owner[next(n for n in node.outputs if n)].index
        joined = parts if node.op in JOINING else ()
        inner = [one for one in joined if _is_joined(parts[one], node, view)]
        before = [each for one in inner for each in parts.pop(one)]
        parts.setdefault(index, []).extend((*before, node))
    return {index: tuple(nodes) for index, nodes in parts.items()}


JOINING = frozenset({"Concat"})
"""Operators that do at once what several of them do one after another."""


def _is_joined(nodes: Sequence[Node], reader: Node, view: View) -> bool:
    """Return whether nodes join what only another join along the same axis reads."""
    last = nodes[-1]
    if not {last.op, reader.op} <= JOINING or last.attributes != reader.attributes:
        return False
    return view.readers.get(last.outputs[0], ()) == (reader,)


def _aligned(
    ones: Sequence[int], others: Sequence[int], left: Sequence[str], right: Sequence[str]
) -> list[tuple[int, int]]:
    """Return the longest common subsequence of two lists of operators, by their names.

    Args:
        ones: Operators of the source, in topological order.
        others: Operators of the target, likewise.
        left: Name of each of the source's.
        right: Name of each of the target's.
    """
    best = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in range(len(left) - 1, -1, -1):
        for j in range(len(right) - 1, -1, -1):
            diagonal = best[i + 1][j + 1] + 1 if left[i] == right[j] else 0
            best[i][j] = max(diagonal, best[i + 1][j], best[i][j + 1])
    pairs, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        if left[i] == right[j] and best[i][j] == best[i + 1][j + 1] + 1:
            pairs.append((ones[i], others[j]))
            i, j = i + 1, j + 1
        elif best[i + 1][j] >= best[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs
