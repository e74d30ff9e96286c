"""What an importer hands to the child's loop."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import onnx

from analyzer.core.types import Feeds


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A model that a framework has read.

    Attributes:
        model: Its ONNX form.
        run: Runs one sample natively; arrays by the model's input and output names.
        layers: Layer name and code location (or None) by pivot tensor.
        notes: What the importer wants said, in sentences.
    """

    model: onnx.ModelProto
    run: Callable[[Feeds], Feeds]
    layers: Mapping[str, tuple[str, str | None]]
    notes: tuple[str, ...] = ()
