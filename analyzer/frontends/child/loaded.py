"""What an importer hands to the child's loop."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import onnx

from analyzer.core.types import Feeds, Mistranslation


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A model that a framework has read.

    Attributes:
        model: Its ONNX form.
        run: Runs one sample natively; arrays by the model's input and output names.
        layers: Layer name and code location (or None) by pivot tensor.
        notes: What the importer wants said, in sentences.
        remake: Imports it anew where its ONNX form is wrong on the given samples; None
            where there is no other way to.
        wrong: What the importer translates wrongly, mended here or not.
        importer: The framework and the tool that read it, by `Importer`'s names for them,
            where only its content told which.
        values: Gives, for one sample, what the framework itself computes of the named pivot
            tensors: of those that it has. None where it cannot be asked.
        layerwise: How far a quantized model's ONNX form is from it layer by layer, as a
            clause; empty where nobody looked.
        steps: How many steps of its grid each quantized tensor of the ONNX form is from the
            framework's, computed of the framework's own integers, and in a run of the
            whole; empty where nobody looked.
        example: The inputs that came with the model, by the ONNX form's names; empty where
            none did.
    """

    model: onnx.ModelProto
    run: Callable[[Feeds], Feeds]
    layers: Mapping[str, tuple[str, str | None]]
    notes: tuple[str, ...] = ()
    remake: "Callable[[Sequence[Feeds]], Loaded | None] | None" = None
    wrong: tuple[Mistranslation, ...] = ()
    importer: Mapping[str, str] = field(default_factory=dict)
    values: Callable[[Feeds, Sequence[str]], Feeds] | None = None
    layerwise: str = ""
    steps: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    example: Feeds = field(default_factory=dict)
