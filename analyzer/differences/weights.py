"""Constants of a pair that are not the same weights, across layouts and folded scales."""

from collections.abc import Iterator, Sequence

from analyzer.core.types import Array, Aspect, Difference, Node, Pair, Permutation
from analyzer.differences.alignment import differs, fitted, in_layout_of
from analyzer.differences.effective import LINEAR, effective, linear_nodes
from analyzer.differences.folded import compare_folded, is_same
from analyzer.differences.layout import Layouts
from analyzer.differences.operators import couples, weight_slots


def compare_weights(layouts: Layouts) -> Iterator[Difference]:
    """Yield the target constants that do not hold the source's weights.

    A linear operator with the scales and shifts behind it is compared as a whole, so that a
    folded batch normalisation is no difference, and a weight changed behind one is found.

    Args:
        layouts: The pair, with its edges.

    Yields:
        Differences whose source value has the target's layout and dtype.
    """
    plain = list(_slot_by_slot(layouts))
    folded = _folded_nodes(layouts.pair)
    yield from (one for one in plain if id(one.target_node) not in folded)
    direct = [one for one in plain if id(one.target_node) in folded]
    alike = _are_stored_alike(layouts.pair)
    if not folded or (alike and not direct):
        return
    ours, theirs = effective(layouts.pair.source), effective(layouts.pair.target)
    if ours is None or theirs is None:
        yield from direct
    elif not is_same(ours, theirs):
        yield from direct if alike else compare_folded(ours, theirs)


def _folded_nodes(pair: Pair) -> frozenset[int]:
    """Return the nodes that are compared as a whole: none where the sides are not alike."""
    mains = [_mains(nodes) for nodes in (pair.source, pair.target)]
    if any(len(main) > 1 for main in mains) or len(mains[0]) != len(mains[1]):
        return frozenset()
    if any(1 not in node.constants for main in mains for node in main):
        return frozenset()
    return linear_nodes((*pair.source, *pair.target))


def _mains(nodes: Sequence[Node]) -> list[Node]:
    return [node for node in nodes if node.op in LINEAR and not node.domain]


def _are_stored_alike(pair: Pair) -> bool:
    """Return whether each constant stands in one place on both sides, in one layout."""
    ours, theirs = _mains(pair.source), _mains(pair.target)
    if _spelling(pair.source) != _spelling(pair.target):
        return False
    return all(
        one.constants[1].shape == other.constants[1].shape
        and one.attributes.get("transB") == other.attributes.get("transB")
        for one, other in zip(ours, theirs, strict=True)
        if 1 in one.constants and 1 in other.constants
    )


def _spelling(nodes: Sequence[Node]) -> list[tuple[str, tuple[int, ...]]]:
    used = linear_nodes(nodes)
    return [(node.op, tuple(sorted(node.constants))) for node in nodes if id(node) in used]


def _slot_by_slot(layouts: Layouts) -> Iterator[Difference]:
    """Yield constants that differ between nodes of one operator, each in its own slot."""
    for couple in couples(layouts.pair):
        source, target = couple.source, couple.target
        if source is None or target is None or source.op != target.op:
            continue
        order = layouts.inputs(source, target) if _broadcasts(source) else None
        for slot, other in _slots(source, target):
            yield from _compare_constant(source, target, slot, other, order)


def _broadcasts(node: Node) -> bool:
    """Return whether a node's constants share the axes of its input."""
    return node.op in {
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Pow",
        "Max",
        "Min",
        "PRelu",
        "Where",
        "Mod",
        "Equal",
        "Greater",
        "Less",
        "GreaterOrEqual",
        "LessOrEqual",
        "And",
        "Or",
    }


def _slots(source: Node, target: Node) -> Iterator[tuple[int, int]]:
    """Yield each weight slot of the source with the target's; Add and Mul have no order."""
    ours, theirs = weight_slots(source), weight_slots(target)
    if source.op in {"Add", "Mul", "Max", "Min", "Sum"} and len(ours) == len(theirs) == 1:
        yield ours[0], theirs[0]
        return
    yield from ((slot, slot) for slot in ours if slot in theirs)


def _compare_constant(
    source: Node, target: Node, slot: int, other: int, order: Permutation | None
) -> Iterator[Difference]:
    ours, theirs = source.constants[slot], target.constants[other]
    wanted = _wanted(ours, theirs, order, exact=not _broadcasts(source))
    if wanted is None:
        yield Difference(
            Aspect.SHAPE, f"input{other}", ours.shape, theirs.shape, source, target
        )
        return
    if differs(wanted, theirs):
        yield Difference(
            Aspect.WEIGHT,
            f"input{other}",
            fitted(wanted, theirs.dtype),
            theirs,
            source,
            target,
            other,
        )


def _wanted(
    source: Array, target: Array, order: Permutation | None, *, exact: bool
) -> Array | None:
    """Return the source's constant in the target's layout, which ONNX fixes if `exact`."""
    if exact and source.shape == target.shape:
        return source
    return in_layout_of(target, source, order)
