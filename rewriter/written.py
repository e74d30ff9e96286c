"""The mended model as its own runtime sees it, and then in its place."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from analyzer.core.errors import ExportError, LoadError, PivotfixError, RunError
from analyzer.core.options import Options
from analyzer.core.types import Feeds, Pivot
from analyzer.integer_ends import as_floats
from analyzer.judge import NEGLIGIBLE
from analyzer.loading import hints_of_both
from analyzer.pivot import asks, load
from analyzer.runtime.metrics import relative_error
from rewriter.export import ONNX, copy, export, own_format
from rewriter.export.beside import replacing
from rewriter.export.marked import is_as_written
from rewriter.remembered import remembering

FACTORY = "factory"
"""The function of a patch script that builds the mended module."""


@contextmanager
def written(
    target: Pivot, mended: Pivot, suffix: str, options: Options, *, anew: bool = False
) -> Iterator[Pivot]:
    """Give the mended model as its own runtime sees it, with what its exporter notes.

    What ONNX Runtime runs is the edited proto itself; any other format is written to a
    folder that goes afterwards, and loaded from there.

    Args:
        target: The model as it was loaded.
        mended: Its pivot after the repair.
        suffix: Of OUT, which tells the format.
        options: What may run, and what the user says of files that do not say it.
        anew: Whether its pivot is exported whole, and the target's file not patched.

    Raises:
        ExportError: The format cannot say the repair.
    """
    if suffix == ONNX:
        yield mended
        return
    with tempfile.TemporaryDirectory(prefix="pivotfix-") as folder:
        path = Path(folder) / f"mended{suffix}"
        notes = export(target, mended.model, path, anew=anew)
        _, hints = hints_of_both(options)
        inputs = target.inputs if asks(str(path)) else None
        hints = replace(hints, model=_code(target, path) or hints.model, inputs=inputs)
        try:
            loaded = load(str(path), trust_code=options.trust_code, hints=hints)
        except LoadError as surprise:
            raise ExportError(
                f"the file with the repair in it cannot be read again ({surprise.problem})",
                hint="write the repaired model with -o to an .onnx file",
            ) from surprise
        yield remembering(as_floats(replace(loaded, notes=notes), target.ends))


def publish(target: Pivot, proven: Pivot, feeds: Feeds, out: Path) -> None:
    """Write the mended model to OUT: the proven bytes, or the proven proto.

    Args:
        target: The model as it was loaded.
        proven: What `written` gave.
        feeds: One sample for it, on which both must agree.
        out: Where it goes.

    Raises:
        PivotfixError: What was written is not what was proven; OUT is gone again.
    """
    if out.suffix.lower() != ONNX:
        copy(proven, out)
        _copy_beside(target, proven.path, out)
        return
    export(target, proven.model, out)
    try:
        ours = proven.run_native(feeds)
    except RunError:  # an improved model may stop where the target stopped before
        return
    try:
        theirs = as_floats(load(str(out), trust_code=False), target.ends).run_native(feeds)
    except PivotfixError:  # what was written cannot be proven, so it must not stay
        out.unlink(missing_ok=True)  # another run that writes it may have taken it away
        raise
    if any(relative_error(theirs[name], ours[name]) > NEGLIGIBLE for name in ours):
        out.unlink(missing_ok=True)
        raise ExportError(
            f"{out} does not compute what was proven, so it was removed again",
            hint="check the disk, and that nothing else writes to that folder",
        )


def cleared(source: Pivot, target: Pivot, made: Path, out: Path) -> Iterator[str]:
    """Yield what became of files beside OUT that this repair has not written.

    What is as an earlier repair wrote it goes: it says what OUT said then. What anyone has
    changed since stays, and so does the code of either model.

    Args:
        source: The source.
        target: The model as it was loaded.
        made: What OUT is a copy of.
        out: Where it was written.
    """
    own = own_format(str(target.path))
    if own is None:
        return
    codes = {Path(one.code.rpartition(":")[0]).resolve() for one in (source, target)}
    for new, place in zip(own.beside(made), own.beside(out), strict=True):
        if new.exists() or not place.is_file() or place.resolve() in codes:
            continue
        if is_as_written(place):
            place.unlink()
            yield f"{place.name} of an earlier repair is removed: this one writes none"
        else:
            yield f"{place.name} was there before, and does not belong to it"


def _code(target: Pivot, path: Path) -> str:
    """Return the code that was written beside a repaired model, as a hint names it."""
    own = own_format(str(target.path))
    found = [one for one in own.beside(path) if one.exists()] if own is not None else []
    return f"{found[0]}:{FACTORY}" if found else ""


def _copy_beside(target: Pivot, proven: Path, out: Path) -> None:
    """Write what belongs to a repaired model beside it too."""
    own = own_format(str(target.path))
    if own is None:
        return
    for made, place in zip(own.beside(proven), own.beside(out), strict=True):
        if made.exists():
            with replacing(place) as file:
                file.write(made.read_bytes())
