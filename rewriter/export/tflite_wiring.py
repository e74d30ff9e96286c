"""A repaired pivot carried over to its flatbuffer: operators kept, added and dropped."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from analyzer.core.errors import ExportError
from analyzer.core.types import Node
from rewriter.export.tflite_file import (
    NOTHING,
    FbOperator,
    Flatbuffer,
    add_constant,
    add_tensor,
    kind,
    make_operator,
    set_option,
    set_value,
)
from rewriter.export.tflite_groups import (
    Group,
    Known,
    Plan,
    differ,
    place,
    readers_of,
    recognised,
    start,
    unfuse,
)
from rewriter.export.tflite_operators import is_windowed, steps
from rewriter.export.tflite_owners import Owners, inverse, is_beta, sizes
from rewriter.export.tflite_padding import pad
from rewriter.export.tflite_refusal import refusal
from rewriter.export.tflite_settings import settle
from rewriter.order import order


def rewire(
    flatbuffer: Flatbuffer,
    owned: Owners,
    before: Sequence[Node],
    after: Sequence[Node],
    known: Known,
) -> None:
    """Change a flatbuffer as its pivot was changed.

    Args:
        flatbuffer: The tree, changed in place.
        owned: What stands behind the pivot as it was imported.
        before: The nodes of the imported pivot.
        after: The nodes of the repaired one, in topological order.
        known: What else is known of the repaired pivot.

    Raises:
        ExportError: A change cannot be said in TFLite.
    """
    readers = readers_of(after, known.outputs)
    after = recognised(before, after)
    plan = Plan(
        flatbuffer,
        owned,
        {node.name: node for node in before},
        {node.name for node in after},
        readers,
        known.shapes,
    )
    start(plan)
    unfuse(plan, after)
    for node in after:
        place(plan, node)
    tensors = _tensors(plan)
    dropped = _dropped(plan, after)
    made = _apply(plan, tensors)
    _declare(plan, tensors, known.reshaped)
    _check_outputs(plan, tensors, known.outputs)
    kept = [one for one in flatbuffer.graph.operators if id(one) not in dropped]
    flatbuffer.graph.operators = _sorted([*kept, *made], after)


def _tensors(plan: Plan) -> dict[int, int]:
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


def _dropped(plan: Plan, after: Sequence[Node]) -> set[int]:
    """Return the operators, by ``id``, that no node stands for any more."""
    names = {node.name for node in after}
    kept = {id(group.operator) for group in plan.groups if group.operator is not None}
    gone = {name: one for name, one in plan.owned.operators.items() if name not in names}
    for name, operator in gone.items():
        if is_beta(plan.flatbuffer, operator, plan.before[name]):
            set_option(operator, "beta", 1.0)
        elif id(operator) in kept:
            raise refusal(plan.before[name], "it is only a part of an operator there")
    return {id(operator) for operator in gone.values()} - kept


def _apply(plan: Plan, tensors: dict[int, int]) -> list[FbOperator]:
    """Change the operators that were there, and return the new ones."""
    made: list[FbOperator] = []
    for group in plan.groups:
        if group.node is not None:
            made += _make(plan, group, group.node, tensors)
        elif group.operator is not None:
            _change(plan, group, group.operator, tensors)
    return made


def _make(
    plan: Plan, group: Group, node: Node, tensors: dict[int, int]
) -> list[FbOperator]:
    """Return the new operators of a group, its tensor settled."""
    inputs = [_tensor(plan, tensors, name) for name in node.inputs]
    layout = next((plan.layout[one] for one in node.inputs if one in plan.layout), ())
    chain = steps(node, layout)
    image = next(index for index in inputs if index != NOTHING)
    made: list[FbOperator] = []
    for count, step in enumerate(chain, start=1):
        last = count == len(chain)
        output = _output(plan, group, tensors, image, last=last)
        given = [
            inputs[one]
            if isinstance(one, int)
            else add_constant(plan.flatbuffer, f"{node.name}_{slot}", one)
            for slot, one in enumerate(step.inputs)
        ]
        options = (step.table, step.options)
        made.append(make_operator(plan.flatbuffer, step.name, options, given, output))
        inputs = [output, *inputs[1:]]
    if is_windowed(node):
        pad(plan.flatbuffer, made[-1], node, _sizes(plan, node.inputs[0]))
    return made


def _output(
    plan: Plan, group: Group, tensors: dict[int, int], like: int, *, last: bool
) -> int:
    """Return the tensor that an operator of a group gives, a new one where needed."""
    if last and id(group) in tensors:
        return tensors[id(group)]
    index = add_tensor(plan.flatbuffer, group.names[-1], like, sizes(plan.flatbuffer, like))
    if last:
        tensors[id(group)] = index
    return index


def _tensor(plan: Plan, tensors: Mapping[int, int], name: str) -> int:
    """Return the flatbuffer's tensor behind a pivot tensor after the repair."""
    group = plan.group_of.get(name)
    if group is None:
        return NOTHING
    return tensors.get(id(group), NOTHING)


