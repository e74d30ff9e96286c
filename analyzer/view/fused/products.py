"""Products of several weights side by side, whose result is only split again.

One side may compute query, key and value in one product, the other in three. Written apart,
each column of the weight belongs to the tensor it serves.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import onnx
from onnx import helper, numpy_helper

from analyzer.core.graph import reads
from analyzer.core.tensors import is_external
from analyzer.view.fused.known import UNKNOWN, Tensors
from analyzer.view.fused.steps import Steps, inner, step, whole

SPLIT = "Split"
"""Asks for products to be written apart, beside the types of `SPELLED`."""

MATRIX = 2
BIAS = 2
"""Slot of a Gemm's bias."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SplitProduct:
    """A product, the sum with a bias behind it, and the Split that alone reads the result.

    Attributes:
        product: A MatMul or a Gemm.
        added: The Add behind it; None where there is none.
        split: The Split.
        bounds: Where each part begins, and the end of the last one.
    """

    product: onnx.NodeProto
    added: onnx.NodeProto | None
    split: onnx.NodeProto
    bounds: tuple[int, ...]

    @property
    def nodes(self) -> tuple[onnx.NodeProto, ...]:
        """The nodes that are written apart."""
        return (self.product, *([self.added] if self.added else ()), self.split)


@dataclass(frozen=True, slots=True, eq=False)
class _Graph:
    """A graph's nodes, constants and what is known of its tensors."""

    constants: Mapping[str, onnx.TensorProto]
    tensors: Tensors

    def shape(self, name: str) -> Shape | None:
        """Return the shape of a constant; None for anything else."""
        return tuple(self.constants[name].dims) if name in self.constants else None

    def sizes(self, split: onnx.NodeProto, width: int) -> Shape:
        """Return the widths of a Split's parts; nothing where the file does not say."""
        stated = {one.name: helper.get_attribute_value(one) for one in split.attribute}
        if "split" in stated:
            return tuple(stated["split"])
        if len(split.input) < 2:  # noqa: PLR2004 - parts of one width, given in slot 1
            parts = len(split.output)
            return (width // parts,) * parts if width % parts == 0 else ()
        known = self.constants.get(split.input[1])
        if known is None or is_external(known):
            return ()
        return tuple(map(int, numpy_helper.to_array(known)))


def split_products(
    graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto], tensors: Tensors
) -> Iterator[SplitProduct]:
    """Yield the products of a graph whose result nothing but a Split reads.

    Args:
        graph: Gives initializers and outputs.
        nodes: Its nodes, as they are now.
        tensors: What is known of its tensors.
    """
    if all(node.op_type != SPLIT for node in nodes):
        return
    constants = {one.name: one for one in graph.initializer}
    constants |= {node.output[0]: node.attribute[0].t for node in nodes if _is_stated(node)}
    known = _Graph(constants, tensors)
    read = Counter(name for node in nodes for name in reads(node))
    read.update(value.name for value in graph.output)
    once = {
        name: node for node in nodes for name in node.output if name and read[name] == 1
    }
    for split in nodes:
        if (
            split.op_type == SPLIT
            and not split.domain
            and split.input
            and all(split.output)
        ):
            found = _behind(split, once, known)
            yield from () if found is None else (found,)


def _is_stated(node: onnx.NodeProto) -> bool:
    return node.op_type == "Constant" and any(one.name == "value" for one in node.attribute)


def _behind(
    split: onnx.NodeProto, once: Mapping[str, onnx.NodeProto], known: _Graph
) -> SplitProduct | None:
    """Return the product a Split cuts; None where it cuts something else."""
    before = once.get(split.input[0])
    added = before if before is not None and before.op_type == "Add" else None
    summed = [name for name in added.input if name not in known.constants] if added else []
    product = once.get(summed[0]) if len(summed) == 1 else before
    if product is None or product is added or not _is_product(product, known):
        return None
    width = _width(product, known)
    offsets = [name for name in (added.input if added else ()) if name not in summed]
    offsets += product.input[BIAS:]
    if any((known.shape(name) or (0,))[-1] != width for name in offsets):
        return None
    sizes = known.sizes(split, width)
    if sum(sizes) != width or len(sizes) != len(split.output):
        return None
    if not _cuts_columns(split, product, offsets, known):
        return None
    return SplitProduct(product, added, split, (0, *accumulate(sizes)))


