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
        if not isinstance(theirs, tuple):
            continue
        order = layouts.outputs(source, target)
        wanted = _in_layout(ours, order) if isinstance(ours, tuple) else None
        if wanted is None or _may_agree(wanted, theirs):
            seen = layouts.source_shapes.get(source.outputs[0], ())
            given = layouts.target_shapes.get(target.inputs[0], ())
            wanted = _thawed(_in_layout(seen, order), theirs, given, wanted)
        if wanted is not None:
            yield _difference(source, target, wanted, theirs)


def _thawed(
    seen: tuple[int, ...],
    found: tuple[int | float | str, ...],
    given: tuple[int, ...],
    stated: tuple[int, ...] | None,
) -> tuple[int, ...] | None:
    """Return a shape that holds at the size seen too; None where the one found does.

    Args:
        seen: What the source's operator gave.
        found: The shape in the target.
        given: Shape of what the target's operator reads; empty: unknown.
        stated: The shape in the source, in the target's layout; None: it is computed.
    """
    frozen = _frozen(seen, found)
    if not frozen:
        return None
    if stated is not None:
        return stated
    sizes = [int(size) for size in found]
    for axis in frozen:
        sizes[axis] = 0 if given[axis : axis + 1] == seen[axis : axis + 1] else -1
    return tuple(sizes) if sizes.count(-1) <= 1 else None


def _frozen(seen: tuple[int, ...], found: tuple[int | float | str, ...]) -> tuple[int, ...]:
    """Return the axes at which a shape names another size than the one seen."""
    if len(seen) != len(found):
        return ()
    both = enumerate(zip(seen, found, strict=True))
    return tuple(axis for axis, (a, b) in both if b not in WILD and a != b)


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
