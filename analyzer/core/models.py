"""A model in ONNX form, and the values its tensors and attributes hold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx

from analyzer.core.ends import IntegerEnd
from analyzer.core.errors import RunError

Array = npt.NDArray[Any]
"""An n-dimensional NumPy array of any dtype."""

Feeds = Mapping[str, Array]
"""Arrays by tensor name: one sample of a model's inputs, or what came out for it."""

AttributeValue = (
    int
    | float
    | str
    | bytes
    | tuple[int, ...]
    | tuple[float, ...]
    | tuple[str, ...]
    | Array
    | onnx.GraphProto
)
"""An ONNX attribute as a Python value; float32 attributes render their shortest decimal."""

Permutation = tuple[int, ...]
"""Axes as ``numpy.transpose`` takes them."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A declared input or output of a model.

    Attributes:
        name: Tensor name in the pivot.
        dtype: NumPy dtype name (``float32``, ``int64``, …), ``string``, or ``unknown``.
        shape: A fixed size, a symbol or None for each axis; None: the rank is unknown.
        reach: Smallest and largest number that is drawn for it; None: of any size.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None
    reach: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class NativeLayer:
    """The user's own layer behind a pivot tensor, and where its code stands, if known."""

    name: str
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Mistranslation:
    """An operator of a framework that its importer brings into ONNX form wrongly.

    Attributes:
        operator: As the framework names it, such as ``aten.avg_pool2d.default``.
        layer: The user's layer that it stands in, if known.
        tensor: What it gives, in the pivot that was made first.
        error: Relative deviation from what the framework gives for the same inputs.
        mended: Whether the pivot that is used spells it rightly.
    """

    operator: str
    layer: NativeLayer | None
    tensor: str
    error: float
    mended: bool


@dataclass(frozen=True, slots=True, eq=False)
class Pivot:
    """A model in ONNX form, with everything needed to run it here and natively.

    Attributes:
        model: The proto. Weights of the user's file are external references into `folder`.
        folder: The folder that external locations are relative to.
        path: The user's artefact.
        framework: ``onnx``, ``jax``, ``keras``, ``tensorflow``, ``tflite`` or ``torch``.
        inputs: Declared inputs that must be fed, in the model's order.
        outputs: Declared outputs, in the model's order.
        layers: The user's layer for each pivot tensor that has one.
        sha256: Digest of the user's artefact, hexadecimal.
        run_native: Runs one sample in the model's native runtime. Takes arrays by pivot
            input name, gives arrays by pivot output name. For ``onnx`` it is ONNX Runtime,
            optimised.
        notes: What the importer wants said about this pivot, in sentences.
        refusal: Why ONNX Runtime does not load what an importer made; None where it does.
            The model itself may be sound, and runs natively.
        ends: Inputs and outputs that are taken for floats and are integers in the file.
        remake: Makes the pivot anew where it is not what the framework computes on the
            given samples, by pivot input name: None where nothing wrong is found. None in
            its place: there is no other way to import it.
        wrong: What its importer translates wrongly, mended here or not.
        native_values: Gives, for one sample by pivot input name, what the framework itself
            computes of the named pivot tensors: of those that it has, in its own layout.
            None where it cannot be asked.
        layerwise: How far the pivot of a quantized model is from it layer by layer, as a
            clause; empty where nobody looked.
        signature: The signature that the user chose of a SavedModel; empty: its default.
        code: ``file.py:factory`` of the module that it is, or that its weights belong to;
            empty where the file says everything itself.
        steps: How many steps of its grid each quantized tensor is from the framework's,
            computed of the framework's own integers, and in a run of the whole; empty where
            nobody looked.
        example: The inputs that came with the model, by name; empty where none did.
        edited: Whether it was edited since it was loaded: its native runtime is then ONNX
            Runtime, optimised, whatever its framework.
        trusted: Whether the user lets code that comes with the model run.
    """

    model: onnx.ModelProto
    folder: Path
    path: Path
    framework: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layers: Mapping[str, NativeLayer]
    sha256: str
    run_native: Callable[[Feeds], Feeds]
    notes: tuple[str, ...] = ()
    refusal: RunError | None = None
    ends: Mapping[str, IntegerEnd] = field(default_factory=dict)
    remake: Callable[[Sequence[Feeds]], "Pivot | None"] | None = None
    wrong: tuple[Mistranslation, ...] = ()
    native_values: Callable[[Feeds, Sequence[str]], Feeds] | None = None
    layerwise: str = ""
    signature: str = ""
    code: str = ""
    steps: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    example: Feeds = field(default_factory=dict)
    edited: bool = False
    trusted: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One ONNX operator, its schema defaults filled in.

    Attributes:
        name: The node's name; its first output tensor where it has none.
        op: Operator type.
        domain: Operator domain, empty for ONNX's own.
        opset: The opset version of `domain` that its model declares.
        inputs: Input tensor names, an empty string where an optional input is absent.
        outputs: Output tensor names.
        attributes: Attributes by name, defaults of the schema included.
        constants: Value of each input slot that is an initializer or a Constant node.
        held: Value of each constant around it that its branches or its body read, by name.
    """

    name: str
    op: str
    domain: str
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, AttributeValue]
    constants: Mapping[int, Array]
    held: Mapping[str, Array] = field(default_factory=dict)