def _is_product(node: onnx.NodeProto, known: _Graph) -> bool:
    """Return whether a node multiplies what is computed by a constant matrix."""
    if node.domain or node.op_type not in {"MatMul", "Gemm"} or len(node.input) < MATRIX:
        return False
    weight = known.shape(node.input[1])
    return node.input[0] not in known.constants and len(weight or ()) == MATRIX


def _width(product: onnx.NodeProto, known: _Graph) -> int:
    return (known.shape(product.input[1]) or (0, 0))[_columns(product)]


def _columns(product: onnx.NodeProto) -> int:
    """Return the axis of a weight that holds the columns of the result."""
    return 0 if any(one.name == "transB" and one.i for one in product.attribute) else 1


def _cuts_columns(
    split: onnx.NodeProto, product: onnx.NodeProto, offsets: Sequence[str], known: _Graph
) -> bool:
    """Return whether a Split cuts the last axis, which holds the columns."""
    axis = next((one.i for one in split.attribute if one.name == "axis"), 0)
    if any(len(known.shape(name) or ()) > 1 for name in offsets):
        return False  # a sum may raise the rank
    rank = known.tensors.get(split.input[0], UNKNOWN).rank
    if rank is None and product.op_type == "Gemm":
        rank = MATRIX
    if rank is None:
        rank = known.tensors.get(product.input[0], UNKNOWN).rank
    return axis == -1 or (rank is not None and axis == rank - 1)


def apart(one: SplitProduct) -> Iterator[tuple[onnx.NodeProto, onnx.NodeProto]]:
    """Yield the operators that give each part for itself, in the order they compute.

    Args:
        one: What is written apart.

    Yields:
        The node that each operator is a part of, and the operator, its inner tensors
        marked as such.
    """
    for place, (start, end) in enumerate(pairwise(one.bounds)):
        whole_result = one.split.output[place]
        result = inner(f"product_{place}") if one.added else whole_result
        read = [one.product.input[0]]
        for name, axis in ((one.product.input[1], _columns(one.product)),
                           *((name, -1) for name in one.product.input[BIAS:])):  # fmt: skip
            piece = inner(f"{'bias' if axis < 0 else 'weight'}_{place}")
            read.append(piece)
            yield from (
                (one.product, node) for node in _cut(name, piece, (start, end), axis)
            )
        product = step(one.product.op_type, read, result)
        product.attribute.extend(one.product.attribute)
        product.name = f"{one.product.op_type}_{place}"
        yield one.product, product
        if one.added is not None:
            yield from ((one.added, node) for node in _sum(one, place, (start, end)))


def _cut(name: str, piece: str, ends: tuple[int, int], axis: int) -> Steps:
    """Return what cuts a piece out of a constant, along an axis."""
    key = piece.removeprefix(inner(""))
    names = [inner(f"{word}_{key}") for word in ("start", "end", "axis")]
    stated = (whole(k, v) for k, v in zip(names, (*ends, axis), strict=True))
    return (*stated, step("Slice", (name, *names), piece))


def _sum(one: SplitProduct, place: int, ends: tuple[int, int]) -> Steps:
    """Return the sum of one part with its share of the bias."""
    read = [*one.added.input] if one.added else []
    summed = next(slot for slot, name in enumerate(read) if name == one.product.output[0])
    piece = inner(f"offset_{place}")
    pieces = _cut(read[1 - summed], piece, ends, -1)
    pair = [piece, piece]
    pair[summed] = inner(f"product_{place}")
    added = step("Add", pair, one.split.output[place])
    added.name = f"Add_{place}"
    return (*pieces, added)
