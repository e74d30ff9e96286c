"""ONNX files: they are their own pivot, and ONNX Runtime is their native runtime."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx

from analyzer.core.errors import LoadError
from analyzer.core.tensors import dtype_name
from analyzer.core.types import Feeds, NativeLayer, Pivot, TensorSpec
from analyzer.frontends.base import digest, existing
from analyzer.runtime.session import Session, open_session, unreadable_opset
from analyzer.runtime.skeleton import read_skeleton

SCOPES = "pkg.torch.onnx.name_scopes"
"""Where torch's exporter writes the modules around a node, outermost first, itself last."""

QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
"""One entry of that list, as Python prints it."""

TRACE = "pkg.torch.onnx.stack_trace"
"""Where torch's exporter writes the lines of code that a node comes from."""

FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')

LIBRARY = re.compile(r"site-packages|dist-packages|(?:^|[\\/])torch[\\/]")
"""Marks the frames of a stack trace that are not the user's own code."""


@dataclass(frozen=True, slots=True)
class OnnxFrontend:
    """Reads ``.onnx``; weights stay in the file."""

    framework: str = "onnx"
    reads: tuple[str, ...] = (".onnx",)

    def claims(self, path: str) -> bool:
        """Return whether the path ends in ``.onnx``."""
        return path.lower().endswith(self.reads)

    def load(self, path: str, *, trust_code: bool) -> Pivot:
        """Return the model as its own pivot.

        Args:
            path: As the user gave it.
            trust_code: Of no effect: an ONNX file carries no code.

        Raises:
            LoadError: The file is damaged, its external data cannot be reached, or no
                installed runtime reads its opset.
        """
        del trust_code
        file = existing(path)
        model = read_skeleton(file)
        _check_opsets(model, path)
        weights = {tensor.name for tensor in model.graph.initializer}
        fed = [value for value in model.graph.input if value.name not in weights]
        return Pivot(
            model=model,
            folder=file.parent,
            path=file,
            framework=self.framework,
            inputs=tuple(tensor_spec(value) for value in fed),
            outputs=tuple(tensor_spec(value) for value in model.graph.output),
            layers=native_layers(model),
            sha256=digest(file),
            run_native=_Native(model, file.parent),
        )


class _Native:
    """An ONNX model as its users run it: optimised, opened at the first sample."""

    __slots__ = ("_folder", "_model", "_session")

    def __init__(self, model: onnx.ModelProto, folder: Path) -> None:
        self._model = model
        self._folder = folder
        self._session: Session | None = None

    def __call__(self, feeds: Feeds) -> Feeds:
        """Return the outputs for one sample, by name."""
        if self._session is None:
            self._session = open_session(self._model, self._folder, optimize=True)
        return self._session.run(feeds)


def _check_opsets(model: onnx.ModelProto, path: str) -> None:
    """Refuse a model that is written for an opset newer than the runtime knows."""
    unreadable = unreadable_opset(model.opset_import)
    if unreadable is None:
        return
    domain, declared, newest = unreadable
    raise LoadError(
        f"{path} needs opset {declared} of {domain or 'ai.onnx'}, and the installed ONNX "
        f"Runtime reads {newest} at most",
        hint=f"install a newer onnxruntime, or export the model for opset {newest}",
    )


def tensor_spec(value: onnx.ValueInfoProto) -> TensorSpec:
    """Return a declared input or output; a negative size counts as unknown.

    Args:
        value: The declaration, of a tensor or anything else.
    """
    if not value.type.HasField("tensor_type"):
        return TensorSpec(value.name, "unknown", None)
    kind = value.type.tensor_type
    sizes = tuple(map(_size, kind.shape.dim)) if kind.HasField("shape") else None
    return TensorSpec(value.name, dtype_name(kind.elem_type), sizes)


def _size(size: onnx.TensorShapeProto.Dimension) -> int | str | None:
    """Return the size of one axis: a number, a symbol, or None."""
    if size.HasField("dim_value") and size.dim_value >= 0:
        return size.dim_value
    return size.dim_param or None


def native_layers(model: onnx.ModelProto) -> dict[str, NativeLayer]:
    """Return the user's layer behind each tensor, where the exporter recorded one.

    Args:
        model: A model whose nodes may carry torch's metadata, or names that are paths.

    Returns:
        Layer by tensor name.
    """
    return {
        name: layer
        for node in model.graph.node
        for layer in _layer(node)
        for name in node.output
        if name
    }


def _layer(node: onnx.NodeProto) -> Iterator[NativeLayer]:
    """Yield the layer a node comes from, if it says so."""
    notes = {entry.key: entry.value for entry in node.metadata_props}
    name = _scope(notes) or _path(node.name)
    location = _location(notes)
    if name or location:
        yield NativeLayer(name or node.op_type, location)


def _scope(notes: Mapping[str, str]) -> str:
    """Return the innermost module of torch's metadata, or what the node is called there."""
    entries = QUOTED.findall(notes.get(SCOPES, ""))
    named = [one or other for one, other in entries if one or other]
    return named[-2] if len(named) > 1 else "".join(named)


def _path(name: str) -> str:
    """Return the layer that a node's name gives as its path; empty where it is no path.

    ``/layer1/layer1.0/conv1/Conv`` is ``layer1.0.conv1`` as torch's older exporter spells
    it, ``model/conv1/BiasAdd`` is ``conv1`` as TensorFlow does.
    """
    parts = name.partition(";")[0].split("/")[:-1]
    if name.startswith("/"):
        return _module(parts[1:])
    return "/".join(parts[1:] or parts)


def _module(parts: list[str]) -> str:
    """Return a torch module path from scopes of which a child repeats its list's name."""
    path: list[str] = []
    for part in parts:
        outer = path[:-1] if path and part.startswith(f"{path[-1]}.") else path
        path = [*outer, part]
    return ".".join(path)


def _location(notes: Mapping[str, str]) -> str | None:
    """Return file and line of the user's innermost frame, without the file's folders."""
    frames = list(FRAME.finditer(notes.get(TRACE, "")))
    own = [frame for frame in frames if not LIBRARY.search(frame["file"])] or frames
    if not own:
        return None
    name = PurePosixPath(PureWindowsPath(own[-1]["file"]).as_posix()).name
    return f"{name}:{own[-1]['line']}"


FRONTEND = OnnxFrontend()
