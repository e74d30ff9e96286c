"""What a file does not say of itself, and the user or the other model of a pair does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from analyzer.core.types import Pivot, TensorSpec


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known of a model besides its file.

    Attributes:
        model: ``file.py:factory`` of the module that bare weights belong to, or nothing.
        shapes: The user's shapes by input name.
        inputs: Inputs of the model that it is compared with, in order; None: not known.
        signature: The signature that a SavedModel is called by; empty for its default.
    """

    model: str = ""
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    inputs: tuple[TensorSpec, ...] | None = None
    signature: str = ""


@runtime_checkable
class HintedFrontend(Protocol):
    """A frontend of files that do not say everything themselves."""

    def asks(self, path: str) -> bool:
        """Return whether it would be helped by the inputs of the other model of a pair."""
        ...

    def load_hinted(self, path: str, hints: Hints, *, trust_code: bool) -> Pivot:
        """Return the model as a pivot; the errors are those of `Frontend.load`.

        Args:
            path: As the user gave it.
            hints: What is known besides.
            trust_code: Whether code that comes with the model may run.
        """
        ...
