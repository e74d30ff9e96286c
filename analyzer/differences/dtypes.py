"""Element types that paired nodes disagree on."""

from collections.abc import Iterator

from analyzer.core.types import Aspect, Difference, Pair
from analyzer.differences.operators import couples

TYPED = {"Cast": "to", "EyeLike": "dtype"}
"""The attribute that says which dtype an operator makes."""


def compare_dtypes(pair: Pair) -> Iterator[Difference]:
    """Yield the dtypes that casts and the like give otherwise than their counterparts.

    Args:
        pair: Nodes of one macro operator on either side.

    Yields:
        Differences with ONNX's element type numbers.
    """
    for couple in couples(pair):
        source, target = couple.source, couple.target
        if source is None or target is None or source.op != target.op:
            continue
        field = TYPED.get(source.op, "")
        wanted, found = source.attributes.get(field), target.attributes.get(field)
        if wanted != found:
            yield Difference(Aspect.DTYPE, field, wanted, found, source, target)
