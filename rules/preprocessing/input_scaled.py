"""The target expects its input at another scale or offset than the source.

Cause
    Normalisation was lost, doubled or exchanged at conversion: values in [0, 255] where the
    model was trained on [0, 1] or [-1, 1], another mean, another standard deviation.

Evidence
    One of three. Right at the model's input, the source scales and shifts and the target
    does not, or the other way round. Or what the target makes of its input, scaled and
    shifted by one number per channel, is what the source makes of it, on every recorded
    sample. Or the first weights are the source's times a scale of images, and the region
    is right with the source's.

Repair
    Put the source's own scale on the input, take the target's out, or restore the weights.

Prevention
    Put the scale into the model before it is converted, so that every format carries it.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx

from analyzer.core.types import (
    Array,
    Aspect,
    Edit,
    Fault,
    FaultClass,
    Fix,
    InsertNode,
    Node,
    RemoveNode,
)
from rules.base import PROVEN, Example, Rule, Spot
from rules.carrying import inserted
from rules.changes import damaged, undoing
from rules.evidence import blamed, deviation, results
from rules.gaps import gap, skipped
from rules.models import chain, conv, layer
from rules.patterns import uniform_factor
from rules.regions import computed_inputs
from rules.wording import listed

AFFINE = frozenset({"Add", "Sub", "Mul", "Div", "BatchNormalization"})
PASSING = frozenset({"Cast", "Identity", "Transpose", "Reshape"})
SIZES = frozenset({"Shape", "Size", "ConstantOfShape"})
"""Operators that look at no number of what they read."""

STRUCTURAL = 0.9
"""Certainty where the repair has yet to prove what the structure says."""

CHANNEL_AXES = (1, -1)
"""Where channels lie in an image: NCHW and NHWC."""

IMAGE_SCALES = (127.5, 128.0, 255.0, 256.0, 65535.0, 65536.0)
"""What pixels of eight and of sixteen bits are divided by, to [0, 1] or to [-1, 1]."""

EXACTLY = 1e-3
"""Relative error of a scale that was multiplied into weights."""

FURTHER = 0.01
"""Confidence by which a change at the model's input outranks the same change elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)
class Rescaled:
    """The input whose scale differs, in words how, and the edits that undo it."""

    tensor: str
    how: str
    fixes: tuple[Fix, ...]
    spot: Spot


def detect(fault: Fault) -> Rescaled | None:
    if not fault.entries or fault.fault_class in {
        FaultClass.LOAD_FAILURE,
        FaultClass.RUNTIME,
    }:
        return None
    return _lost(fault) or _added(fault) or _refitted(fault) or _in_weights(fault)


def explain(cause: Rescaled) -> str:
    return f"{cause.tensor}: the target expects its input on another scale: {cause.how}"


def repair(cause: Rescaled) -> tuple[Fix, ...]:
    return cause.fixes


