"""A converter's issue as three models: the source, its conversion right, and wrong.

The conversions are spelt as that converter writes them (decomposed, in another layout,
under other names): nothing but the fault itself tells them from each other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper, parser

Build = Callable[[], onnx.ModelProto]


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue of a converter's tracker.

    Attributes:
        link: ``owner/repository#number``; empty where no tracker's entry is known.
        title: What went wrong, in a line.
        rule: Slug of the rule that names it; empty where it is but another spelling.
        source: The model that was converted.
        healthy: Its conversion by a version that does it right.
        broken: The conversion that the issue shows; None where `rule` is empty.
        guilty: Target tensors one of which the first finding names.
        slug: Name of the tests where there is no link.
        faults: How many nodes are wrong, each by itself.
    """

    link: str
    title: str
    rule: str
    source: Build
    healthy: Build
    broken: Build | None = None
    guilty: tuple[str, ...] = ()
    slug: str = ""
    faults: int = 1

    @property
    def url(self) -> str:
        """Where it can be read; there must be a link."""
        repository, _, number = self.link.partition("#")
        return f"https://github.com/{repository}/issues/{number}"


def spelled(
    text: str, weights: Mapping[str, np.ndarray] | None = None, *, sound: bool = True
) -> onnx.ModelProto:
    """Return a model from ONNX's own text form, with larger weights beside it.

    Args:
        text: ``<opset> name (inputs) => (outputs) { nodes }``; an operator set of 18 and a
            current IR version stand where the text begins with the graph.
        weights: Arrays of initializers by name.
        sound: Whether its shapes and dtypes fit each other, which is then checked.
    """
    head = '<ir_version: 8, opset_import: ["" : 18]>'
    stated = text.lstrip()
    model = parser.parse_model(stated if stated.startswith("<") else f"{head}\n{stated}")
    model.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in (weights or {}).items()
    )
    onnx.checker.check_model(model, full_check=sound)
    return model


def drawn(*shape: int, seed: int = 0, scale: float = 0.5) -> np.ndarray:
    """Return float32 weights of a shape, normal about zero.

    Args:
        shape: Sizes of the axes.
        seed: Another one gives other weights.
        scale: Standard deviation.
    """
    values = np.random.default_rng(seed).standard_normal(shape) * scale
    return values.astype(np.float32)
