"""Lane A, every rule's own sabotage; lane B, mutators that know no rule.

Each takes a healthy model, left untouched, and gives a copy with one fault, or None where
it found no place. Lane B sees tensors' shapes as one run of the model gave them.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from judge import Array
from onnx import AttributeProto, numpy_helper
from truth import Wiring, key

UNARY = (
    "Relu", "Sigmoid", "Tanh", "Abs", "Neg", "Erf", "Exp", "Sqrt", "Softplus", "Floor",
    "LeakyRelu", "Elu", "HardSigmoid", "Sin", "Cos", "Reciprocal", "Identity",
)  # fmt: skip
BINARY = ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow")
REDUCING = ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceL2")
POOLING = ("MaxPool", "AveragePool")
GLOBAL = ("GlobalMaxPool", "GlobalAveragePool")
FAMILIES = (UNARY, BINARY, REDUCING, POOLING, GLOBAL)
"""Operators that take each other's place without a change of shape."""

COMMUTATIVE = frozenset({"Add", "Mul", "Max", "Min", "Sum", "Mean", "And", "Or", "Equal"})
IDEMPOTENT = frozenset({
    "Relu", "Abs", "Identity", "Clip", "Reshape", "Expand", "Floor", "Ceil", "Round",
    "Sign", "Max", "Min", "Flatten", "Squeeze", "Unsqueeze", "Slice",
})  # fmt: skip
"""What does the same when it is done twice."""

IDLE = frozenset(
    {"allowzero", "momentum", "storage_order", "cubic_coeff_a", "saturate", "stash_type"}
)
"""Attributes that change nothing where they stand in inference."""

SETS = frozenset({"axes"})
"""Attributes whose numbers mean the same in any order."""

LARGER = (100.0, 1000.0)
"""Factors of what only keeps a division from zero: a smaller one does nothing."""

STRUCTURAL = frozenset({"Constant", "ConstantOfShape", "Shape", "Cast"})
BITS = 3
"""What a rounded constant keeps of its mantissa."""

SHARE = 0.25
"""Share of a constant that is scaled, zeroed or permuted, where it is not all of it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A model to be harmed, what shapes its tensors have, and where to draw from."""

    model: onnx.ModelProto
    shapes: Mapping[str, tuple[int, ...]]
    rng: np.random.Generator

    def copy(self) -> onnx.ModelProto:
        """Return a model of its own to change."""
        return onnx.ModelProto.FromString(self.model.SerializeToString())

    def pick(self, able: Callable[[onnx.NodeProto], bool]) -> int | None:
        """Return the place of a random node for which a condition holds."""
        places = [
            place
            for place, node in enumerate(self.model.graph.node)
            if node.op_type not in STRUCTURAL and able(node)
        ]
        return int(self.rng.choice(places)) if places else None


Mutator = Callable[[Scene], onnx.ModelProto | None]


def attribute(scene: Scene) -> onnx.ModelProto | None:
    """Change one number of one attribute of one node."""
    place = scene.pick(lambda node: any(_telling(node, scene.shapes)))
    if place is None:
        return None
    model = scene.copy()
    able = list(_telling(model.graph.node[place], scene.shapes))
    chosen = able[int(scene.rng.integers(len(able)))]
    before = chosen.SerializeToString()
    _change(chosen, scene.rng)
    return model if chosen.SerializeToString() != before else None


def _telling(
    node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]
) -> Iterator[AttributeProto]:
    """Yield the numeric attributes that mean something where they stand."""
    kernel = next((one.ints for one in node.attribute if one.name == "kernel_shape"), ())
    single = {"dilations"} if set(kernel) == {1} else set[str]()
    if math.prod(shapes.get(node.output[0], (0,))) == 1:
        single.add("keepdims")  # of one number alone
    yield from (
        one for one in node.attribute if _numeric(one) and one.name not in IDLE | single
    )


def _numeric(one: AttributeProto) -> bool:
    kinds = {AttributeProto.INT, AttributeProto.FLOAT, AttributeProto.INTS}
    empty = one.type == AttributeProto.INTS and not one.ints
    return one.type in kinds and not empty


