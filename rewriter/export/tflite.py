"""A repaired TFLite model: the user's own flatbuffer, patched where it was repaired."""

from pathlib import Path

import onnx

from analyzer.core.errors import ExportError
from analyzer.core.graph import nodes
from analyzer.core.types import Pivot
from rewriter.export.anew import TENSORFLOW, anew, plain
from rewriter.export.beside import replacing
from rewriter.export.native_format import NativeFormat, ends_in
from rewriter.export.tflite_bytes import written
from rewriter.export.tflite_facts import facts
from rewriter.export.tflite_file import Flatbuffer, read
from rewriter.export.tflite_grids import drop_unread, folded, regridded
from rewriter.export.tflite_groups import Known
from rewriter.export.tflite_inside import settled
from rewriter.export.tflite_owners import owners
from rewriter.export.tflite_steps import grids, rebias, same_steps, steps
from rewriter.export.tflite_wiring import rewire


def write(target: Pivot, repaired: onnx.ModelProto, out: Path) -> tuple[str, ...]:
    """Write the user's flatbuffer with a repair in it; all else in it stays.

    Names, signatures, metadata and what no edit touches survive. Each weight is found by
    its exact old value, each option is changed where it says what was imported.

    Args:
        target: The imported model.
        repaired: The model after the edits.
        out: Where the flatbuffer goes.

    Returns:
        What is to be noted: nothing.

    Raises:
        ExportError: TFLite cannot say an edit, or the disk refuses.
    """
    content = written(mended(target, repaired), target.path.read_bytes())
    with replacing(out) as file:
        file.write(content)
    return ()


def mended(target: Pivot, repaired: onnx.ModelProto) -> Flatbuffer:
    """Return the user's flatbuffer with a repair in it, not yet written.

    Args:
        target: The imported model.
        repaired: The model after the edits.

    Raises:
        ExportError: TFLite cannot say an edit.
    """
    flatbuffer = read(target.path)
    before = folded(nodes(target.model, target.folder))
    after = folded(nodes(repaired, target.folder))
    were = steps(flatbuffer), grids(flatbuffer)
    after = regridded(flatbuffer, before, after)
    ends = [value.name for value in repaired.graph.output]
    if ends != [value.name for value in target.model.graph.output]:
        raise ExportError(
            "the repair changes which outputs the model has, which its .tflite file cannot",
            hint="write the repaired model with -o to an .onnx file",
        )
    was, now = _shapes(target.model), _shapes(repaired)
    reshaped = {name for name, shape in now.items() if was.get(name, shape) != shape}
    known = Known(ends, now, reshaped)
    owned = owners(flatbuffer, before)
    after = settled(flatbuffer, owned, before, after)
    rewire(flatbuffer, owned, before, after, known)
    drop_unread(flatbuffer)
    same_steps(flatbuffer, were[1])
    rebias(flatbuffer, were[0])
    return flatbuffer


def _check(target: Pivot, repaired: onnx.ModelProto) -> None:
    mended(target, repaired)


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the sizes of each tensor whose sizes are all known, inferred anew."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    try:
        full = onnx.shape_inference.infer_shapes(bare, data_prop=True)
    except onnx.shape_inference.InferenceError:
        return {}
    values = (*full.graph.input, *full.graph.value_info, *full.graph.output)
    dims = {one.name: one.type.tensor_type.shape.dim for one in values}
    return {
        name: tuple(int(dim.dim_value) for dim in sizes)
        for name, sizes in dims.items()
        if len(sizes) and all(dim.dim_value > 0 for dim in sizes)
    }


FORMAT = NativeFormat(
    "tflite",
    ".tflite",
    ends_in(".tflite"),
    write,
    _check,
    anew=anew(TENSORFLOW, plain),
    facts=facts,
)
