"""Where a repaired model may go: checked before anything is loaded."""

import os
from collections.abc import Iterable
from pathlib import Path

from analyzer.core.errors import UsageError
from analyzer.frontends.base import find_frontend
from rewriter.export import ONNX, own_format

SAVED = frozenset(
    {
        "assets",
        "assets.extra",
        "fingerprint.pb",
        "keras_metadata.pb",
        "saved_model.pb",
        "variables",
    }
)
"""What TensorFlow and Keras put into a SavedModel's folder.

Source: https://www.tensorflow.org/guide/saved_model"""


def check_destination(source: str, target: str, out: Path, *, force: bool) -> None:
    """Refuse an OUT that cannot or must not be written.

    Args:
        source: Path of the source, as the user gave it.
        target: Path of the target, as the user gave it.
        out: Where the repaired model is to go.
        force: Whether a file that is there may be replaced.

    Raises:
        UsageError: OUT is the source or the target, exists, has no folder that can be
            written, or ends in another format's suffix.
    """
    for role, path in (("SOURCE", source), ("TARGET", target)):
        for one in _made(target, out):
            touched = _touched((path,), one)
            if touched:
                raise UsageError(
                    f"OUT {one} {touched} the {role}, which a repair never touches",
                    hint="give -o another name",
                )
    if out.is_dir() and not _may_replace(target, out):
        raise UsageError(f"OUT {out} is a folder", hint="name a file in it")
    taken = next((one for one in _made(target, out) if one.exists()), None)
    if taken is not None and not force:
        raise UsageError(
            f"OUT {taken} exists", hint="give -o another name, or pass --force"
        )
    if not out.parent.is_dir():
        raise UsageError(
            f"the folder of OUT {out} does not exist", hint=f"mkdir -p {out.parent}"
        )
    if not os.access(out.parent, os.W_OK | os.X_OK):
        raise UsageError(
            f"the folder of OUT {out} cannot be written", hint="give -o another folder"
        )
    _check_suffix(target, out)


def may_write(models: Iterable[Path], out: Path, *, force: bool) -> bool:
    """Return whether a file may be written that the user has not named.

    Args:
        models: Where the models of the pair are, which a repair never touches.
        out: The file.
        force: Whether a file that is there may be replaced.
    """
    return not out.exists() or (
        force and not out.is_dir() and not _touched(map(str, models), out)
    )


def check_patch(
    source: str, target: str, out: Path | None, patch: Path, *, force: bool
) -> None:
    """Refuse a patch that must not or cannot be written.

    Args:
        source: Path of the source, as the user gave it.
        target: Path of the target, likewise.
        out: Where the repaired model is to go; None: nowhere.
        patch: Where the patch is to go.
        force: Whether a file that is there may be replaced.

    Raises:
        UsageError: It is one of the models, exists, or has no folder that can be written.
    """
    models = [Path(source), Path(target), Path(source.rpartition(":")[0])]
    models += [Path(target.rpartition(":")[0]), *([] if out is None else [out])]
    if any(_is_same(model, patch) for model in models):
        raise UsageError(
            f"the patch {patch} is one of the models", hint="give --patch another name"
        )
    if patch.is_dir() or not patch.parent.is_dir():
        raise UsageError(
            f"the patch {patch} is no file in a folder that exists",
            hint="name a file with --patch",
        )
    if patch.exists() and not force:
        raise UsageError(
            f"the patch {patch} exists", hint="give --patch another name, or pass --force"
        )


def _made(target: str, out: Path) -> tuple[Path, ...]:
    """Return OUT, and the files that may be written beside it."""
    own = own_format(target)
    if own is None or out.suffix.lower() == ONNX:
        return (out,)
    return (out, *own.beside(out))


def _may_replace(target: str, out: Path) -> bool:
    """Return whether a folder that is there is a model of the target's own format.

    All that lies in it goes when it is replaced, so that nothing else may.
    """
    own = own_format(target)
    if own is None or own.suffix or not out.name:
        return False
    return own.claims(str(out)) and {one.name for one in out.iterdir()} <= SAVED


def _check_suffix(target: str, out: Path) -> None:
    """Refuse an OUT of another format than the target's own, or ``.onnx``."""
    framework = find_frontend(target).framework
    suffix, own = out.suffix.lower(), own_format(target)
    if suffix == ONNX or (own is not None and own.suffix in {suffix, ""}):
        return
    wanted = " or ".join(
        dict.fromkeys(([own.suffix or "a folder"] if own is not None else []) + [ONNX])
    )
    raise UsageError(
        f"OUT {out} ends in {suffix or 'no suffix'}, but a repaired {framework} model is "
        f"written as {wanted}",
        hint=f"give -o a name that ends in {wanted}",
    )


def _touched(paths: Iterable[str], out: Path) -> str:
    """Return how a file or folder meets one of some models, as a verb; empty: in no way."""
    for path in paths:
        forms = [Path(path), Path(path.rpartition(":")[0])]
        if any(_is_same(one, out) for one in forms):
            return "is"
        if any(_holds(out, one) for one in forms):
            return "holds"
        if any(_holds(one, out) for one in forms):
            return "lies in"
    return ""


def _holds(folder: Path, inner: Path) -> bool:
    """Return whether a path lies in a folder that is there, through any link."""
    known = folder != Path() and inner != Path() and folder.is_dir()
    return known and folder.resolve() in inner.resolve().parents


def _is_same(path: Path, out: Path) -> bool:
    """Return whether two paths lead to one file, through any link."""
    if path == Path():
        return False
    if path.resolve() == out.resolve():
        return True
    return path.exists() and out.exists() and path.samefile(out)