def _change(one: AttributeProto, rng: np.random.Generator) -> None:
    step = int(rng.choice((-1, 1)))
    if one.type == AttributeProto.INT:
        one.i = one.i + step if one.i not in {0, 1} else 1 - one.i
    elif one.type == AttributeProto.FLOAT:
        factors = LARGER if one.name == "epsilon" else (0.01, 0.1, 10.0, 100.0)
        one.f = one.f * float(rng.choice(factors)) or 0.1
    elif rng.random() < 0.5 and len(set(one.ints)) > 1 and one.name not in SETS:  # noqa: PLR2004 - a coin
        one.ints[:] = [one.ints[-1], *one.ints[:-1]]
    else:
        at = int(rng.integers(len(one.ints)))
        one.ints[at] = max(0, one.ints[at] + step)


def constant(change: Callable[[Array, np.random.Generator], Array]) -> Mutator:
    """Return a mutator that changes the numbers of one constant, for all its readers."""

    def mutate(scene: Scene) -> onnx.ModelProto | None:
        model = scene.copy()
        able = [one for one in model.graph.initializer if _weights(one)]
        if not able:
            return None
        chosen = able[int(scene.rng.integers(len(able)))]
        before = numpy_helper.to_array(chosen)
        after = np.asarray(change(before.copy(), scene.rng), before.dtype)
        if np.array_equal(before, after):
            return None
        chosen.CopyFrom(numpy_helper.from_array(after.reshape(before.shape), chosen.name))
        return model

    return mutate


def _weights(tensor: onnx.TensorProto) -> bool:
    return tensor.data_type == onnx.TensorProto.FLOAT and tensor.data_location == 0


def _some(value: Array, rng: np.random.Generator) -> tuple[object, ...]:
    """Return an index: all, or a share of the slices along one axis."""
    if value.ndim == 0 or rng.random() < 0.5:  # noqa: PLR2004 - a coin
        return (Ellipsis,)
    axis = int(rng.integers(value.ndim))
    count = max(1, round(SHARE * value.shape[axis]))
    chosen = rng.choice(value.shape[axis], count, replace=False)
    return (*[slice(None)] * axis, chosen)


def scaled(value: Array, rng: np.random.Generator) -> Array:
    """Return a constant, all or part of it scaled."""
    value[_some(value, rng)] *= rng.choice((0.5, 0.9, 1.1, 2.0, -1.0))
    return value


def rounded(value: Array, rng: np.random.Generator) -> Array:
    """Return a constant with a few bits of its mantissas."""
    del rng
    mantissa, exponent = np.frexp(value)
    return np.ldexp(np.round(mantissa * 2**BITS) / 2**BITS, exponent)


def permuted(value: Array, rng: np.random.Generator) -> Array:
    """Return a constant, shuffled along one axis."""
    axes = [axis for axis, size in enumerate(value.shape) if size > 1]
    return rng.permutation(value, axis=int(rng.choice(axes))) if axes else value


def zeroed(value: Array, rng: np.random.Generator) -> Array:
    """Return a constant, all or part of it zero."""
    value[_some(value, rng)] = 0
    return value


def shifted(value: Array, rng: np.random.Generator) -> Array:
    """Return a constant with noise on all or part of it."""
    part = _some(value, rng)
    size = float(np.abs(value).max()) or 1.0
    value[part] += rng.normal(0, 0.1 * size, value[part].shape)
    return value


def removed(scene: Scene) -> onnx.ModelProto | None:
    """Take out a node that gives the shape it reads."""
    place = scene.pick(lambda node: _passing(scene, node) is not None)
    if place is None:
        return None
    model = scene.copy()
    node = model.graph.node[place]
    passed = _passing(scene, node)
    if passed is None or _is_output(model, node.output[0]):
        return None
    given = node.output[0]
    del model.graph.node[place]
    _redirect(model, given, passed, range(len(model.graph.node)))
    return model


