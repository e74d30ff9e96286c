"""A part of a model as IREE computes it, compiled: a third vote, where it is installed."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx

from analyzer.core.types import Array, Feeds
from analyzer.reports.mlir import mlir_lines
from analyzer.runtime.value_types import type_of

FUNCTION = "part"
"""The name of what is compiled."""

TARGET = ("--iree-llvmcpu-target-cpu=host",)
"""For this machine alone: nothing that is compiled here is kept."""


def is_installed() -> bool:
    """Return whether the extra ``mlir`` is installed."""
    return find_spec("iree") is not None and find_spec("iree.compiler") is not None


def compiled_values(part: onnx.ModelProto, feeds: Feeds) -> dict[str, Array] | None:
    """Return what a part gives when it is compiled; None where that is not possible.

    Args:
        part: A model whose weights are inside it.
        feeds: Array by input name.

    Returns:
        Array by output name, of the dtypes the part declares.
    """
    if not is_installed():
        return None
    from iree import compiler, runtime

    shaped = _shaped(part, feeds)
    text = "\n".join(mlir_lines(shaped, Path()))
    given = [feeds[value.name] for value in shaped.graph.input]
    try:
        stored = compiler.compile_str(
            text, target_backends=["llvm-cpu"], extra_args=list(TARGET)
        )
        config = runtime.Config("local-task")
        module = runtime.VmModule.copy_buffer(config.vm_instance, stored)
        bound = runtime.load_vm_module(module, config)
        results = bound[FUNCTION](*given)
    except (compiler.CompilerToolError, RuntimeError, ValueError, KeyError):
        return None  # an operator that it does not lower
    many = results if isinstance(results, (list, tuple)) else (results,)
    names = (value.name for value in part.graph.output)
    return {name: np.asarray(one) for name, one in zip(names, many, strict=True)}


def _shaped(part: onnx.ModelProto, feeds: Feeds) -> onnx.ModelProto:
    """Return a part whose inputs declare the sizes that they are fed."""
    shaped = onnx.ModelProto()
    shaped.CopyFrom(part)
    shaped.graph.name = FUNCTION
    for value in shaped.graph.input:
        array = feeds[value.name]
        value.type.CopyFrom(type_of(array, array.shape))
    return shaped