def sabotage(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto | None:
    del rng
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    real = onnx.TensorProto.FLOAT
    inputs = copy.graph.input
    names = {v.name for v in inputs if v.type.tensor_type.elem_type == real}
    computing = (node for node in copy.graph.node if node.op_type not in SIZES)
    for node in computing:
        for slot, name in enumerate(node.input):
            if name in names:
                return _rescaled(copy, node, slot)
    return None


def _rescaled(model: onnx.ModelProto, node: onnx.NodeProto, slot: int) -> onnx.ModelProto:
    """Return the model with its input halved before a node."""
    name = f"{node.input[slot]}_halved"
    half = onnx.numpy_helper.from_array(np.asarray(0.5, np.float32), f"{name}_by")
    model.graph.initializer.append(half)
    added = onnx.helper.make_node("Mul", [node.input[slot], half.name], [name], name=name)
    place = next(
        i for i, other in enumerate(model.graph.node) if other.output == node.output
    )
    node.input[slot] = name
    model.graph.node.insert(place, added)
    return model


def _lost(fault: Fault) -> Rescaled | None:
    """Return the scales that only the source applies to the model's input."""
    proven = skipped(fault)
    if not _all_affine(proven or fault.unpaired_source):
        return None
    if fault.unpaired_target and not proven:
        return None
    hole = gap(fault)
    if hole is None or hole.place.tensor not in fault.entries:
        return None
    edit = inserted(hole, fault)
    title = f"Scale {hole.place.tensor} as the source does"
    readers = tuple(name for node, _ in hole.readers for name in node.outputs)
    return Rescaled(
        hole.place.tensor,
        f"the source's {listed(hole.nodes)} is missing",
        () if edit is None else (Fix(title, (edit,)),),
        Spot(
            hole.nodes,
            edge=(hole.place.tensor, *readers),
            certainty=1.0 if proven else STRUCTURAL,
        ),
    )


def _added(fault: Fault) -> Rescaled | None:
    """Return the scales that only the target applies to the model's input."""
    proven = _proven_extra(fault)
    extra = proven or fault.unpaired_target
    if fault.unpaired_source or not _all_affine(extra) or not _reads_entry(extra[0], fault):
        return None
    edits: tuple[Edit, ...] = tuple(
        RemoveNode(node.name, node.inputs.index(computed_inputs(node)[0])) for node in extra
    )
    name = computed_inputs(extra[0])[0]
    return Rescaled(
        name,
        f"{listed(extra)} stands behind it and has no counterpart",
        (Fix(f"Leave {name} as it is", edits),),
        Spot((), extra, certainty=1.0 if proven else STRUCTURAL),
    )


def _refitted(fault: Fault) -> Rescaled | None:
    """Return the scale and offset that make right what the target makes of its input."""
    known = [node for node in fault.target.nodes if node.op in AFFINE | PASSING]
    if len(fault.target.outputs) != 1 or len(known) != len(fault.target.nodes):
        return None
    if not any(node.op in AFFINE for node in known):
        return None
    if blamed(fault):  # one constant alone explains it: that is the better explanation
        return None
    pairs = [(one, other) for _, one, other in results(fault)]
    fitted = next(
        (f for axis in CHANNEL_AXES if (f := _fit(pairs, axis, fault)) is not None), None
    )
    if fitted is None:
        return None
    factor, offset = fitted
    name = fault.target.outputs[0]
    edits = (
        InsertNode(name, "Add", {}, {1: offset}),
        InsertNode(name, "Mul", {}, {1: factor}),
    )
    ours, theirs = (listed(side.nodes) for side in (fault.source, fault.target))
    how = f"{theirs} stands where the source has {ours}"
    spot = Spot(fault.source.nodes, fault.target.nodes)
    fix = Fix(f"Bring {name} to the source's scale", edits)
    return Rescaled(fault.entries[0], how, (fix,), spot)


def _fit(
    pairs: list[tuple[Array, Array]], axis: int, fault: Fault
) -> tuple[Array, Array] | None:
    """Return factor and offset per channel, shaped to broadcast; None: they do not fit."""
    if not pairs or any(one.shape != other.shape or one.ndim < 2 for one, other in pairs):  # noqa: PLR2004 - batch and channels
        return None
    ours, theirs = (
        np.concatenate(
            [np.moveaxis(p[side], axis, 0).reshape(p[side].shape[axis], -1) for p in pairs],
            1,
        ).astype(np.float64)
        for side in (1, 0)
    )
    spread = theirs.var(axis=1)
    if not np.all(spread > 0):
        return None
    centred = (ours - ours.mean(1, keepdims=True)) * (
        theirs - theirs.mean(1, keepdims=True)
    )
    factor = centred.mean(axis=1) / spread
    offset = ours.mean(axis=1) - factor * theirs.mean(axis=1)
    shape = [1] * pairs[0][0].ndim
    shape[axis] = -1
    dtype = pairs[0][0].dtype
    a, b = (np.asarray(v.reshape(shape), dtype=dtype) for v in (factor, offset))
    worst = max(deviation(one * a + b, other) for one, other in pairs)
    return (a, b) if worst <= fault.noise_floor else None


def _in_weights(fault: Fault) -> Rescaled | None:
    """Return the factor on the first weights, where undoing it cures the region."""
    found = damaged(fault, _kernel_factor)
    if found is None or not _reads_entry(found.change.node, fault):
        return None
    node = found.change.node
    return Rescaled(
        computed_inputs(node)[0],
        f"the weights of {node.name} are {found.pattern:.6g} times the source's",
        undoing(f"Restore the weights of {node.name}", found.change),
        found.spot,
    )


def _kernel_factor(source: Array, target: Array) -> float | None:
    is_kernel = source.ndim > 1  # a bias can be scaled for other reasons
    factor = uniform_factor(source, target) if is_kernel else None
    if factor is None:
        return None
    scale = max(abs(factor), 1.0 / abs(factor))
    known = any(abs(scale - one) <= EXACTLY * one for one in IMAGE_SCALES)
    return factor if known else None  # any other factor is the weights' own


def _proven_extra(fault: Fault) -> tuple[Node, ...]:
    """Return the target's own operators without which the region is right."""
    return tuple(
        one.target_node
        for one in blamed(fault)
        if one.aspect is Aspect.OPERATOR and one.source_node is None and one.target_node
    )[:1]


def _all_affine(nodes: tuple[Node, ...]) -> bool:
    return bool(nodes) and all(
        node.op in AFFINE and len(computed_inputs(node)) == 1 for node in nodes
    )


def _reads_entry(node: Node, fault: Fault) -> bool:
    """Return whether a target node reads an input of the model, but for its layout."""
    given_by = {name: one for one in fault.target.nodes for name in one.outputs}
    name = computed_inputs(node)[0]
    while name in given_by and given_by[name].op in PASSING:
        name = given_by[name].inputs[0]
    return name in fault.entries


def number(value: float) -> Array:
    """Return a float32 scalar."""
    return np.asarray(value, dtype=np.float32)


RULE = Rule(
    slug="input-scaled",
    fault_class=FaultClass.PREPROCESSING,
    confidence=PROVEN + FURTHER,
    detect=detect,
    explain=explain,
    repair=repair,
    sabotage=sabotage,
    examples=(
        Example(
            source=partial(
                chain, layer("Sub", number(0.5)), layer("Div", number(0.25)), conv()
            ),
            target=partial(chain, conv()),
        ),
        Example(
            source=partial(chain, conv(), layer("Relu")),
            target=partial(chain, layer("Div", number(255.0)), conv(), layer("Relu")),
        ),
        Example(
            source=partial(
                chain,
                layer("Mul", number(2.0)),
                layer("Sub", number(1.0)),
                conv(),
                layer("Relu"),
            ),
            target=partial(chain, layer("Div", number(255.0)), conv(), layer("Relu")),
        ),
    ),
)
