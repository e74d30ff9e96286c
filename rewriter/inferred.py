"""Value info kept true: it goes where an edit may have changed a tensor's type."""

from collections.abc import Mapping, Sequence

import onnx
from onnx import TensorProto, shape_inference

from analyzer.core.graph import node_name, reads
from analyzer.core.types import Edit, SetAttribute, SetConstant, SetType
from rewriter.declare import set_shape

FLOATS = frozenset(
    {
        TensorProto.FLOAT,
        TensorProto.FLOAT16,
        TensorProto.BFLOAT16,
        TensorProto.DOUBLE,
    }
)
"""Element types that no shape is ever computed from, so that a same type ends the doubt."""


def refreshed(
    before: onnx.ModelProto, after: onnx.ModelProto, edits: Sequence[Edit]
) -> onnx.ModelProto:
    """Return the edited model without value info that an edit may have made untrue.

    What shape inference still confirms stays as the user has it; an output whose declared
    type is contradicted takes the inferred one.

    Args:
        before: The user's model.
        after: The edited model.
        edits: What was edited.
    """
    if all(_keeps_types(edit, before) for edit in edits):
        return after
    result = onnx.ModelProto()
    result.CopyFrom(after)
    doubted = _doubted(before, after)
    infos = [
        value
        for value in result.graph.value_info
        if value.name not in doubted or _confirms(doubted[value.name], value)
    ]
    del result.graph.value_info[:]
    result.graph.value_info.extend(infos)
    spoken = {edit.tensor for edit in edits if isinstance(edit, SetType)}
    for value in result.graph.output:
        if value.name in doubted and value.name not in spoken:
            _correct(value, doubted[value.name])
    return result


def _keeps_types(edit: Edit, model: onnx.ModelProto) -> bool:
    """Return whether an edit changes values alone: a float, a weight of that shape."""
    match edit:
        case SetAttribute(value=float()):
            return True
        case SetConstant(value=value) if value.dtype.kind == "f":
            return (str(value.dtype), value.shape) == _constant_type(model, edit)
        case _:
            return False


def _constant_type(
    model: onnx.ModelProto, edit: SetConstant
) -> tuple[str, tuple[int, ...]] | None:
    """Return dtype and shape of the initializer that is to change; None: there is none."""
    found = (node.input for node in model.graph.node if node_name(node) == edit.node)
    names = [slots[edit.slot] for slots in found if edit.slot < len(slots)]
    for tensor in model.graph.initializer:
        if [tensor.name] == names:
            dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
            return str(dtype), tuple(tensor.dims)
    return None


def _doubted(
    before: onnx.ModelProto, after: onnx.ModelProto
) -> Mapping[str, onnx.ValueInfoProto | None]:
    """Return tensors whose type may have changed, with what inference says of them now."""
    behind = _behind(after, _changed(before.graph, after.graph))
    was, now = _inferred(before, behind), _inferred(after, behind)
    declared = {value.name: value for value in after.graph.value_info}
    doubt: dict[str, onnx.ValueInfoProto | None] = {}
    suspects = _changed(before.graph, after.graph)
    for node in after.graph.node:
        if suspects.isdisjoint((*node.output, *reads(node))):
            continue
        for name in node.output:
            doubt[name] = now.get(name)
            if not _is_settled(was.get(name), now.get(name), declared.get(name)):
                suspects.add(name)
            else:
                suspects.discard(name)
    return doubt


def _changed(before: onnx.GraphProto, after: onnx.GraphProto) -> set[str]:
    """Return tensors given by a node that is new or changed, or by a changed constant."""
    nodes = {node.output[0]: node for node in before.node if node.output}
    values = {one.name: one for one in (*before.initializer, *before.input)}
    changed = {
        name
        for node in after.node
        for name in node.output
        if nodes.get(node.output[0]) != node
    }
    return changed | {
        one.name
        for one in (*after.initializer, *after.input)
        if values.get(one.name) != one
    }


def _behind(model: onnx.ModelProto, names: set[str]) -> set[str]:
    """Return tensors and everything computed from them."""
    found = set(names)
    for node in model.graph.node:
        if not found.isdisjoint(reads(node)):
            found.update(name for name in node.output if name)
    return found


def _inferred(model: onnx.ModelProto, unknown: set[str]) -> dict[str, onnx.ValueInfoProto]:
    """Return types by tensor; those of `unknown` are inferred, whatever is declared."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    infos = [value for value in model.graph.value_info if value.name not in unknown]
    del bare.graph.value_info[:]
    bare.graph.value_info.extend(infos)
    for value in bare.graph.output:
        if value.name in unknown:
            value.ClearField("type")
    try:
        full = shape_inference.infer_shapes(bare, data_prop=True)
    except shape_inference.InferenceError:
        return {}
    return {value.name: value for value in (*full.graph.value_info, *full.graph.output)}


def _is_settled(
    was: onnx.ValueInfoProto | None,
    now: onnx.ValueInfoProto | None,
    declared: onnx.ValueInfoProto | None,
) -> bool:
    """Return whether a tensor's type is known to be what it was before the edits."""
    if now is None or now.type.tensor_type.elem_type not in FLOATS:
        return False
    if declared is not None:
        return _confirms(now, declared)
    return was is not None and was.type == now.type


def _confirms(inferred: onnx.ValueInfoProto | None, declared: onnx.ValueInfoProto) -> bool:
    """Return whether inference says all that is declared of a tensor."""
    if inferred is None:
        return False
    found, said = inferred.type.tensor_type, declared.type.tensor_type
    if found.elem_type != said.elem_type:
        return False
    if not said.HasField("shape"):
        return True
    if not found.HasField("shape") or len(found.shape.dim) != len(said.shape.dim):
        return False
    return all(
        not dim.HasField("dim_value") or dim.dim_value == seen.dim_value
        for seen, dim in zip(found.shape.dim, said.shape.dim, strict=True)
    )


def _correct(value: onnx.ValueInfoProto, inferred: onnx.ValueInfoProto | None) -> None:
    """Let an output declare what was inferred, where that contradicts what it declares."""
    if inferred is None or not inferred.type.HasField("tensor_type"):
        return
    found, said = inferred.type.tensor_type, value.type.tensor_type
    if found.elem_type:
        said.elem_type = found.elem_type
    if not found.HasField("shape") or not said.HasField("shape"):
        return
    dims = [_size(dim) for dim in said.shape.dim]
    seen = [_size(dim) for dim in found.shape.dim]
    if len(dims) != len(seen):
        set_shape(value, seen)
        return
    pairs = list(zip(dims, seen, strict=True))
    numbers = [pair for pair in pairs if all(isinstance(size, int) for size in pair)]
    if any(old != new for old, new in numbers):
        set_shape(value, [new if (old, new) in numbers else old for old, new in pairs])


def _size(dim: onnx.TensorShapeProto.Dimension) -> int | str | None:
    if dim.HasField("dim_value"):
        return int(dim.dim_value)
    return str(dim.dim_param) or None
