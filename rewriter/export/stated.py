"""What a written file states otherwise than the one it was made from."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from analyzer.core.types import Pivot, TensorSpec
from rewriter.export import own_format


def changed(target: Pivot, written: Pivot) -> tuple[str, ...]:
    """Return what a written file states otherwise than the target's, in sentences.

    Size, inputs, outputs, and what the format itself states: signatures, metadata, what is
    quantized.

    Args:
        target: The model as it was loaded.
        written: What was written, loaded again.
    """
    own = own_format(str(target.path))
    facts = own.facts if own is not None else lambda _: {}
    return (
        *_size(target.path, written.path),
        *_ends("input", target.inputs, written.inputs),
        *_ends("output", target.outputs, written.outputs),
        *_facts(facts(target.path), facts(written.path)),
    )


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    return path.stat().st_size


def _size(target: Path, written: Path) -> Iterator[str]:
    before, after = size(target), size(written)
    if before != after and target.suffix == written.suffix:  # code has no size of a model
        yield f"its size is {after:,} bytes, {before:,} before ({after / before - 1:+.2%})"


def _ends(
    role: str, before: Sequence[TensorSpec], after: Sequence[TensorSpec]
) -> Iterator[str]:
    """Yield what is declared otherwise of the inputs, or of the outputs."""
    was, now = [list(map(_told, specs)) for specs in (before, after)]
    if was != now:
        yield f"its {role}s are {', '.join(now)}; before: {', '.join(was)}"


def _told(spec: TensorSpec) -> str:
    if spec.shape is None:
        return f"{spec.name} {spec.dtype}"
    sizes = ", ".join(str(one) if isinstance(one, int) else "?" for one in spec.shape)
    return f"{spec.name} {spec.dtype}[{sizes}]"


def _facts(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for what in dict.fromkeys((*before, *after)):
        was, now = before.get(what, "absent"), after.get(what, "absent")
        if was != now:
            yield f"its {what}: {now}; before: {was}"
