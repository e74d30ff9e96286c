"""What each edit does to graphsurgeon's graph, one function per edit."""

import numpy as np
import onnx

from analyzer.core.errors import RepairError
from analyzer.core.types import (
    Array,
    InsertNode,
    RemoveNode,
    ReplaceRegion,
    Rewire,
    SetAttribute,
    SetConstant,
)
from analyzer.view.classes import RANDOM_OPS
from rewriter.graft import Graft
from rewriter.names import fresh
from rewriter.wires import (
    GsNode,
    GsTensor,
    Theatre,
    Value,
    drop,
    drop_constants,
    give_elsewhere,
    new_tensor,
    node_of,
    position,
    put,
    readers,
    stand_before,
    tensor_of,
)

CONSTANTS_AS_NODES = 4
"""Below this ir_version an initializer must be a model input too, so that a new constant
becomes a Constant node instead and the inputs stay as they are."""


def set_attribute(theatre: Theatre, edit: SetAttribute) -> None:
    """Mark a node's attribute as set, or as gone."""
    node_of(theatre, edit.node).attrs[edit.attribute] = Value(edit.value)


def set_constant(theatre: Theatre, edit: SetConstant) -> None:
    """Give a constant input its new value, on a copy of the constant where others read it.

    Raises:
        RepairError: The input is computed.
    """
    node, value = node_of(theatre, edit.node), np.asarray(edit.value)
    old = node.inputs[edit.slot] if edit.slot < len(node.inputs) else None
    if old is None or not old.name:
        suggestion = f"{edit.node}_{edit.slot}"
        put(theatre, node, edit.slot, _constant(theatre, suggestion, value))
        return
    giver = old.inputs[0] if old.inputs else None
    if giver is not None and giver.inputs and _is_static(theatre, old):
        put(theatre, node, edit.slot, _constant(theatre, old.name, value))
        return
    is_initializer = theatre.make.is_constant(old)
    if not is_initializer and (giver is None or giver.op != "Constant"):
        raise RepairError(
            f"input {edit.slot} of {edit.node} is computed, so it has no constant to set",
            hint="report the pair: a rule took an activation for a weight",
        )
    if len(old.outputs) > 1 or old.name in theatre.pinned:
        put(theatre, node, edit.slot, _constant(theatre, old.name, value, near=giver))
    elif giver is None:
        old.values = value
    else:
        giver.attrs = {"value": Value(value)}


def _is_static(theatre: Theatre, tensor: GsTensor) -> bool:
    """Return whether a tensor follows from constants alone, as part of a weight does."""
    if theatre.make.is_constant(tensor):
        return True
    givers = [giver for giver in tensor.inputs if giver.op not in RANDOM_OPS]
    reads = [one for giver in givers for one in giver.inputs if one.name]
    return bool(givers) and all(_is_static(theatre, one) for one in reads)


def _constant(
    theatre: Theatre, suggestion: str, value: Array, *, near: GsNode | None = None
) -> GsTensor:
    """Return a new constant: an initializer, or a Constant node behind `near`."""
    name = fresh(suggestion, theatre.taken)
    if near is None and theatre.ir_version >= CONSTANTS_AS_NODES:
        tensor = theatre.make.constant(name, value)
    else:
        tensor = theatre.make.variable(name)
        node = theatre.make.node("Constant", fresh(f"{name}_Constant", theatre.taken))
        node.attrs["value"] = Value(value)
        node.outputs.append(tensor)
        place = 0 if near is None else position(theatre, near) + 1
        theatre.graph.nodes.insert(place, node)
    theatre.tensors[name] = tensor
    return tensor


def insert(theatre: Theatre, edit: InsertNode) -> None:
    """Put a new node behind a tensor, whose readers read the new node's output instead.

    Where the tensor's name must stay, the new node takes it over from the producer.

    Raises:
        RepairError: A named reader does not read the tensor, or its name has to stay.
    """
    tensor = tensor_of(theatre, edit.tensor)
    takers = _takers(theatre, edit, tensor)
    name = fresh(f"{edit.tensor}_{edit.op}", theatre.taken)
    takes_name = not edit.readers and tensor.name in theatre.pinned
    before = _step_aside(theatre, tensor) if takes_name else tensor
    result = tensor if takes_name else new_tensor(theatre, f"{name}_out")
    for taker, slot in () if takes_name else takers:
        taker.inputs[slot] = result
    node = _inserted(theatre, edit, name, before)
    node.outputs.append(result)
    stand_before(theatre, node, (taker for taker, _ in takers), before)
    if takes_name:
        theatre.produced[edit.tensor] = before.name
    elif not edit.readers:
        theatre.read.setdefault(edit.tensor, result.name)


def _inserted(theatre: Theatre, edit: InsertNode, name: str, tensor: GsTensor) -> GsNode:
    """Return the new node, reading the tensor and its own constants."""
    node = theatre.make.node(edit.op, name)
    node.attrs |= {key: Value(value) for key, value in edit.attributes.items()}
    put(theatre, node, edit.slot, tensor)
    for slot, value in edit.constants.items():
        put(theatre, node, slot, _constant(theatre, f"{name}_{slot}", np.asarray(value)))
    theatre.nodes[name] = node
    return node


def _takers(
    theatre: Theatre, edit: InsertNode, tensor: GsTensor
) -> list[tuple[GsNode, int]]:
    """Return who is to read the new node's output, by node and slot."""
    if not edit.readers:
        return readers(tensor)
    chosen = [(node_of(theatre, name), slot) for name, slot in edit.readers]
    for (name, slot), (node, _) in zip(edit.readers, chosen, strict=True):
        if slot >= len(node.inputs) or node.inputs[slot] is not tensor:
            raise RepairError(
                f"input {slot} of {name} does not read {edit.tensor}",
                hint="repair the target that was analysed, unchanged since",
            )
    return chosen


