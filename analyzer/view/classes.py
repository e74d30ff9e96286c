"""Which tensors carry the model's values, and which only its shapes or its constants."""

from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from typing import NamedTuple

import numpy as np
import onnx

from analyzer.core.graph import as_node, node_reads, opsets, reads
from analyzer.core.types import Array, Node
from analyzer.runtime.order import forward_order, in_order
from analyzer.view.absorb import SAME_VALUES_OPS

SHAPE_OPS = frozenset({"Shape", "Size"})
"""What they give depends on their input's shape alone."""

MOVING_OPS = SAME_VALUES_OPS | {"Concat", "Slice", "Split", "Gather"}
"""Every element of what they give is one of those they read."""

KNOWN_DOMAINS = frozenset(
    {"", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training"}
    | {"com.microsoft", "com.microsoft.nchwc", "com.microsoft.experimental"}
    | {"com.ms.internal.nhwc", "org.pytorch.aten"}
)
"""Domains whose operators ONNX Runtime brings along; others need a library of their own."""

RANDOM_OPS = frozenset(
    {
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
        "Multinomial",
        "Bernoulli",
    }
)
"""Two runs of these never agree, so nothing they give can be compared."""


ODD_OPS = SHAPE_OPS | RANDOM_OPS | {"CastLike"}
"""What they give does not simply depend on the values of all they read."""


class Step(NamedTuple):
    """A node of the main graph, its place in the file, and every tensor that it reads."""

    place: int
    node: Node
    reads: tuple[str, ...]

    @property
    def valued(self) -> tuple[str, ...]:
        """The tensors whose values it reads; of CastLike's second only the type counts."""
        return self.reads[:1] if self.node.op == "CastLike" else self.reads


Steps = tuple[Step, ...]


def steps_of(model: onnx.ModelProto, values: Mapping[str, Array]) -> Steps:
    """Return the main graph's nodes so that each tensor is given before it is read.

    Files do not always list them so: a converter that adds casts puts them last.

    Args:
        model: The pivot's proto.
        values: Its constants; Constant nodes among them are no steps.
    """
    versions = opsets(model)
    nodes = [
        as_node(proto, values, versions)
        for proto in model.graph.node
        if proto.op_type != "Constant" or proto.output[0] not in values
    ]
    read = [node_reads(node) for node in nodes]
    order = in_order(read, [node.outputs for node in nodes])
    return tuple(Step(place, nodes[place], read[place]) for place in order)


def waves(
    inputs: Iterable[str], steps: Steps, fixed: Collection[str]
) -> tuple[Steps, frozenset[str]]:
    """Return the steps that compute with the model's inputs, and their dynamic tensors.

    A tensor is dynamic when its values depend on those of the inputs: what depends on
    constants and shapes alone (shape arithmetic, folded weights, the zero state of a
    recurrent layer) is not. What nobody gives is: what should have given it did compute.

    Args:
        inputs: The model's inputs.
        steps: See `steps_of`.
        fixed: The model's constants, by name.

    Returns:
        The steps wave by wave: a wave holds, in the file's order, what can run once the
        waves before it have. Then the tensors.
    """
    still = set(fixed)
    wave_of = dict.fromkeys(inputs, 0)
    found: dict[int, list[Step]] = {}
    for step in steps:
        before = [wave_of.setdefault(name, 0) for name in step.reads if name not in still]
        given = filter(None, step.node.outputs)
        if not (before if step.node.op not in ODD_OPS else _is_moving(step, still)):
            still.update(given)
            continue
        wave = 1 + max(before, default=0)
        found.setdefault(wave, []).append(step)
        wave_of |= dict.fromkeys(given, wave)
    ordered = chain.from_iterable(sorted(found[wave]) for wave in sorted(found))
    return tuple(ordered), frozenset(wave_of)


def _is_moving(step: Step, still: set[str]) -> bool:
    """Return whether what a step gives depends on the values of the model's inputs."""
    if step.node.op in SHAPE_OPS and not step.node.domain:
        return False
    return step.node.op in RANDOM_OPS or not still.issuperset(step.valued)


def dynamic_tensors(model: onnx.ModelProto) -> frozenset[str]:
    """Return the tensors whose values depend on the values of a model's inputs."""
    weights = {tensor.name for tensor in model.graph.initializer}
    given = {
        node.output[0]
        for node in model.graph.node
        if node.op_type == "Constant" and not node.domain and node.attribute
    }
    sparse = {tensor.values.name for tensor in model.graph.sparse_initializer}
    fixed = weights | given | sparse
    unread = np.empty(0)  # which tensors are constants decides, not what they hold
    inputs = [value.name for value in model.graph.input if value.name not in weights]
    return waves(inputs, steps_of(model, dict.fromkeys(fixed, unread)), fixed)[1]


def rounded_tensors(steps: Steps, dynamic: Collection[str]) -> frozenset[str]:
    """Return the constants that stand on an integer grid behind a DequantizeLinear.

    Whatever is laid out of them, as a recurrent layer's weights are, stands on it too.

    Args:
        steps: See `steps_of`.
        dynamic: Tensors whose values depend on the values of the model's inputs.
    """
    rounded: set[str] = set()
    for step in steps:
        grid = step.node.op == "DequantizeLinear" or (
            step.node.op in MOVING_OPS and not rounded.isdisjoint(step.reads)
        )
        if grid and not any(name in dynamic for name in step.node.outputs):
            rounded.update(step.node.outputs)
    return frozenset(rounded)


def dangling_tensors(model: onnx.ModelProto) -> frozenset[str]:
    """Return the tensors that nodes read and nobody gives."""
    every = model.graph.node
    nodes = [every[place] for place in forward_order(every)]
    given = {name for node in nodes for name in node.output}
    given.update(value.name for value in model.graph.input)
    given.update(tensor.name for tensor in model.graph.initializer)
    given.update(tensor.values.name for tensor in model.graph.sparse_initializer)
    return frozenset(name for node in nodes for name in reads(node) if name not in given)


def without_type_casts(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model in which CastLike passes its input on, so that constants need no run.

    Exporters cast a constant to the type it has already; the type operand is the only thing
    that ties it to the model's inputs. Where that is a constant too, the cast may be real.
    """
    if not any(node.op_type == "CastLike" for node in model.graph.node):
        return model
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    fixed = {tensor.name for tensor in model.graph.initializer}
    fixed.update(n.output[0] for n in model.graph.node if n.op_type == "Constant")
    for node in plain.graph.node:
        if node.op_type == "CastLike" and node.input[1] not in fixed:
            node.op_type = "Identity"
            del node.input[1:]
    return plain


def static_names(steps: Steps, fixed: Collection[str]) -> tuple[str, ...]:
    """Return what arithmetic over constants alone gives and other nodes read, by name.

    Tensors that also depend on a shape are left out: they have no value before a run.

    Args:
        steps: See `steps_of`.
        fixed: The model's constants, by name.
    """
    known, computed = set(fixed), set[str]()
    for step in steps:
        if step.node.op not in RANDOM_OPS and known.issuperset(step.valued):
            known.update(step.node.outputs)
            computed.update(step.node.outputs)
    others = (step for step in steps if computed.isdisjoint(step.node.outputs))
    return tuple(sorted({name for step in others for name in step.reads} & computed))
