"""Which tensors carry the model's values, and which only its shapes or its constants."""

from collections.abc import Collection, Iterable, Mapping
from operator import itemgetter
from typing import NamedTuple

import onnx

from analyzer.core.graph import as_node, node_reads, opsets, reads
from analyzer.core.types import Array, Node
from analyzer.runtime.order import forward_order, in_order
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
    """A node of the main graph, its place in the file, and every tensor that it reads."""

    place: int
    node: Node
    reads: tuple[str, ...]

    @property
    def valued(self) -> tuple[str, ...]:
        """The tensors whose values it reads; of CastLike's second only the type counts."""
        return self.reads[:1] if self.node.op == "CastLike" else self.reads


Steps = tuple[Step, ...]

Depths = Mapping[str, int]
"""How many nodes stand, at most, between a model's inputs and each dynamic tensor."""


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


def depths(inputs: Iterable[str], steps: Steps, fixed: Collection[str]) -> Depths:
    """Return the depth of each tensor whose values depend on those of the model's inputs.

    A tensor that depends on constants and shapes alone (shape arithmetic, folded weights,
    the zero state of a recurrent layer) is not one of them. A tensor that nobody gives is:
    what should have given it did compute.

    Args:
        inputs: The model's inputs.
        steps: See `steps_of`.
        fixed: The model's constants, by name.
    """
    still = set(fixed)
    found = dict.fromkeys(inputs, 0)
    for step in steps:
        before = [found.setdefault(name, 0) for name in step.reads if name not in still]
        given = filter(None, step.node.outputs)
        if _is_moving(step, still):
            found |= dict.fromkeys(given, 1 + max(before, default=0))
        else:
            still.update(given)
    return found


def _is_moving(step: Step, still: set[str]) -> bool:
    """Return whether what a step gives depends on the values of the model's inputs."""
    if step.node.op in SHAPE_OPS and not step.node.domain:
        return False
    return step.node.op in RANDOM_OPS or not still.issuperset(step.valued)


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
    steps: Steps, dynamic: frozenset[str], fixed: Collection[str]
) -> tuple[str, ...]:
    """Return what arithmetic over constants alone gives and dynamic nodes read, by name.

    Tensors that also depend on a shape are left out: they have no value before a run.

    Args:
        steps: See `steps_of`.
        dynamic: Tensors whose values depend on the values of the model's inputs.
        fixed: The model's constants, by name.
    """
    known, computed = set(fixed), set[str]()
    for step in steps:
        if step.node.op not in RANDOM_OPS and known.issuperset(step.valued):
            known.update(step.node.outputs)
            computed.update(step.node.outputs)
    moving = (step for step in steps if not dynamic.isdisjoint(step.node.outputs))
    return tuple(sorted({name for step in moving for name in step.reads} & computed))


def waves(steps: Steps, depth: Depths) -> Steps:
    """Return the steps that compute with the model's inputs, wave by wave.

    A wave holds, in the file's order, what can run once the waves before it have.

    Args:
        steps: See `steps_of`.
        depth: See `depths`.
    """
    listed = sorted(steps, key=itemgetter(0))
    moving = [step for step in listed if _first(step) in depth]
    return tuple(sorted(moving, key=lambda step: depth[_first(step)]))


def _first(step: Step) -> str:
    """Return the first tensor a step gives; empty for none."""
    return next(filter(None, step.node.outputs), "")
