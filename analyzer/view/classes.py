"""Which tensors carry the model's values, and which only its shapes or its constants."""

from collections.abc import Collection, Mapping
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import onnx

from analyzer.core.graph import captured, constants, opsets, wired
from analyzer.core.types import Array, Node
from analyzer.runtime.order import in_order
from analyzer.view.absorb import SAME_VALUES_OPS

SHAPE_OPS = frozenset({"Shape", "Size"})
"""What they give depends on their input's shape alone."""

MOVING_OPS = SAME_VALUES_OPS | {"Concat", "Slice", "Split", "Gather"}
"""Every element of what they give is one of those they read."""

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


class Step(NamedTuple):
    """A node of the main graph, and what it reads and gives: protos are slow to ask."""

    place: int
    proto: onnx.NodeProto
    op: str
    inputs: tuple[str, ...]
    reads: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def valued(self) -> tuple[str, ...]:
        """The tensors whose values it reads; of CastLike's second only the type counts."""
        return self.reads[:1] if self.op == "CastLike" else self.reads


Steps = tuple[Step, ...]

Depths = Mapping[str, int]
"""How many nodes stand, at most, between a model's inputs and each dynamic tensor."""


def steps_of(model: onnx.ModelProto) -> Steps:
    """Return the main graph's nodes so that each tensor is given before it is read.

    Files do not always list them so: a converter that adds casts puts them last.
    """
    every = [_step(place, proto) for place, proto in enumerate(model.graph.node)]
    order = in_order([step.reads for step in every], [step.outputs for step in every])
    return tuple(every[place] for place in order)


def _step(place: int, proto: onnx.NodeProto) -> Step:
    inputs = tuple(proto.input)
    own = inputs if all(inputs) else tuple(filter(None, inputs))
    reads = (*own, *captured(proto)) if proto.attribute else own
    return Step(place, proto, proto.op_type, inputs, reads, tuple(proto.output))


def depths(model: onnx.ModelProto, steps: Steps) -> Depths:
    """Return the depth of each tensor whose values depend on those of the model's inputs.

    A tensor that depends on constants and shapes alone (shape arithmetic, folded weights,
    the zero state of a recurrent layer) is not one of them. A tensor that nobody gives is:
    what should have given it did compute.

    Args:
        model: The pivot's proto.
        steps: See `steps_of`.
    """
    known = {tensor.name for tensor in model.graph.initializer}
    found = {value.name: 0 for value in model.graph.input if value.name not in known}
    found |= dict.fromkeys(dangling_tensors(model, steps), 0)
    for step in steps:
        if step.op in SHAPE_OPS and not step.proto.domain:
            continue
        before = [found[name] for name in step.reads if name in found]
        if step.op == "CastLike" and found.keys().isdisjoint(step.valued):
            continue
        if before or step.op in RANDOM_OPS:
            depth = 1 + max(before, default=0)
            found |= dict.fromkeys(filter(None, step.outputs), depth)
    return found


def dynamic_tensors(model: onnx.ModelProto) -> frozenset[str]:
    """Return the tensors that have a depth; see `depths`."""
    return frozenset(depths(model, steps_of(model)))


def rounded_tensors(steps: Steps, dynamic: Collection[str]) -> frozenset[str]:
    """Return the constants that stand on an integer grid behind a DequantizeLinear.

    Whatever is laid out of them, as a recurrent layer's weights are, stands on it too.

    Args:
        steps: See `steps_of`.
        dynamic: Tensors whose values depend on the values of the model's inputs.
    """
    rounded: set[str] = set()
    for step in steps:
        grid = step.op == "DequantizeLinear" or (
            step.op in MOVING_OPS and not rounded.isdisjoint(step.reads)
        )
        if grid and not any(name in dynamic for name in step.outputs):
            rounded.update(step.outputs)
    return frozenset(rounded)


def dangling_tensors(model: onnx.ModelProto, steps: Steps = ()) -> frozenset[str]:
    """Return the tensors that nodes read and nobody gives.

    Args:
        model: The pivot's proto.
        steps: See `steps_of`; walked anew where they are not given.
    """
    steps = steps or steps_of(model)
    given = set(chain.from_iterable(step.outputs for step in steps))
    given.update(value.name for value in model.graph.input)
    given.update(tensor.name for tensor in model.graph.initializer)
    given.update(tensor.values.name for tensor in model.graph.sparse_initializer)
    wanted = set(chain.from_iterable(step.reads for step in steps))
    return frozenset(wanted - given)


def without_type_casts(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model in which CastLike passes its input on, so that constants need no run.

    Exporters cast a constant to the type it has already; the type operand is the only thing
    that ties it to the model's inputs.
    """
    if not any(node.op_type == "CastLike" for node in model.graph.node):
        return model
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    for node in plain.graph.node:
        if node.op_type == "CastLike":
            node.op_type = "Identity"
            del node.input[1:]
    return plain


def static_names(
    model: onnx.ModelProto, dynamic: frozenset[str], steps: Steps
) -> tuple[str, ...]:
    """Return what arithmetic over initializers alone gives and dynamic nodes read, by name.

    Tensors that also depend on a shape are left out: they have no value before a run.

    Args:
        model: The pivot's proto.
        dynamic: See `dynamic_tensors`.
        steps: See `steps_of`.
    """
    fixed, computed = {tensor.name for tensor in model.graph.initializer}, set[str]()
    for step in steps:
        if step.op in RANDOM_OPS or not fixed.issuperset(step.valued):
            continue
        fixed.update(step.outputs)
        if step.op != "Constant":
            computed.update(step.outputs)
    if not computed:
        return ()
    wanted = {
        name
        for step in steps
        if not dynamic.isdisjoint(step.outputs)
        for name in step.reads
    }
    return tuple(sorted(wanted & computed))


def dynamic_nodes(
    model: onnx.ModelProto, folder: Path, flowing: Steps, static: Mapping[str, Array]
) -> tuple[Node, ...]:
    """Return the nodes of steps.

    Args:
        model: The pivot's proto.
        folder: The folder external weights are relative to.
        flowing: See `waves`.
        static: Values of constants that the file computes from its initializers, by name.
    """
    values = constants(model, folder) | dict(static)
    versions = opsets(model)
    return tuple(
        wired(step.proto, (step.inputs, step.outputs), values, versions) for step in flowing
    )


def waves(steps: Steps, depth: Depths) -> Steps:
    """Return the steps that compute with the model's inputs, wave by wave.

    A wave holds, in the file's order, what can run once the waves before it have.

    Args:
        steps: See `steps_of`.
        depth: See `depths`.
    """
    ends = [next(filter(None, step.outputs), "") for step in steps]
    moving = [(step, depth[end]) for step, end in zip(steps, ends) if end in depth]
    moving.sort(key=lambda row: row[0].place)
    moving.sort(key=itemgetter(1))
    return tuple(step for step, _ in moving)