def _change(
    plan: Plan, group: Group, operator: FbOperator, tensors: dict[int, int]
) -> None:
    """Let an operator that was there read, give and do what its nodes say now."""
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
    for before, after in group.kept:
        if differ(before, after):
            image = _sizes(plan, after.inputs[0])
            settle(plan.flatbuffer, plan.owned, (before, after), image)


def _moved(
    plan: Plan, tensors: Mapping[int, int], pair: tuple[Node, Node], inputs: list[int]
) -> list[int]:
    """Return an operator's inputs with those replaced that its node reads elsewhere now."""
    before, after = pair
    result = list(inputs)
    own = plan.group_of[after.outputs[0]]
    inside = {int(i) for i in plan.owned.operators[before.name].outputs}
    for slot, (was, now) in enumerate(zip(before.inputs, after.inputs, strict=False)):
        index, group = plan.owned.place.get(was, NOTHING), plan.group_of.get(now)
        if slot in after.constants or group is None or group is own or index == NOTHING:
            continue
        new = tensors[id(group)]
        if new == index or (index in inside and new in inputs):
            continue
        places = [i for i, one in enumerate(inputs) if one == index and result[i] == index]
        if not places:
            raise refusal(after, f"its input {slot} is no input of its operator there")
        result[places[0]] = new
    return result


def _sizes(plan: Plan, name: str) -> tuple[int, ...]:
    """Return a tensor's sizes in the flatbuffer's axes; empty where they are unknown."""
    shape, layout = plan.shapes.get(name, ()), plan.layout.get(name, ())
    if len(shape) != len(layout):
        return ()
    return tuple(shape[axis] for axis in inverse(layout))


def _declare(plan: Plan, tensors: Mapping[int, int], reshaped: Collection[str]) -> None:
    """Let tensors that changed their sizes declare the new ones; free sizes stay free."""
    for group in plan.groups:
        tensor = plan.flatbuffer.graph.tensors[tensors[id(group)]]
        name = group.names[-1]
        found = _sizes(plan, name) if name in reshaped else ()
        if tensor.shapeSignature is None and found and tensor.shape is not None:
            tensor.shape = np.array(found, np.int32)
        if group.operator is not None and found:
            _size(plan.flatbuffer, group.operator, found)


def _check_outputs(
    plan: Plan, tensors: Mapping[int, int], outputs: Collection[str]
) -> None:
    """Refuse a repair after which an output would have to be another tensor."""
    for name in outputs:
        if _tensor(plan, tensors, name) != plan.owned.place.get(name, NOTHING):
            raise ExportError(
                f"the repaired output {name} is no tensor of its own in the .tflite file",
                hint="write the repaired model with -o to an .onnx file",
            )


def _size(flatbuffer: Flatbuffer, operator: FbOperator, shape: tuple[int, ...]) -> None:
    """Give an operator that is told the size of its output the new one."""
    match kind(flatbuffer, operator):
        case "RESIZE_BILINEAR" | "RESIZE_NEAREST_NEIGHBOR":
            set_value(flatbuffer, operator, 1, np.array(shape[1:3], np.int32))
        case "TRANSPOSE_CONV":
            set_value(flatbuffer, operator, 0, np.array(shape, np.int32))
        case _:
            pass


def _sorted(operators: list[FbOperator], after: Sequence[Node]) -> list[FbOperator]:
    """Return operators in an order in which they can run."""
    gives = [[int(index) for index in one.outputs] for one in operators]
    reads = [[int(index) for index in one.inputs] for one in operators]
    places = order(gives, reads)
    if places is None:
        raise refusal(after[-1], "its operators would wait for each other")
    return [operators[place] for place in places]
