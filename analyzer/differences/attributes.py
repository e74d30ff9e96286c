"""Settings of paired operators: attributes, constant inputs or defaults."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx

from analyzer.core.changes import SEMANTICS
from analyzer.core.graph import schema_defaults
from analyzer.core.permutations import composed, inverse
from analyzer.core.settings import NOT_COMPUTED_WITH, setting_slot, settings
from analyzer.core.spelling import PER_AXIS_SOFTMAX, SOFTMAXES
from analyzer.core.types import Aspect, AttributeValue, Difference, Node, Permutation
from analyzer.differences.axes import in_target_axes, same_axes
from analyzer.differences.layout import Layouts
from analyzer.differences.operators import couples
from analyzer.differences.padding import compare_padding
from analyzer.differences.transposed import SPOKEN_OF, compare_cuts, is_known

Values = Mapping[str, AttributeValue]

SETTING_NOISE = 1e-6
"""Relative deviation of two float settings that are one: a float32 written as a decimal."""

ELSEWHERE = {
    "Conv": frozenset({"kernel_shape", "pads", "auto_pad"}),
    "ConvTranspose": frozenset({"kernel_shape"}),
    "MaxPool": frozenset({"pads", "auto_pad"}),
    "AveragePool": frozenset({"pads", "auto_pad"}),
    "LpPool": frozenset({"pads", "auto_pad"}),
    "Transpose": frozenset({"perm"}),
    "Cast": frozenset({"to"}),
    "Reshape": frozenset({"shape"}),
    "Expand": frozenset({"shape"}),
    "ConstantOfShape": frozenset({"shape"}),
    "LSTM": frozenset({"hidden_size"}),
    "GRU": frozenset({"hidden_size"}),
    "RNN": frozenset({"hidden_size"}),
}
"""Settings that weights imply, or that another module compares."""

PLAIN = (int, float, str, tuple)
"""Kinds of values that Python compares by itself, in a hundredth of NumPy's time."""

RANKED = {"strides": 1, "dilations": 1}
"""Attributes whose absence means this number on every spatial axis."""

DEPENDENT = {
    "cubic_coeff_a": ("mode", "cubic"),
    "nearest_mode": ("mode", "nearest"),
    "extrapolation_value": ("coordinate_transformation_mode", "tf_crop_and_resize"),
    "value": ("mode", "constant"),
    "roi": ("coordinate_transformation_mode", "tf_crop_and_resize"),
}
"""Settings that mean nothing unless another one has a certain value."""

RECURRENT = {
    "LSTM": ("Sigmoid", "Tanh", "Tanh"),
    "GRU": ("Sigmoid", "Tanh"),
    "RNN": ("Tanh",),
}
"""Activations that a recurrent operator uses where it names none."""


@dataclass(frozen=True, slots=True, eq=False)
class Twins:
    """Two nodes of the same operator, with what is known of their layout."""

    source: Node
    target: Node
    permutation: Permutation | None
    rank: int | None


def compare_attributes(layouts: Layouts) -> Iterator[Difference]:
    """Yield the settings that paired operators of one kind disagree on.

    Args:
        layouts: The pair, with its edges.

    Yields:
        Differences whose source value is spelled for the target's layout.
    """
    for couple in couples(layouts.pair):
        source, target = couple.source, couple.target
        if source is None or target is None or source.op != target.op:
            continue
        twins = Twins(
            source, target, layouts.inputs(source, target), layouts.rank(source, target)
        )
        yield from compare_padding(layouts, source, target)
        yield from compare_cuts(layouts, source, target)
        yield from _compare_perm(layouts, source, target)
        done = SPOKEN_OF if is_known(layouts, source, target) else frozenset()
        yield from _compare_settings(twins, done)


def _compare_settings(twins: Twins, done: frozenset[str]) -> Iterator[Difference]:
    source, target = twins.source, twins.target
    if source.op in SOFTMAXES and _epoch(source) != _epoch(target):
        yield from _compare_softmax(twins)
        return
    ours = in_target_axes(source, target, twins.permutation, twins.rank)
    theirs = settings(target)
    skipped = done | NOT_COMPUTED_WITH | ELSEWHERE.get(source.op, frozenset())
    for field in sorted((ours.keys() | theirs.keys()) - skipped):
        if _idle(field, ours) and _idle(field, theirs):
            continue
        value, found = (
            _filled(field, node, values)
            for node, values in ((source, ours), (target, theirs))
        )
        if _same(field, value, found, twins) or _is_graph(value, found):
            continue
        if None not in (value, found) or not _is_default(field, twins, value, found):
            yield _difference(twins, field, value, found)


def _difference(
    twins: Twins, field: str, value: AttributeValue | None, found: AttributeValue | None
) -> Difference:
    slot = setting_slot(twins.target.op, field, twins.target.opset)
    return Difference(
        Aspect.ATTRIBUTE,
        field,
        value,
        found,
        twins.source,
        twins.target,
        -1 if slot is None else slot,
    )


