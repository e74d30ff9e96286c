"""Kept edits in onnx2tf's own words: a file it takes when it converts the source anew.

Source: "Parameter replacement" of https://github.com/PINTO0309/onnx2tf, format version 1.
Its values are in the layout of the converted file, from which they are read once it is
mended; its names are those of the ``.onnx`` file that was converted.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import onnx

from analyzer.core.errors import ExportError, UsageError
from analyzer.core.graph import nodes
from analyzer.core.types import (
    Edit,
    Finding,
    InsertNode,
    Pivot,
    SetAttribute,
    SetConstant,
)
from analyzer.reports.numbers import counted
from rewriter.export import tflite
from rewriter.export.beside import replacing
from rewriter.export.tflite_file import (
    FbOperator,
    Flatbuffer,
    description,
    kind,
    option,
    read,
    tensor_name,
    value,
)
from rewriter.export.tflite_owners import owners
from rewriter.outcome import Repaired

NAME = "param_replacement.json"
VERSION = 1
MADE_BY = "onnx2tf"
"""How the description of a ``.tflite`` file begins that onnx2tf wrote itself; a file that
it let TensorFlow write does not say so."""


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
class Told:
    """Kept edits as operations of the file, and the fixes that it has no words for."""

    operations: tuple[Mapping[str, object], ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Conversion:
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


def is_onnx2tf(target: Pivot) -> bool:
    """Return whether a file says that onnx2tf wrote it."""
    return target.framework == "tflite" and description(target.path).startswith(MADE_BY)


def check_replacement(patch: Path, source: Pivot, target: Pivot, *, force: bool) -> Path:
    """Return where the file goes: beside the patch.

    Args:
        patch: Where the patch goes.
        source: The source.
        target: The target.
        force: Whether a file that is there may be replaced.

    Raises:
        UsageError: It exists or is the patch, the source is no ``.onnx`` file or the target
            no ``.tflite``.
    """
    place = patch.with_name(NAME)
    if (source.framework, target.framework) != ("onnx", "tflite"):
        raise UsageError(
            f"onnx2tf makes .tflite of .onnx, and here SOURCE is {source.framework} and "
            f"TARGET {target.framework}",
            hint="give the .onnx file that it read as SOURCE, or leave --onnx2tf out",
        )
    if place == patch:
        raise UsageError(
            f"the patch {patch} bears the name of onnx2tf's own file, which goes beside it",
            hint="give --patch another name",
        )
    if place.exists() and not force:
        raise UsageError(
            f"{place}, which goes beside the patch, exists",
            hint="give --patch another folder, or pass --force",
        )
    return place


def write_replacement(
    done: Repaired, repaired: onnx.ModelProto, both: tuple[Pivot, Pivot], place: Path
) -> None:
    """Write what a repair kept as onnx2tf takes it.

    Args:
        done: What the repair did.
        repaired: The target's pivot with the kept edits.
        both: The source, as onnx2tf read it, and the target.
        place: Where the file goes.

    Raises:
        ExportError: The disk refuses.
    """
    source, target = both
    told = replacements(done, repaired, both)
    contents = {
        "format_version": VERSION,
        "model": source.path.name,
        "target": target.sha256,
        "command": f"onnx2tf -i {source.path.name} -prf {place.name}",
        "left_out": told.left_out,
        "operations": told.operations,
    }
    with replacing(place) as file:
        file.write(f"{json.dumps(contents, indent=2, ensure_ascii=False)}\n".encode())


def replacements(
    done: Repaired, repaired: onnx.ModelProto, both: tuple[Pivot, Pivot]
) -> Told:
    """Return the kept edits as operations, and the fixes that cannot be said.

    Args:
        done: What the repair did.
        repaired: The target's pivot with the kept edits.
        both: The source and the target.
    """
    chosen = [each for kept in done.chosen.chain for one in kept for each in one.fixes]
    try:
        conversion = _conversion(repaired, *both)
    except ExportError:  # the repair is one that no .tflite file can say
        return Told((), tuple(fix.title for _, fix in chosen))
    findings = {one.id: one for each in done.rounds for one in each.tried}
    said: list[Mapping[str, object]] = []
    left_out: list[str] = []
    for name, fix in chosen:
        found = [list(_said(edit, findings[name], conversion)) for edit in fix.edits]
        said += [one for several in found for one in several]
        left_out += [] if all(found) else [fix.title]
    return Told(tuple(said), tuple(left_out))


def _conversion(repaired: onnx.ModelProto, source: Pivot, target: Pivot) -> _Conversion:
    """Return the target's file before and after its repair.

    Raises:
        ExportError: TFLite cannot say an edit.
    """
    was = read(target.path)
    owned = owners(was, nodes(target.model, target.folder)).operators
    sources = {node.name: node for node in source.model.graph.node if node.name}
    return _Conversion(was, tflite.mended(target, repaired), owned, sources)


def _said(
    edit: Edit, finding: Finding, conversion: _Conversion
) -> Iterator[dict[str, object]]:
    """Yield an edit as operations of the file; none where it has no words for it."""
    match edit:
        case SetAttribute(node=name) | SetConstant(node=name) if name in conversion.owned:
            yield from _changed(conversion.owned[name], finding, conversion)
        case InsertNode(op="Transpose"):
            yield from _inserted(finding, conversion)


def _changed(
    operator: FbOperator, finding: Finding, conversion: _Conversion
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


def _inserted(finding: Finding, conversion: _Conversion) -> Iterator[dict[str, object]]:
    """Yield the one transposition that the converter lost, where the source has it."""
    known = {_given(conversion.was, one) for one in conversion.was.graph.operators}
    now = conversion.now
    new = [one for one in now.graph.operators if _given(now, one) not in known]
    turns = [one for one in new if kind(now, one) == "TRANSPOSE"]
    node = _source_node("Transpose", finding, conversion)
    (setting,) = SETTINGS["TRANSPOSE"]
    held = _held(now, turns[0], setting) if len(turns) == 1 else None
    if node is not None and held is not None:
        yield _operation(node, setting, held)


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
    op: str, finding: Finding, conversion: _Conversion
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


def told_beside(patch: Path, sha256: str) -> str:
    """Return what to say of the file beside a patch; empty where this run wrote none.

    Args:
        patch: The patch.
        sha256: Digest of the target that was mended, hexadecimal.
    """
    place = patch.with_name(NAME)
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    if not isinstance(found, dict) or found.get("target") != sha256:
        return ""
    said, left_out = len(found["operations"]), len(found["left_out"])
    missing = f"; it has no words for {counted(left_out, 'fix')}" if left_out else ""
    return f"{place}, for onnx2tf -prf: {counted(said, 'operation')}{missing}"
