"""Types that a file declares, held against what its weights and nodes have."""

from collections.abc import Iterator

import onnx

from analyzer.core.errors import RunError
from analyzer.core.inference import inferred
from analyzer.core.tensors import dtype_name
from analyzer.core.types import Restate, Statement
from analyzer.frontends.imported import specs
from analyzer.runtime.dump import given_types
from analyzer.statements.scene import Contradiction, Scene, first_outputs, told


def weights(scene: Scene) -> Iterator[Contradiction]:
    """Yield the inputs whose own values are of another type or shape."""
    values = {tensor.name: tensor for tensor in scene.graph.initializer}
    for value in scene.graph.input:
        tensor, stated = values.get(value.name), value.type.tensor_type
        if tensor is None:
            continue
        sizes = [size.dim_value for size in stated.shape.dim]
        same = not stated.HasField("shape") or sizes == list(tensor.dims)
        if same and stated.elem_type == tensor.data_type:
            continue
        kind = dtype_name(tensor.data_type)
        yield Contradiction(
            Restate(Statement.TYPE, value.name, kind, tuple(tensor.dims)),
            f"{value.name} is declared {dtype_name(stated.elem_type)} {sizes}, and its "
            f"values are {kind} {list(tensor.dims)}",
            (*first_outputs(scene.readers(value.name)), value.name),
        )


def types(scene: Scene) -> Iterator[Contradiction]:
    """Yield the declared types that are not what the nodes give."""
    bare = onnx.ModelProto()
    bare.CopyFrom(scene.model)
    del bare.graph.value_info[:]
    for value in bare.graph.output:
        value.ClearField("type")
    implied = inferred(bare)
    found_types = (*implied.value_info, *implied.output)
    known = {one.name: one.type.tensor_type.elem_type for one in found_types}
    declared = (*scene.graph.output, *scene.graph.value_info)
    if not all(known.get(value.name) for value in declared):
        known |= _taken(scene)
    for value in declared:
        stated, found = value.type.tensor_type, known.get(value.name)
        if not found or stated.elem_type in {0, found}:
            continue
        shape = specs([onnx.ValueInfoProto(name="", type=value.type)])[0].shape
        giver = [node for node in scene.graph.node if value.name in node.output]
        yield Contradiction(
            Restate(Statement.TYPE, value.name, dtype_name(found), shape),
            f"{value.name} is declared {dtype_name(stated.elem_type)}, and {told(giver)} "
            f"gives {dtype_name(found)}",
            (value.name,),
        )


def _taken(scene: Scene) -> dict[str, int]:
    """Return the types the runtime gives; none where it refuses more than what is said."""
    try:
        return given_types(scene.model, scene.target.folder)
    except RunError:
        return {}