def _step_aside(theatre: Theatre, tensor: GsTensor) -> GsTensor:
    """Return a new tensor that takes over what the producer of a pinned tensor gives."""
    if not tensor.inputs:
        raise RepairError(
            f"{tensor.name} is an input or constant and an output of the model at once",
            hint="nothing can stand between them; edit the model by hand",
        )
    before = new_tensor(theatre, f"{tensor.name}_before")
    give_elsewhere(tensor, before)
    return before


def remove(theatre: Theatre, edit: RemoveNode) -> None:
    """Take a node out and let its readers read its input.

    Raises:
        RepairError: It has no such input, or a further output that is read.
    """
    node = node_of(theatre, edit.node)
    if edit.slot >= len(node.inputs) or not node.inputs[edit.slot].name:
        raise RepairError(
            f"{edit.node} has no input {edit.slot} to pass on",
            hint="report the pair: a rule wants a node removed that passes nothing on",
        )
    if any(one.outputs or one.name in theatre.pinned for one in node.outputs[1:]):
        raise RepairError(
            f"{edit.node} cannot go: its further outputs are read",
            hint="report the pair: a rule took the node for one with a single output",
        )
    passed, given, slots = node.inputs[edit.slot], node.outputs[0], list(node.inputs)
    drop(theatre, node)
    if given.name in theatre.pinned:
        _pass_under_name(theatre, passed, given)
    else:
        _pass_on(theatre, passed, given)
    drop_constants(theatre, slots)


def _pass_on(theatre: Theatre, passed: GsTensor, given: GsTensor) -> None:
    for reader, slot in readers(given):
        reader.inputs[slot] = passed
    for name, now in theatre.read.items():
        theatre.read[name] = passed.name if now == given.name else now
    theatre.read.setdefault(given.name, passed.name)


def _pass_under_name(theatre: Theatre, passed: GsTensor, given: GsTensor) -> None:
    """Let a pinned tensor be given by the passed one's producer, else by an Identity."""
    if passed.name in theatre.pinned or not passed.inputs:
        name = fresh(f"{given.name}_Identity", theatre.taken)
        identity = theatre.make.node("Identity", name)
        identity.inputs.append(passed)
        identity.outputs.append(given)
        stand_before(theatre, identity, (one for one, _ in readers(given)), passed)
        return
    give_elsewhere(passed, given)
    for reader, slot in readers(passed):
        reader.inputs[slot] = given
    theatre.produced[passed.name] = given.name
    theatre.read[passed.name] = given.name


def rewire(theatre: Theatre, edit: Rewire) -> None:
    """Let a node's input read another tensor."""
    tensor = tensor_of(theatre, edit.tensor)
    put(theatre, node_of(theatre, edit.node), edit.slot, tensor)


def replace(theatre: Theatre, edit: ReplaceRegion, own: Graft) -> None:
    """Let other nodes give the region's tensors, and drop the nodes nobody needs any more.

    Raises:
        RepairError: A tensor to be given anew is an input or a constant.
    """
    region = [node_of(theatre, name) for name in edit.nodes]
    given = {value.name for value in edit.replacement.output}
    wanted = theatre.pinned | {name for node in own.nodes for name in node.input}
    leaving = _leaving(region, given, wanted)
    place = max((position(theatre, node) for node in region), default=-1) + 1
    for name in sorted(given):
        if name in theatre.tensors or name in theatre.produced:
            _free_name(theatre, tensor_of(theatre, name))
    for name, value in own.constants.items():
        theatre.tensors[name] = theatre.make.constant(name, value)
    theatre.graph.nodes[place:place] = [_grafted(theatre, proto) for proto in own.nodes]
    slots = [tensor for node in leaving for tensor in node.inputs]
    for node in leaving:
        drop(theatre, node)
    drop_constants(theatre, slots)


def _leaving(region: list[GsNode], given: set[str], wanted: frozenset[str]) -> list[GsNode]:
    """Return the region's nodes that nothing outside needs once `given` is given anew."""
    leaving = {id(node): node for node in region}

    def is_read(tensor: GsTensor) -> bool:
        return any(id(reader) not in leaving for reader in tensor.outputs)

    def is_needed(node: GsNode) -> bool:
        own = [one for one in node.outputs if one.name not in {"", *given}]
        return any(one.name in wanted or is_read(one) for one in own)

    while kept := [key for key, node in leaving.items() if is_needed(node)]:
        leaving = {key: node for key, node in leaving.items() if key not in kept}
    return list(leaving.values())


def _free_name(theatre: Theatre, tensor: GsTensor) -> None:
    """Take a tensor from its producer, so that a replacement can give it."""
    if tensor.name in theatre.dangling and not tensor.inputs:
        return
    if not tensor.inputs:
        raise RepairError(
            f"{tensor.name} is an input or constant, so nothing else can give it",
            hint="report the pair: a rule replaced more than it may",
        )
    give_elsewhere(tensor, new_tensor(theatre, f"{tensor.name}_old"))


def _grafted(theatre: Theatre, proto: onnx.NodeProto) -> GsNode:
    """Return a replacement's node, wired to the model's tensors and its own."""

    def wire(name: str) -> GsTensor:
        if not name:
            return theatre.make.variable("")
        if name not in theatre.tensors:
            theatre.tensors[name] = theatre.make.variable(name)
        return theatre.tensors[name]

    node = theatre.make.node(proto.op_type, proto.name)
    node.inputs.extend([wire(name) for name in proto.input])
    node.outputs.extend([wire(name) for name in proto.output])
    theatre.origin[id(node)] = proto
    theatre.nodes[proto.name] = node
    return node
