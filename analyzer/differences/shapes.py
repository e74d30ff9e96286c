"""Shapes that paired reshaping operators are told to make."""

from collections.abc import Iterator

from analyzer.core.settings import setting_slot, settings
from analyzer.core.types import Aspect, AttributeValue, Difference, Node, Permutation
from analyzer.differences.layout import Layouts
from analyzer.differences.operators import couples

WILD = frozenset({-1, 0})
"""Sizes that a Reshape infers or copies."""


def compare_shapes(layouts: Layouts) -> Iterator[Difference]:
    """Yield the shapes that cannot be one, wildcards and layout considered.

    Args:
        layouts: The pair, with its edges.
    """
    for couple in couples(layouts.pair):
        source, target = couple.source, couple.target
        if source is None or target is None or source.op != target.op:
            continue
        ours, theirs = settings(source).get("shape"), settings(target).get("shape")
        if not isinstance(ours, tuple) or not isinstance(theirs, tuple):
            continue
        wanted = _in_layout(ours, layouts.outputs(source, target))
        if not _may_agree(wanted, theirs):
            found = settings(target).get("shape")
            yield _difference(source, target, wanted, found)


def _in_layout(shape: AttributeValue, order: Permutation | None) -> tuple[int, ...]:
    sizes = tuple(int(size) for size in shape) if isinstance(shape, tuple) else ()
    if order is None or len(order) != len(sizes) or 0 in sizes:
        return sizes
    return tuple(sizes[axis] for axis in order)


def _may_agree(wanted: tuple[int, ...], found: tuple[int | float | str, ...]) -> bool:
    if len(wanted) != len(found):
        return False
    both = zip(wanted, found, strict=True)
    return all(a == b or a in WILD or b in WILD for a, b in both)


def _difference(
    source: Node,
    target: Node,
    wanted: tuple[int, ...],
    found: AttributeValue | None,
) -> Difference:
    slot = setting_slot(target.op, "shape", target.opset)
    return Difference(
        Aspect.SHAPE,
        "shape",
        wanted,
        found,
        source,
        target,
        -1 if slot is None else slot,
    )
