"""What a model declares: opset versions, and the types of its inputs and outputs."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper

from analyzer.core.errors import RepairError
from analyzer.core.types import AddOutput, Edit, SetOpset, SetType


def declare(model: onnx.ModelProto, edits: Sequence[Edit]) -> onnx.ModelProto:
    """Return a copy with the opset versions, input and output types that edits declare.

    Args:
        model: The edited model.
        edits: All edits; only `SetOpset`, `SetType` and `AddOutput` matter here.

    Raises:
        RepairError: An edit names a tensor that is neither an input nor an output.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for edit in edits:
        match edit:
            case SetOpset():
                _set_opset(result, edit)
            case SetType():
                _set_type(result, edit)
            case AddOutput():
                _add_output(result, edit)
            case _:
                continue
    return result


def _set_opset(model: onnx.ModelProto, edit: SetOpset) -> None:
    same = {edit.domain, "ai.onnx"} if edit.domain == "" else {edit.domain}
    for entry in model.opset_import:
        if entry.domain in same:
            entry.version = edit.version
            return
    model.opset_import.append(helper.make_opsetid(edit.domain, edit.version))


def _set_type(model: onnx.ModelProto, edit: SetType) -> None:
    ends = (*model.graph.input, *model.graph.output)
    found = [value for value in ends if value.name == edit.tensor]
    if not found:
        raise RepairError(
            f"{edit.tensor} is neither an input nor an output of the model",
            hint="report the pair: a rule wants an inner tensor declared",
        )
    for value in found:
        value.type.tensor_type.elem_type = element_type(edit.dtype)
        set_shape(value, edit.shape)


def _add_output(model: onnx.ModelProto, edit: AddOutput) -> None:
    """Let a model give one more tensor, at its place among the others."""
    outputs = [value for value in model.graph.output if value.name != edit.tensor]
    added = onnx.ValueInfoProto(name=edit.tensor)
    added.type.tensor_type.elem_type = element_type(edit.dtype)
    set_shape(added, edit.shape)
    outputs.insert(edit.place, added)
    infos = [value for value in model.graph.value_info if value.name != edit.tensor]
    del model.graph.output[:], model.graph.value_info[:]
    model.graph.output.extend(outputs)
    model.graph.value_info.extend(infos)


def element_type(dtype: str) -> int:
    """Return the ONNX element type of a NumPy dtype name, or of ``string``.

    Args:
        dtype: The name, as `TensorSpec` has it.

    Raises:
        RepairError: There is no such type.
    """
    if dtype == "string":
        return int(onnx.TensorProto.STRING)
    try:
        return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
    except (KeyError, TypeError, ValueError) as surprise:
        raise RepairError(
            f"{dtype} is not a dtype that a model can declare ({surprise})",
            hint="report the pair: a rule proposed it",
        ) from surprise


def set_shape(value: onnx.ValueInfoProto, shape: Sequence[int | str | None]) -> None:
    """Let an input or output declare a shape; axes keep their denotation."""
    dims = value.type.tensor_type.shape.dim
    old = list(dims) if len(dims) == len(shape) else [None] * len(shape)
    new = [_dimension(size, was) for size, was in zip(shape, old, strict=True)]
    value.type.tensor_type.shape.ClearField("dim")
    value.type.tensor_type.shape.dim.extend(new)


def _dimension(
    size: int | str | None, was: onnx.TensorShapeProto.Dimension | None
) -> onnx.TensorShapeProto.Dimension:
    result = onnx.TensorShapeProto.Dimension()
    if was is not None and was.denotation:
        result.denotation = was.denotation
    match size:
        case int():
            result.dim_value = size
        case str():
            result.dim_param = size
        case None:
            pass
    return result


def check(model: onnx.ModelProto, before: onnx.ModelProto) -> None:
    """Refuse a model that is less valid than it was.

    Args:
        model: The edited model.
        before: The user's model; what the checker dislikes in it is not ours to refuse.

    Raises:
        RepairError: The checker refuses the edited model alone.
    """
    surprise = _complaint(model)
    if surprise is None or _complaint(before) is not None:
        return
    raise RepairError(
        f"the edits leave a model that onnx's checker refuses: {surprise}",
        hint="report the pair: a rule proposed edits that do not fit the model",
    )


def _complaint(model: onnx.ModelProto) -> str | None:
    """Return what the checker says of a model's structure; it need not see the weights."""
    hollow = onnx.ModelProto()
    hollow.CopyFrom(model)
    for tensor in hollow.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.CopyFrom(
                onnx.TensorProto(
                    name=tensor.name,
                    data_type=onnx.TensorProto.FLOAT,
                    dims=[0],
                    raw_data=b"",
                )
            )
    try:
        onnx.checker.check_model(hollow)
    except onnx.checker.ValidationError as surprise:
        return str(surprise).splitlines()[0]
    return None
