"""A stored TensorFlow graph looked through before TensorFlow reads it."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from analyzer.core.errors import LoadError
from analyzer.frontends.base import existing

TOLD = 3
"""Dangers that a message names; one is reason enough."""

Dangers = Callable[[memoryview], Iterator[str]]


def check_graph(path: str, file: Path, dangers: Dangers, *, trust_code: bool) -> None:
    """Raise where a stored graph is broken, or holds what a model has no need of.

    Args:
        path: The model, as the user gave it.
        file: The file that holds the graph.
        dangers: What yields a sentence for each danger in it.
        trust_code: Whether dangers are let pass.

    Raises:
        LoadError: It is no graph, or holds operators that touch files, run Python or hold
            datasets.
    """
    existing(str(file))
    try:
        found = _found(file, dangers)
    except (ValueError, RecursionError) as surprise:
        raise LoadError(
            f"{path} is damaged, or no TensorFlow graph in binary ({surprise})",
            hint="save or download the model again",
        ) from surprise
    if found and not trust_code:
        raise LoadError(
            f"{path} could do more than compute when it runs: {'; '.join(found)}",
            hint="pass --trust-code if you trust whoever made it",
        )


def _found(file: Path, dangers: Dangers) -> list[str]:
    return list(islice(dangers(memoryview(file.read_bytes())), TOLD))
