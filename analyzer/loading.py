"""Both models of a pair as pivots, each told what the other knows."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from analyzer.core.options import Options, Progress
from analyzer.core.types import Pivot, TensorSpec
from analyzer.frontends.child.client import kill_children
from analyzer.frontends.hints import Hints
from analyzer.pivot import asks, load


def load_pair(
    paths: tuple[str, str], options: Options, progress: Progress
) -> tuple[Pivot, Pivot]:
    """Return both pivots, read side by side.

    A file that says nothing of its inputs waits for the other one, and is told of its.

    Args:
        paths: Source and target, as the user gave them.
        options: What may run, and what the user says of files that do not say it.
        progress: Told what is being done.

    Raises:
        PivotfixError: A file or an option is wrong.
    """
    progress(f"loading {' and '.join(Path(path).name for path in paths)}", 0.0)
    hints = hints_of_both(options)
    asking = [asks(path) for path in paths]
    trust = options.trust_code
    if asking[0] != asking[1]:
        first = asking.index(False)
        known = load(paths[first], trust_code=trust, hints=hints[first])
        stated = _stated(known.inputs, options.input_shapes)
        ends = replace(hints[1 - first], inputs=stated)
        other = load(paths[1 - first], trust_code=trust, hints=ends)
        return (known, other) if first == 0 else (other, known)
    with ThreadPoolExecutor(2) as pool:
        futures = [
            pool.submit(load, path, trust_code=trust, hints=known)
            for path, known in zip(paths, hints, strict=True)
        ]
        try:
            return futures[0].result(), futures[1].result()
        except KeyboardInterrupt:
            kill_children()  # the threads of the pool wait for them
            raise


def hints_of_both(options: Options) -> tuple[Hints, Hints]:
    """Return what the user says of the source, and of the target.

    Args:
        options: One signature in it is meant for both.
    """
    source, target = (*options.signatures, "", "")[:2]
    if len(options.signatures) == 1:
        target = source
    hints = Hints(options.model, options.input_shapes, signature=source)
    return hints, replace(hints, signature=target)


def _stated(
    inputs: tuple[TensorSpec, ...], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[TensorSpec, ...]:
    """Return inputs in the shapes that the user states for them."""
    return tuple(replace(one, shape=shapes.get(one.name, one.shape)) for one in inputs)
