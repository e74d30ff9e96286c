"""Constants of a pair that are not the same weights, across layouts and folded scales."""

from collections.abc import Iterator, Sequence

from analyzer.core.types import Array, Aspect, Difference, Node, Permutation
from analyzer.differences.alignment import differs, fitted, in_layout_of
from analyzer.differences.effective import Effective, effective, linear_nodes
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
    pair = layouts.pair
    ours, theirs = effective(pair.source), effective(pair.target)
    whole = (
        ours is not None
        and theirs is not None
        and (ours.main is None) == (theirs.main is None)
    )
    folded = linear_nodes((*pair.source, *pair.target)) if whole else frozenset()
    plain = list(_slot_by_slot(layouts))
    yield from (d for d in plain if id(d.target_node) not in folded)
    if ours is None or theirs is None or not whole:
        return
    direct = [d for d in plain if id(d.target_node) in folded]
    if direct and is_same(ours, theirs):
        return
    alike = _spelling(pair.source) == _spelling(pair.target)
    if alike and _pairs_up(ours, theirs):
        yield from direct
        return
    yield from compare_folded(ours, theirs)


def _pairs_up(ours: Effective, theirs: Effective) -> bool:
    """Return whether kernels are stored alike, so that slot-by-slot comparison sees all."""
    if ours.main is None or theirs.main is None:
        return True
    return ours.kernel.shape == theirs.kernel.shape and (
        ours.main.op == theirs.main.op
        and ours.main.attributes.get("transB") == theirs.main.attributes.get("transB")
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
