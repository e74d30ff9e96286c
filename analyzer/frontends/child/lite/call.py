"""One TFLite operator as the function that draws it sees it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import helper

from analyzer.core.errors import LoadError
from analyzer.core.types import Array, Permutation
from analyzer.frontends.child.lite.draft import IMAGE_RANK, INNER, Draft, Layout
from analyzer.frontends.child.lite.facts import NOTHING, Operator, Tensor

FARTHEST = np.iinfo(np.int64).max
"""A Slice that ends here goes to the end of its axis."""

NEAREST = np.iinfo(np.int64).min
"""A backward Slice that ends here goes to the start of its axis."""


CHOSEN = tuple(
    np.dtype(name) for name in ("float16", "float32", "float64", "uint8", "int32", "int64")
)
"""Element types among which Where runs; the others fit into an int32."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A tensor that an operator's function gives, in a layout of its own choice."""

    name: str
    layout: Layout = Layout.STRAIGHT


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """An operator, the tensors it reads, and the draft it is drawn into.

    Attributes:
        draft: Where nodes go.
        operator: What is drawn.
        made: Tensors drawn for it so far.
    """

    draft: Draft
    operator: Operator
    made: list[str] = field(default_factory=list)

    @property
    def options(self) -> Any:
        """Its options table, as the schema has it."""
        return self.operator.options

    @property
    def count(self) -> int:
        """How many inputs it lists."""
        return len(self.operator.inputs)

    @property
    def output(self) -> Tensor:
        """Its first output."""
        return self.draft.graph.tensors[self.operator.outputs[0]]

    def has(self, slot: int) -> bool:
        """Return whether it reads anything in a slot."""
        return slot < self.count and self.operator.inputs[slot] != NOTHING

    def tensor(self, slot: int) -> Tensor:
        """Return what it reads in a slot."""
        if not self.has(slot):
            raise self.refusal(f"it has no input {slot}")
        return self.draft.graph.tensors[self.operator.inputs[slot]]

    def sizes(self, slot: int) -> tuple[int, ...]:
        """Return the sizes of an input, -1 where one is free."""
        return self.tensor(slot).sizes

    def rank(self, slot: int) -> int:
        """Return the number of axes of an input."""
        return len(self.tensor(slot).sizes)

    def axis(self, number: int, slot: int = 0) -> int:
        """Return an axis of an input counted from the start.

        Args:
            number: Of an axis, negative from the end.
            slot: Which input.
        """
        return number % self.rank(slot) if self.rank(slot) else 0

    def refusal(self, reason: str) -> LoadError:
        """Return the error for an operator that cannot be drawn, which names it."""
        operator = self.operator
        return LoadError(
            f"operator {operator.place} of the flatbuffer, {operator.kind} that gives "
            f"{self.output.name}: {reason}",
            hint="give an .onnx export of the model, or convert it without that operator",
        )

    def constant(self, slot: int) -> Array | None:
        """Return the constant in a slot as stored, None where it is computed or absent."""
        if not self.has(slot):
            return None
        root = self.draft.root(self.operator.inputs[slot])
        return None if root is None else self.draft.graph.tensors[root].value

    def integers(self, slot: int, called: str) -> tuple[int, ...]:
        """Return a constant's integers, one axis.

        Args:
            slot: The input.
            called: What they are, for the error.

        Raises:
            LoadError: They are computed.
        """
        value = self.constant(slot)
        if value is None:
            raise self.refusal(f"its {called} is computed, where only a constant is known")
        return tuple(int(one) for one in value.reshape(-1))

    def real(self, slot: int, layout: Layout = Layout.STRAIGHT, *, rank: int = 0) -> str:
        """Return an input in floats where it is on a grid, else as it is.

        Args:
            slot: Which input.
            layout: How a tensor of four axes is to lie.
            rank: A constant gets axes of size 1 before its own up to this.
        """
        index = self.operator.inputs[slot]
        root = self.draft.root(index)
        if root is None:
            return self.draft.real(index, layout)
        axes = layout.value if layout is not Layout.STRAIGHT else ()
        return self.draft.constant(root, axes, rank if axes else 0)

    def image(self, slot: int = 0) -> str:
        """Return an input of four axes as [N, C, H, W]."""
        if self.rank(slot) != IMAGE_RANK:
            raise self.refusal(f"its input {slot} has {self.rank(slot)} axes, not 4")
        return self.real(slot, Layout.IMAGE, rank=IMAGE_RANK)

    def weight(self, slot: int, axes: Permutation) -> str:
        """Return an input with its axes in another order, a constant for a constant."""
        index = self.operator.inputs[slot]
        root = self.draft.root(index)
        if root is not None:
            return self.draft.constant(root, axes, len(axes))
        return self.add("Transpose", self.real(slot), perm=axes)

    def plain(self, slot: int) -> str:
        """Return an input as the flatbuffer has it, integers of a grid as integers."""
        index = self.operator.inputs[slot]
        root, value = self.draft.root(index), self.tensor(slot).value
        if root is None:
            return self.draft.plain(index, Layout.STRAIGHT)
        if value is not None and self.tensor(slot).grid is not None:
            return self.hold(value)
        return self.draft.constant(root, (), 0)  # what a DEQUANTIZE gives has no grid

    def whole(self, slot: int) -> str:
        """Return an input of integers as int64, which ONNX wants sizes and axes in."""
        value = self.constant(slot)
        if value is not None:
            return self.hold(value.astype(np.int64))
        if self.tensor(slot).dtype == np.int64:
            return self.plain(slot)
        return self.cast(self.plain(slot), np.int64)

    def vector(self, slot: int) -> str:
        """Return an input of integers as int64 of one axis."""
        value = self.constant(slot)
        if value is not None:
            return self.hold(value.astype(np.int64).reshape(-1))
        return self.add("Reshape", self.whole(slot), self.hold(np.array([-1])))

    def layout(self, *slots: int) -> Layout:
        """Return the layout in which inputs can be computed with the least transposes.

        Args:
            slots: The inputs that must lie alike.
        """
        computed = [slot for slot in slots if self.constant(slot) is None]
        ranks = {self.rank(slot) for slot in computed}
        known = [self.rank(slot) for slot in slots]
        images = [self.draft.is_image(self.operator.inputs[slot]) for slot in computed]
        fits = ranks == {IMAGE_RANK} and max(known) == IMAGE_RANK
        return Layout.IMAGE if fits and any(images) else Layout.STRAIGHT

    def laid(self, axis: int, layout: Layout) -> int:
        """Return where an axis of the first input is, when that lies as said."""
        place = self.axis(axis)
        return layout.value.index(place) if layout is Layout.IMAGE else place

    def hold(self, value: Array) -> str:
        """Return the name of a constant of the operator's own."""
        name = f"{self.output.name}{INNER}constant"
        return self.draft.shared.hold(name, np.asarray(value))

    def number(self, value: float, slot: int = 0) -> str:
        """Return the name of a scalar that computes with an input, of the same dtype."""
        dtype = self.tensor(slot).dtype
        kept = np.float32 if self.tensor(slot).grid is not None else dtype
        return self.hold(np.array(value, kept))

    def add(self, op: str, *inputs: str, **options: Any) -> str:
        """Return the output of a new node.

        Args:
            op: ONNX operator.
            inputs: What it reads.
            options: Its attributes.
        """
        return self.adds(op, *inputs, outputs=1, **options)[0]

    def adds(self, op: str, *inputs: str, outputs: int, **options: Any) -> tuple[str, ...]:
        """Return the outputs of a new node.

        Args:
            op: ONNX operator.
            inputs: What it reads.
            outputs: How many it gives.
            options: Its attributes.
        """
        wanted = f"{self.output.name}{INNER}{op}"
        names = [self.draft.shared.fresh(wanted) for _ in range(outputs)]
        self.draft.add(op, inputs, names, **options)
        self.made.extend(names)
        return tuple(names)

    def cast(self, name: str, dtype: Any) -> str:
        """Return a tensor in another dtype."""
        return self.add("Cast", name, to=element(dtype))

    def chosen(self, condition: str, yes: str, no: str, dtype: Any) -> str:
        """Return one of two tensors, element by element.

        Args:
            condition: Which.
            yes: Where it is true.
            no: Where it is not.
            dtype: Theirs; ONNX Runtime chooses among some only.
        """
        if dtype in CHOSEN:
            return self.add("Where", condition, yes, no)
        wide = (self.cast(one, np.int32) for one in (yes, no))
        return self.cast(self.add("Where", condition, *wide), dtype)

    def given(self, name: str) -> str:
        """Return a tensor of integers in the dtype that the operator's output has."""
        return self.cast(name, self.output.dtype)


def element(dtype: Any) -> int:
    """Return ONNX's number for a NumPy dtype."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
