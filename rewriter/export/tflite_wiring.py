"""A repaired pivot carried over to its flatbuffer: operators kept, added and dropped.

The nodes behind one operator (a product, its bias, the activation fused into it, transposes
that only the pivot has) form a group; groups are what the flatbuffer has tensors between.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from analyzer.core.types import Node, Permutation
from rewriter.export.tflite_file import (
    NOTHING,
    FbOperator,
    Flatbuffer,
    add_constant,
    add_tensor,
    make_operator,
    option,
    set_option,
)
from rewriter.export.tflite_operators import is_windowed, steps
from rewriter.export.tflite_owners import NONE, Owners, activation, sizes
from rewriter.export.tflite_settings import pad, refusal, settle
from rewriter.export.tflite_values import same_constant
from rewriter.order import order

FUSED = "fusedActivationFunction"


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Nodes that are one operator of the flatbuffer.

    Attributes:
        operator: The operator; None for a model input and for a new one.
        node: The new node; None for a model input and for operators that were there.
        names: The pivot tensors inside, the last one last.
        kept: The nodes of an operator that was there, before and after the repair.
    """

    operator: FbOperator | None
    node: Node | None
    names: list[str]
    kept: list[tuple[Node, Node]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """The groups of a repaired pivot, and what they came from."""

    flatbuffer: Flatbuffer
    owned: Owners
    before: Mapping[str, Node]
    readers: Mapping[str, int]
    groups: list[_Group] = field(default_factory=list)
    group_of: dict[str, _Group] = field(default_factory=dict)
    layout: dict[str, Permutation] = field(default_factory=dict)


def rewire(
    flatbuffer: Flatbuffer, owned: Owners, before: Sequence[Node], after: Sequence[Node],
    ends: Collection[str],
) -> None:
    """Change a flatbuffer as its pivot was changed.

    Args:
        flatbuffer: The tree, changed in place.
        owned: What stands behind the pivot as it was imported.
        before: The nodes of the imported pivot.
        after: The nodes of the repaired one, in topological order.
        ends: The pivot's outputs.

    Raises:
        ExportError: A change cannot be said in TFLite.
    """
    plan = _Plan(
        flatbuffer, owned, {node.name: node for node in before}, _readers(after, ends)
    )
    _start(plan)
    _unfuse(plan, after)
    for node in after:
        _place(plan, node)
    tensors = _tensors(plan)
    dropped = _dropped(plan, after)
    made = _apply(plan, tensors)
    kept = [one for one in flatbuffer.graph.operators if id(one) not in dropped]
    flatbuffer.graph.operators = _sorted([*kept, *made], after)


def _readers(nodes: Sequence[Node], ends: Collection[str]) -> dict[str, int]:
    """Return how often each tensor is read, by nodes and as a model output."""
    counts = dict.fromkeys(ends, 1)
    for node in nodes:
        for name in node.inputs:
            counts[name] = counts.get(name, 0) + 1
    return counts


def _start(plan: _Plan) -> None:
    """Let each model input be a group of its own."""
    inputs = {int(index) for index in plan.flatbuffer.graph.inputs}
    given = {name for node in plan.before.values() for name in node.outputs}
    for name, index in plan.owned.place.items():
        if index in inputs and name not in given:
            _open(plan, _Group(None, None, [name]))
            plan.layout[name] = plan.owned.layout[name]


def _open(plan: _Plan, group: _Group) -> None:
    plan.groups.append(group)
    plan.group_of.update(dict.fromkeys(group.names, group))


def _unfuse(plan: _Plan, after: Sequence[Node]) -> None:
    """Take out the fused activations whose nodes are gone or do something else now."""
    kept = {node.name: node for node in after}
    for name, host in plan.owned.fused.items():
        if name not in kept or activation(kept[name]) != activation(plan.before[name]):
            set_option(host, FUSED, NONE)


def _place(plan: _Plan, node: Node) -> None:
    """Put a node into the group it belongs to, or open one for it."""
    old = plan.before.get(node.name)
    if old is not None and old.op != node.op:
        old = None
    groups = (plan.group_of.get(name) for name in node.inputs)
    upstream = next((group for group in groups if group is not None), None)
    _lay_out(plan, node, old)
    if _stays_fused(plan, node, upstream) or _is_fused_now(plan, node, old, upstream):
        _join(plan, node, upstream)
        return
    operator = None if old is None else plan.owned.operators.get(old.name)
    if old is not None and operator is not None:
        _keep(plan, (old, node), operator)
        return
    if old is None or old.name in plan.owned.fused:
        _open(plan, _Group(None, node, list(node.outputs)))
        return
    if _differ(old, node):
        raise refusal(node, "it stands for no operator of its own in the flatbuffer")
    _join(plan, node, upstream)


def _lay_out(plan: _Plan, node: Node, old: Node | None) -> None:
    """Note how a node's outputs lie: as they did, or as what it reads."""
    known = [plan.layout[name] for name in node.inputs if name in plan.layout]
    if old is not None:
        laid = [plan.owned.layout.get(name) for name in old.outputs]
    else:
        laid = [known[0] if known else None] * len(node.outputs)
    pairs = zip(node.outputs, laid, strict=False)
    plan.layout.update({name: axes for name, axes in pairs if axes is not None})


def _stays_fused(plan: _Plan, node: Node, upstream: _Group | None) -> bool:
    """Return whether an activation is still fused into the operator it reads."""
    host = plan.owned.fused.get(node.name)
    if host is None:
        return False
    if upstream is not None and upstream.operator is host:
        return option(host, FUSED) == activation(node)
    set_option(host, FUSED, NONE)  # something stands between them now
    return False


def _is_fused_now(
    plan: _Plan, node: Node, old: Node | None, upstream: _Group | None
) -> bool:
    """Fuse a new activation into the operator it reads, if that can be; return whether."""
    if old is not None and old.name not in plan.owned.fused:
        return False
    code, host = activation(node), None if upstream is None else upstream.operator
    if code is None or host is None or option(host, FUSED) != NONE:
        return False
    if plan.readers.get(node.inputs[0], 0) != 1:
        return False
    set_option(host, FUSED, code)
    return True


def _join(plan: _Plan, node: Node, group: _Group | None) -> None:
    if group is None:  # shape arithmetic on constants, which the flatbuffer has not
        return
    group.names.extend(node.outputs)
    plan.group_of.update(dict.fromkeys(node.outputs, group))


def _keep(plan: _Plan, pair: tuple[Node, Node], operator: FbOperator) -> None:
    """Put a node that was there into the group of its operator."""
    group = next((one for one in plan.groups if one.operator is operator), None)
    if group is None:
        group = _Group(operator, None, [])
        _open(plan, group)
    group.kept.append(pair)
    group.names.extend(pair[1].outputs)
    plan.group_of.update(dict.fromkeys(pair[1].outputs, group))


def _differ(before: Node, after: Node) -> bool:
    """Return whether a node's own settings changed, its wires aside."""
    names = before.attributes.keys() | after.attributes.keys()
    slots = before.constants.keys() | after.constants.keys()
    return not (
        all(_equal(before.attributes.get(one), after.attributes.get(one)) for one in names)
        and all(same_constant(before, after, slot) for slot in slots)
    )


def _equal(first: object, second: object) -> bool:
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return np.array_equal(first, second)
    return first is second or (type(first) is type(second) and first == second)


def _tensors(plan: _Plan) -> dict[int, int]:
    """Return the flatbuffer's tensor of each group, by the group's ``id``."""
    owned = plan.owned
    ends = [group for group in plan.groups if group.operator is None and group.node is None]
    found = {id(group): owned.place[group.names[0]] for group in ends}
    for group in plan.groups:
        index = owned.place.get(group.names[-1], NOTHING)
        if owned.last.get(index) == group.names[-1] and index not in found.values():
            found[id(group)] = index
    for group in plan.groups:
        own = NOTHING if group.operator is None else int(group.operator.outputs[0])
        if id(group) not in found and own != NOTHING and own not in found.values():
            found[id(group)] = own
    return found


def _dropped(plan: _Plan, after: Sequence[Node]) -> set[int]:
    """Return the operators, by ``id``, that no node stands for any more."""
    names = {node.name for node in after}
    kept = {id(group.operator) for group in plan.groups if group.operator is not None}
    gone = {name: one for name, one in plan.owned.operators.items() if name not in names}
    for name, operator in gone.items():
        if id(operator) in kept:
            raise refusal(plan.before[name], "it is only a part of an operator there")
    return {id(operator) for operator in gone.values()}


def _apply(plan: _Plan, tensors: dict[int, int]) -> list[FbOperator]:
    """Change the operators that were there, and return the new ones."""
    made: list[FbOperator] = []
    for group in plan.groups:
        if group.node is not None:
            made += _make(plan, group, group.node, tensors)
        elif group.operator is not None:
            _change(plan, group, group.operator, tensors)
    return made


def _make(
    plan: _Plan, group: _Group, node: Node, tensors: dict[int, int]
) -> list[FbOperator]:
    """Return the new operators of a group, its tensor settled."""
    inputs = [_tensor(plan, tensors, name) for name in node.inputs]
    layout = next((plan.layout[one] for one in node.inputs if one in plan.layout), ())
    chain = steps(node, layout)
    image = next(index for index in inputs if index != NOTHING)
    if not chain:
        tensors[id(group)] = _passed(node, tensors.get(id(group), NOTHING), image)
        return []
    made: list[FbOperator] = []
    for place, step in enumerate(chain):
        last = place == len(chain) - 1
        output = _output(plan, group, tensors, image, last=last)
        given = [
            inputs[one] if isinstance(one, int)
            else add_constant(plan.flatbuffer, f"{node.name}_{slot}", one)
            for slot, one in enumerate(step.inputs)
        ]
        options = (step.table, step.options)
        made.append(make_operator(plan.flatbuffer, step.name, options, given, output))
        inputs = [output, *inputs[1:]]
    if is_windowed(node):
        pad(plan.flatbuffer, made[-1], node)
    return made


def _passed(node: Node, claimed: int, image: int) -> int:
    """Return the tensor of a node that only passes its input on."""
    if claimed not in {NOTHING, image}:
        raise refusal(node, "TFLite has no operator that only gives a tensor a name")
    return image


def _output(
    plan: _Plan, group: _Group, tensors: dict[int, int], like: int, *, last: bool
) -> int:
    """Return the tensor that an operator of a group gives, a new one where needed."""
    if last and id(group) in tensors:
        return tensors[id(group)]
    index = add_tensor(
        plan.flatbuffer, group.names[-1], like, sizes(plan.flatbuffer, like)
    )
    if last:
        tensors[id(group)] = index
    return index


def _tensor(plan: _Plan, tensors: Mapping[int, int], name: str) -> int:
    """Return the flatbuffer's tensor behind a pivot tensor after the repair."""
    group = plan.group_of.get(name)
    if group is None:
        return NOTHING
    return tensors.get(id(group), NOTHING)


def _change(
    plan: _Plan, group: _Group, operator: FbOperator, tensors: dict[int, int]
) -> None:
    """Let an operator that was there read, give and do what its nodes say now."""
    for before, after in group.kept:
        if _differ(before, after):
            settle(plan.flatbuffer, plan.owned, before, after)
    own = int(operator.outputs[0])
    if id(group) not in tensors:
        name, shape = group.names[-1], sizes(plan.flatbuffer, own)
        tensors[id(group)] = add_tensor(plan.flatbuffer, name, own, shape)
    outputs = [tensors[id(group)], *(int(index) for index in operator.outputs[1:])]
    if outputs[0] != own:
        operator.outputs = np.array(outputs, np.int32)
    inputs = [int(index) for index in operator.inputs]
    for before, after in group.kept:
        inputs = _moved(plan, tensors, (before, after), inputs)
    if inputs != [int(index) for index in operator.inputs]:
        operator.inputs = np.array(inputs, np.int32)


def _moved(
    plan: _Plan, tensors: Mapping[int, int], pair: tuple[Node, Node], inputs: list[int]
) -> list[int]:
    """Return an operator's inputs with those replaced that its node reads elsewhere now."""
    before, after = pair
    result = list(inputs)
    own = plan.group_of[after.outputs[0]]
    for slot, (was, now) in enumerate(zip(before.inputs, after.inputs, strict=False)):
        index, group = plan.owned.place.get(was, NOTHING), plan.group_of.get(now)
        if slot in after.constants or group is None or group is own or index == NOTHING:
            continue
        new = tensors[id(group)]
        if new == index:
            continue
        places = [i for i, one in enumerate(inputs) if one == index and result[i] == index]
        if not places:
            raise refusal(after, f"its input {slot} is no input of its operator there")
        result[places[0]] = new
    return result


def _sorted(operators: list[FbOperator], after: Sequence[Node]) -> list[FbOperator]:
    """Return operators in an order in which they can run."""
    gives = [[int(index) for index in one.outputs] for one in operators]
    reads = [[int(index) for index in one.inputs] for one in operators]
    places = order(gives, reads)
    if places is None:
        raise refusal(after[-1], "its operators would wait for each other")
    return [operators[place] for place in places]
