"""A kept edit as operations of onnx2tf's file.

Source: "Parameter replacement" of https://github.com/PINTO0309/onnx2tf, format version 1,
and what each of its operators takes of it (``onnx2tf/ops``, version 1.29).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import onnx

from analyzer.core.types import (
    Edit,
    Finding,
    InsertNode,
    ReplaceRegion,
    SetAttribute,
    SetConstant,
)
from rewriter.export.tflite_file import (
    FbOperator,
    Flatbuffer,
    kind,
    option,
    tensor_name,
    value,
)

TRANSPOSE = "TRANSPOSE"

LAYING = frozenset({"Identity", "Transpose"})
"""Operators of a carried region that only lay its tensors as the target has them."""

UNTURNED = frozenset({"Conv", "ConvTranspose", "Identity", "Transpose"})
"""Operators whose inputs or outputs the file cannot turn, of those that a rule carries."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What the file can replace of an operator.

    Attributes:
        op: The source's operator.
        attribute: Its attribute; empty: its input `input`.
        input: Slot of its constant input, -1 where it is an attribute.
        option: The option of the converted operator that holds the value; empty: `slot`.
        slot: The constant input of the converted operator that holds it.
    """

    op: str
    attribute: str = ""
    input: int = -1
    option: str = ""
    slot: int = -1


def _reduction(op: str) -> tuple[Setting, ...]:
    keeps = Setting(op, "keepdims", option="keepDims")
    return (Setting(op, "axes", slot=1), keeps)


SETTINGS: Mapping[str, tuple[Setting, ...]] = {
    "BROADCAST_TO": (Setting("Expand", input=1, slot=1),),
    "CONCATENATION": (Setting("Concat", "axis", option="axis"),),
    "GATHER": (
        Setting("Gather", "axis", option="axis"),
        Setting("Gather", input=1, slot=1),
    ),
    "MEAN": _reduction("ReduceMean"),
    "REDUCE_MAX": _reduction("ReduceMax"),
    "REDUCE_MIN": _reduction("ReduceMin"),
    "REDUCE_PROD": _reduction("ReduceProd"),
    "RESHAPE": (Setting("Reshape", input=1, slot=1),),
    "SUM": _reduction("ReduceSum"),
    "TILE": (Setting("Tile", input=1, slot=1),),
    "TRANSPOSE": (Setting("Transpose", "perm", slot=1),),
}
"""What can be replaced of each converted operator."""


@dataclass(frozen=True, slots=True, eq=False)
class Conversion:
    """A converted file, as it was and as it is mended.

    Attributes:
        was: The file's tree.
        now: The tree with the kept edits.
        owned: The operator of `was` behind each node of the pivot, by name.
        sources: The source's operators by node name, those that have one.
    """

    was: Flatbuffer
    now: Flatbuffer
    owned: Mapping[str, FbOperator]
    sources: Mapping[str, onnx.NodeProto]


def said(
    edit: Edit, finding: Finding, conversion: Conversion
) -> Iterator[dict[str, object]]:
    """Yield an edit as operations of the file; none where it has no words for it.

    Args:
        edit: A kept edit.
        finding: What it mends.
        conversion: The converted file.
    """
    match edit:
        case SetAttribute(node=name) | SetConstant(node=name) if name in conversion.owned:
            yield from _changed(conversion.owned[name], finding, conversion)
        case InsertNode(op="Transpose"):
            yield from _inserted(finding, conversion)
        case ReplaceRegion():
            yield from _replaced(edit, finding, conversion)


def _changed(
    operator: FbOperator, finding: Finding, conversion: Conversion
) -> Iterator[dict[str, object]]:
    """Yield the settings of a converted operator that the repair changed."""
    was, now = conversion.was, conversion.now
    name = _given(was, operator)
    mended = [one for one in now.graph.operators if _given(now, one) == name][:1]
    settings = SETTINGS.get(kind(was, operator), ())
    for one, setting in product(mended, settings):
        held = _held(now, one, setting)
        node = _source_node(setting.op, finding, conversion)
        if held is None or node is None or held == _held(was, operator, setting):
            continue
        yield _operation(node, setting, held)


def _inserted(finding: Finding, conversion: Conversion) -> Iterator[dict[str, object]]:
    """Yield the one transposition that the converter lost, where the source has it."""
    now = conversion.now
    turns = [one for one in _added(conversion) if kind(now, one) == TRANSPOSE]
    node = _source_node("Transpose", finding, conversion)
    (setting,) = SETTINGS["TRANSPOSE"]
    held = _held(now, turns[0], setting) if len(turns) == 1 else None
    if node is not None and held is not None:
        yield _operation(node, setting, held)


def _added(conversion: Conversion) -> list[FbOperator]:
    """Return the operators of the mended file that the converted one has not."""
    was, now = conversion.was, conversion.now
    known = {(kind(was, one), _given(was, one)) for one in was.graph.operators}
    operators = now.graph.operators
    return [one for one in operators if (kind(now, one), _given(now, one)) not in known]


def _replaced(
    edit: ReplaceRegion, finding: Finding, conversion: Conversion
) -> Iterator[dict[str, object]]:
    """Yield what makes the carried operator of the converted one: its settings and turns.

    None unless the region is a single operator, the tensors around it laid anew.
    """
    now, added = conversion.now, _added(conversion)
    turns = [one for one in added if kind(now, one) == TRANSPOSE]
    turned = {int(one.outputs[0]) for one in turns}
    readers = [one for one in now.graph.operators if turned & set(map(int, one.inputs))]
    own = [one for one in added if kind(now, one) != TRANSPOSE] or readers
    carried = [one.op_type for one in edit.replacement.node if one.op_type not in LAYING]
    if len(own) != 1 or len(carried) != 1 or carried[0] in UNTURNED:
        return
    node = _source_node(carried[0], finding, conversion)
    if node is None:
        return
    told = [_turn(turn, own[0], node, conversion) for turn in turns]
    if all(told):
        yield from _set_anew(edit, own[0], node, conversion)
        yield from (one for one in told if one is not None)


def _set_anew(
    edit: ReplaceRegion, operator: FbOperator, node: onnx.NodeProto, conversion: Conversion
) -> Iterator[dict[str, object]]:
    """Yield the settings in which a carried operator is not the one that it replaces."""
    was, now = conversion.was, conversion.now
    owned = conversion.owned
    old = [owned[name] for name in edit.nodes if name in owned]
    same = [one for one in old if kind(was, one) == kind(now, operator)]
    for setting in SETTINGS.get(kind(now, operator), ()):
        held = _held(now, operator, setting)
        before = [_held(was, one, setting) for one in same]
        if setting.op == node.op_type and held is not None and before != [held]:
            yield _operation(node, setting, held)


def _turn(
    turn: FbOperator, operator: FbOperator, node: onnx.NodeProto, conversion: Conversion
) -> dict[str, object] | None:
    """Return a transposition before or behind a carried operator; None: it lies elsewhere.

    The operator's inputs are the source's, in its order.
    """
    perm = value(conversion.now, int(turn.inputs[1]))
    read, given = [int(one) for one in operator.inputs], int(turn.outputs[0])
    if perm is None or (given in read and read.index(given) >= len(node.input)):
        return None
    about = {"op_name": node.name}
    if given in read:
        name, word = node.input[read.index(given)], "pre_process_transpose_perm"
        return {**about, "param_target": "inputs", "param_name": name, word: perm.tolist()}
    if int(turn.inputs[0]) not in map(int, operator.outputs):
        return None
    name, word = node.output[0], "post_process_transpose_perm"
    return {**about, "param_target": "outputs", "param_name": name, word: perm.tolist()}


def _operation(node: onnx.NodeProto, setting: Setting, held: object) -> dict[str, object]:
    target = "attributes" if setting.attribute else "inputs"
    name = setting.attribute or node.input[setting.input]
    about = {"op_name": node.name, "param_target": target, "param_name": name}
    return {**about, "values": held}


def _given(flatbuffer: Flatbuffer, operator: FbOperator) -> str:
    return tensor_name(flatbuffer.graph.tensors[int(operator.outputs[0])])


def _held(flatbuffer: Flatbuffer, operator: FbOperator, setting: Setting) -> object:
    """Return a setting's value in the file, axes counted from the front."""
    if setting.slot < 0:
        number = option(operator, setting.option)
        return _front(flatbuffer, operator, number) if isinstance(number, int) else None
    inputs = [int(index) for index in operator.inputs]
    held = value(flatbuffer, inputs[setting.slot]) if len(inputs) > setting.slot else None
    if held is None or setting.attribute != "axes":
        return None if held is None else held.tolist()
    return [_front(flatbuffer, operator, axis) for axis in held.ravel().tolist()]


def _front(flatbuffer: Flatbuffer, operator: FbOperator, axis: int) -> int:
    """Return an axis of what an operator reads first; a truth value is left as a number."""
    shape = flatbuffer.graph.tensors[int(operator.inputs[0])].shape
    return int(axis) + len(shape) if axis < 0 and shape is not None else int(axis)


def _source_node(
    op: str, finding: Finding, conversion: Conversion
) -> onnx.NodeProto | None:
    """Return the one operator of a type among those of the source that are to blame."""
    fault = finding.fault
    inside = (node.name for pair in fault.pairs for node in pair.source)
    lost = (node.name for node in fault.unpaired_source)
    bounds = {pair.source for pair in (*fault.edges, *fault.results)}
    known = conversion.sources.items()
    beside = (name for name, node in known if not bounds.isdisjoint(node.output))
    for names in (finding.source_nodes, (*inside, *lost), beside):
        alike = [one for one in dict.fromkeys(names) if one in conversion.sources]
        found = [conversion.sources[one] for one in alike]
        found = [node for node in found if node.op_type == op]
        if len(found) == 1:
            return found[0]
    return None