def _same(
    field: str, value: AttributeValue | None, found: AttributeValue | None, twins: Twins
) -> bool:
    if field in {"axis", "axes"} and value is not None and found is not None:
        return same_axes(value, found, twins.rank)
    if value is None or found is None:
        return value is found
    plain = isinstance(value, PLAIN) and isinstance(found, PLAIN)
    if plain and value == found:
        return True
    if isinstance(value, str) or isinstance(found, str):
        return False
    if isinstance(value, tuple) and value and isinstance(value[0], str):
        return value == found
    return _same_numbers(value, found)


def _same_numbers(value: AttributeValue, found: AttributeValue) -> bool:
    if _is_graph(value, found):
        return True
    ours, theirs = (np.asarray(item) for item in (value, found))
    if ours.shape != theirs.shape and ours.size != theirs.size:
        return False
    if "O" in (ours.dtype.kind, theirs.dtype.kind) or ours.dtype.kind in "US":
        return bool(np.array_equal(ours, theirs))
    return bool(
        np.allclose(
            ours.ravel().astype(np.float64),
            theirs.ravel().astype(np.float64),
            rtol=SETTING_NOISE,
            atol=0,
            equal_nan=True,
        )
    )


def _is_graph(*values: AttributeValue | None) -> bool:
    """Return whether a value is a subgraph, whose own nodes no pair compares here."""
    return any(isinstance(value, onnx.GraphProto) for value in values)


def _filled(field: str, node: Node, values: Values) -> AttributeValue | None:
    """Return a setting, or what its absence means where the schema states no default."""
    if field == "activations" and node.op in RECURRENT and field not in values:
        ways = 2 if values.get("direction") == "bidirectional" else 1
        return RECURRENT[node.op] * ways
    value = values.get(field)
    if value is not None or field not in RANKED:
        return value
    kernel = values.get("kernel_shape")
    weight = node.constants.get(1)
    spatial = (
        len(kernel)
        if isinstance(kernel, tuple)
        else weight.ndim - 2
        if weight is not None
        else 0
    )
    return (RANKED[field],) * spatial if spatial else None


def _is_default(
    field: str, twins: Twins, value: AttributeValue | None, found: AttributeValue | None
) -> bool:
    """Return whether the one value there is says what its own opset assumes anyway."""
    node, stated = (twins.source, value) if found is None else (twins.target, found)
    default = schema_defaults(node.op, node.opset, node.domain).get(field)
    if stated is None:
        return True
    if isinstance(stated, tuple) and field in RANKED:
        return all(number == RANKED[field] for number in stated)
    if default is None:
        return node.op == "Clip" and abs(float(np.asarray(stated))) >= FLOAT_RANGE
    return _same(field, default, stated, replace(twins, rank=None))


FLOAT_RANGE = float(np.finfo(np.float32).max)
"""A bound this far out bounds nothing; Clip-6 writes it for an absent one."""


def _idle(field: str, values: Values) -> bool:
    """Return whether a setting means nothing beside the node's other settings."""
    if field in {"ceil_mode", "count_include_pad"} and field == "count_include_pad":
        return not any(_pads(values))
    if field == "allowzero":
        shape = values.get("shape")
        return isinstance(shape, tuple) and 0 not in shape
    if field not in DEPENDENT:
        return False
    other, needed = DEPENDENT[field]
    return values.get(other, needed) != needed


def _pads(values: Values) -> tuple[int, ...]:
    if values.get("auto_pad", "NOTSET") not in {"NOTSET", "VALID"}:
        return (1,)
    pads = values.get("pads", ())
    return tuple(int(p) for p in pads) if isinstance(pads, tuple) else ()


def _epoch(node: Node) -> bool:
    return node.opset >= PER_AXIS_SOFTMAX


def _compare_softmax(twins: Twins) -> Iterator[Difference]:
    """Yield a difference where the axis is not the last, so that the meanings part."""
    source, target, rank = twins.source, twins.target, twins.rank
    axis = in_target_axes(source, target, twins.permutation, rank)["axis"]
    found = target.attributes["axis"]
    if same_axes(axis, found, rank) and same_axes(found, -1, rank):
        return
    wanted = (axis % rank, rank) if rank is not None and isinstance(axis, int) else ()
    yield Difference(Aspect.ATTRIBUTE, SEMANTICS, wanted, found, source, target)


def _compare_perm(layouts: Layouts, source: Node, target: Node) -> Iterator[Difference]:
    """Yield a difference where a Transpose moves axes otherwise than its counterpart."""
    if source.op != "Transpose":
        return
    ours, theirs = (_perm(node) for node in (source, target))
    before, after = layouts.inputs(source, target), layouts.outputs(source, target)
    if ours is None or theirs is None or len(ours) != len(theirs):
        return
    whole = composed(inverse(before), ours, after)
    needed = whole if whole is not None else tuple(range(len(theirs)))
    if needed != theirs:
        yield Difference(Aspect.ATTRIBUTE, "perm", needed, theirs, source, target)


def _perm(node: Node) -> Permutation | None:
    perm = node.attributes.get("perm")
    return tuple(int(axis) for axis in perm) if isinstance(perm, tuple) else None