def doubled(scene: Scene) -> onnx.ModelProto | None:
    """Apply a node that gives the shape it reads a second time."""
    place = scene.pick(
        lambda node: node.op_type not in IDEMPOTENT and _passing(scene, node) is not None
    )
    if place is None:
        return None
    model = scene.copy()
    node = model.graph.node[place]
    passed, given = _passing(scene, node), node.output[0]
    if _is_output(model, given) or len(node.output) > 1:
        return None
    again = onnx.NodeProto.FromString(node.SerializeToString())
    again.name, again.output[0] = f"{node.name or given}_again", f"{given}_again"
    again.input[:] = [given if name == passed else name for name in node.input]
    _redirect(model, given, again.output[0], range(place + 1, len(model.graph.node)))
    model.graph.node.insert(place + 1, again)
    return model


def replaced(scene: Scene) -> onnx.ModelProto | None:
    """Let another operator of its family stand in for a node."""
    place = scene.pick(lambda node: any(node.op_type in family for family in FAMILIES))
    if place is None:
        return None
    model = scene.copy()
    node = model.graph.node[place]
    family = next(family for family in FAMILIES if node.op_type in family)
    node.op_type = str(scene.rng.choice([op for op in family if op != node.op_type]))
    if family in {UNARY, POOLING}:
        known = onnx.defs.get_schema(node.op_type).attributes
        kept = [one for one in node.attribute if one.name in known]
        del node.attribute[:]
        node.attribute.extend(kept)
    return model


def swapped(scene: Scene) -> onnx.ModelProto | None:
    """Swap two inputs of a node."""
    place = scene.pick(
        lambda node: node.op_type not in COMMUTATIVE and len({*node.input} - {""}) > 1
    )
    if place is None:
        return None
    model = scene.copy()
    node = model.graph.node[place]
    slots = [slot for slot, name in enumerate(node.input) if name]
    one, other = scene.rng.choice(slots, 2, replace=False).tolist()
    node.input[one], node.input[other] = node.input[other], node.input[one]
    return model


def rewired(scene: Scene) -> onnx.ModelProto | None:
    """Let a node read another tensor of the same shape."""
    wiring = Wiring(scene.model)
    order = [key(node) for node in scene.model.graph.node]
    place = scene.pick(lambda node: bool(wiring.dynamic(key(node))))
    if place is None:
        return None
    node = scene.model.graph.node[place]
    slots = [slot for slot, name in enumerate(node.input) if name in scene.shapes]
    earlier = [
        name for given in order[:place] if given in wiring.nodes
        for name in wiring.nodes[given].output if name in scene.shapes
    ]  # fmt: skip
    options = [
        (slot, name) for slot in slots for name in earlier
        if name != node.input[slot] and scene.shapes[name] == scene.shapes[node.input[slot]]
    ]  # fmt: skip
    if not options:
        return None
    slot, name = options[int(scene.rng.integers(len(options)))]
    model = scene.copy()
    model.graph.node[place].input[slot] = name
    return model


def _passing(scene: Scene, node: onnx.NodeProto) -> str | None:
    """Return the input of the shape that a node gives, None where there is none."""
    if len(node.output) != 1:
        return None
    shape = scene.shapes.get(node.output[0])
    same = [name for name in node.input if shape and scene.shapes.get(name) == shape]
    return same[0] if same else None


def _is_output(model: onnx.ModelProto, name: str) -> bool:
    return name in {value.name for value in model.graph.output}


def _redirect(model: onnx.ModelProto, given: str, new: str, places: range) -> None:
    for place in places:
        node = model.graph.node[place]
        node.input[:] = [new if name == given else name for name in node.input]


BLIND: dict[str, Mutator] = {
    "attribute": attribute,
    "constant-scaled": constant(scaled),
    "constant-rounded": constant(rounded),
    "constant-permuted": constant(permuted),
    "constant-zeroed": constant(zeroed),
    "constant-noise": constant(shifted),
    "node-removed": removed,
    "node-doubled": doubled,
    "node-replaced": replaced,
    "inputs-swapped": swapped,
    "edge-moved": rewired,
}


def sabotages() -> dict[str, Mutator]:
    """Return lane A: the sabotage of each rule that has one, by its slug."""
    from rules.discovery import ours

    def applied(sabotage: Callable[..., onnx.ModelProto | None]) -> Mutator:
        return lambda scene: sabotage(scene.model, scene.rng)

    return {rule.slug: applied(rule.sabotage) for rule in ours() if rule.sabotage}
