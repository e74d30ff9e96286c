"""Pivots of the frameworks that run in a child process."""

import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import onnx

from analyzer.core.errors import LoadError, RunError
from analyzer.core.listing import several
from analyzer.core.tensors import dtype_name
from analyzer.core.types import Feeds, Mistranslation, NativeLayer, Pivot, TensorSpec
from analyzer.frontends.base import digest
from analyzer.frontends.child.client import Child, ChildDied, child_of
from analyzer.frontends.child.wire import read_arrays, write_arrays
from analyzer.frontends.needed import require
from analyzer.runtime.session import open_session
from analyzer.runtime.skeleton import read_skeleton

LOAD_SECONDS = 600.0
"""A deep network's import takes 90 s on a busy pair of cores; a hang takes forever."""

RUN_SECONDS = 300.0
"""One sample of the largest networks takes seconds."""

NOTHING: Mapping[str, Any] = MappingProxyType({})
"""What most importers take beside the path."""


@dataclass(frozen=True, slots=True)
class Importer:
    """How one kind of file becomes a pivot.

    Attributes:
        framework: ``jax``, ``keras``, ``tensorflow``, ``tflite`` or ``torch``; ``factory``
            where only the child can tell.
        family: The child it runs in, ``tensorflow``, ``tflite``, ``torch`` or ``factory``.
        module: The module in the child, with a function ``load``.
        tool: The converter that does the work, as its users call it.
        needs: The packages that must be there.
        extra: The extras that bring them, as pip takes them.
    """

    framework: str
    family: str
    module: str
    tool: str
    needs: tuple[str, ...]
    extra: str


class NativeModel:
    """The model in its own framework, in the child; called with one sample."""

    def __init__(
        self, child: Child, key: int, path: str, names: tuple[list[str], list[str]]
    ) -> None:
        self._child = child
        self._path = path
        self._key = key
        self._inputs, self._outputs = names
        self._folder = child.folder / str(key)
        self._turn = threading.Lock()
        weakref.finalize(self, child.forget, key)

    def __call__(self, feeds: Feeds) -> Feeds:
        """Return the outputs of one sample, by pivot name.

        Args:
            feeds: One array per pivot input, of the input's dtype and shape.

        Raises:
            RunError: The framework refuses the sample, or dies of it.
        """
        missing = [name for name in self._inputs if name not in feeds]
        if missing:
            raise RunError(
                f"{self._path} takes an input {missing[0]}, which is not fed",
                hint=f"feed {several(self._inputs)}",
            )
        with self._turn:
            self._ask("run", feeds, outputs=self._outputs)
            return read_arrays(self._folder / "results.npz", self._outputs)

    def values(self, feeds: Feeds, names: Sequence[str]) -> Feeds:
        """Return what the framework computes of tensors inside the model, for one sample.

        Args:
            feeds: One array per pivot input, of the input's dtype and shape.
            names: Tensors of the pivot; those that the framework has not are left out.

        Returns:
            Arrays in the framework's own layout, by pivot name.

        Raises:
            RunError: The framework refuses the sample, or dies of it.
        """
        with self._turn:
            answer = self._ask("values", feeds, tensors=list(names))
            return read_arrays(self._folder / "values.npz", answer["tensors"])

    def _ask(self, call: str, feeds: Feeds, **more: Sequence[str]) -> Mapping[str, Any]:
        try:
            write_arrays(self._folder / "feeds.npz", (feeds[name] for name in self._inputs))
            return self._child.ask(
                call,
                seconds=RUN_SECONDS,
                path=self._path,
                model=self._key,
                inputs=self._inputs,
                **more,
            )
        except FileNotFoundError as surprise:  # the folder goes with the child
            raise self._dead("is gone", "") from surprise
        except ChildDied as surprise:
            raise self._dead(str(surprise), surprise.hint) from surprise

    def _dead(self, surprise: str, hint: str) -> RunError:
        return RunError(
            f"{self._path}: its framework {surprise} while it ran a sample",
            hint=hint or "run it there by hand with the same inputs",
        )


def load(
    path: str,
    file: Path,
    importer: Importer,
    *,
    trust_code: bool,
    settings: Mapping[str, Any] = NOTHING,
    code: str = "",
) -> Pivot:
    """Return the pivot that an importer makes of a file.

    Args:
        path: As the user gave it.
        file: The file behind it.
        importer: Who reads it.
        trust_code: Whether code that comes with the model may run.
        settings: What else the importer takes, as JSON can hold it.
        code: ``file.py:factory`` that builds its module, or nothing.

    Raises:
        LoadError: The file is broken, a package is missing, or the importer failed.
    """
    require(path, importer.needs, importer.extra)
    child = child_of(importer.family)
    key = child.new_model()
    try:
        answer = child.ask(
            "load",
            seconds=LOAD_SECONDS,
            path=path,
            model=key,
            importer=importer.module,
            trust_code=trust_code,
            settings=dict(settings),
            folder=str(Path.cwd()),
        )
    except ChildDied as surprise:
        raise LoadError(
            f"{path}: the {importer.framework} import {surprise}",
            hint=surprise.hint
            or "check that the file is whole and loads in its own framework",
        ) from surprise
    return _pivot((path, file, importer, code), (child, key, answer))


Imported = tuple[Child, int, Mapping[str, Any]]
"""The child, the model's number there, and what it answered."""


Known = tuple[str, Path, Importer, str]
"""A model's path as the user gave it, the file behind it, who imports it, and its code."""


def _pivot(known: Known, imported: Imported) -> Pivot:
    path, file, importer, code = known
    child, key, answer = imported
    importer = replace(importer, **answer["importer"])
    written = Path(answer["pivot"])
    model = read_skeleton(written)
    refusal = _refusal(model, written.parent, importer)
    constant = {tensor.name for tensor in model.graph.initializer}
    inputs = specs(value for value in model.graph.input if value.name not in constant)
    outputs = specs(model.graph.output)
    names = [spec.name for spec in inputs], [spec.name for spec in outputs]
    anew = Remaking((path, file, importer, code), child, key, names[0])
    native = NativeModel(child, key, path, names)
    return Pivot(
        model,
        written.parent,
        file,
        importer.framework,
        inputs,
        outputs,
        {tensor: NativeLayer(*layer) for tensor, layer in answer["layers"].items()},
        digest(file),
        native,
        tuple(answer["notes"]),
        refusal,
        remake=anew if answer["remakes"] else None,
        wrong=tuple(_mistranslation(one) for one in answer["wrong"]),
        native_values=native.values if answer["values"] else None,
        layerwise=answer["layerwise"],
        code=code,
        steps={name: (one, other) for name, (one, other) in answer["steps"].items()},
        example=read_arrays(written.parent / "example.npz", answer["example"]),
    )


def _mistranslation(told: Mapping[str, Any]) -> Mistranslation:
    layer = told["layer"]
    return Mistranslation(**{**told, "layer": NativeLayer(**layer) if layer else None})


@dataclass(frozen=True, slots=True, eq=False)
class Remaking:
    """Imports a model anew where its pivot is wrong; called with samples.

    Attributes:
        model: Its path as the user gave it, the file behind it, who imports it, its code.
        child: The child it is in.
        key: Its number there.
        inputs: Names of its inputs, in order.
    """

    model: Known
    child: Child
    key: int
    inputs: list[str]

    def __call__(self, samples: Sequence[Feeds]) -> Pivot | None:
        """Return the better pivot, or None where nothing wrong is found in this one.

        Args:
            samples: One array per pivot input each.
        """
        folder = self.child.folder / str(self.key)
        new = self.child.new_model()
        try:
            for place, feeds in enumerate(samples):
                arrays = (feeds[name] for name in self.inputs)
                write_arrays(folder / f"sample-{place}.npz", arrays)
            answer = self.child.ask(
                "remake",
                seconds=LOAD_SECONDS,
                path=self.model[0],
                model=self.key,
                new=new,
                inputs=self.inputs,
                samples=len(samples),
            )
        except (ChildDied, FileNotFoundError, LoadError):
            return None  # the pivot that there is stays, and is told as unfaithful
        return _pivot(self.model, (self.child, new, answer)) if answer else None


def _refusal(model: onnx.ModelProto, folder: Path, importer: Importer) -> RunError | None:
    """Return why ONNX Runtime refuses the pivot: converters exit well and write junk."""
    try:
        open_session(model, folder)
    except RunError as surprise:
        culprit = surprise.node or next(_unknown(model.graph), None)
        operator = f" at operator {culprit}" if culprit else ""
        return RunError(
            f"{importer.tool} made a pivot that does not load{operator}: "
            f"{surprise.problem}",
            hint=f"the fault is {importer.tool}'s, not the model's: try its newest release",
            node=surprise.node,
            loading=True,
        )
    return None


def _unknown(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield the name and kind of each node that ONNX has no operator for."""
    for node in graph.node:
        if not node.domain and not onnx.defs.has(node.op_type):
            yield f"{node.name} ({node.op_type})"
        for attribute in node.attribute:
            yield from _unknown(attribute.g)


def specs(values: Iterable[onnx.ValueInfoProto]) -> tuple[TensorSpec, ...]:
    """Return declared inputs or outputs, in order."""
    return tuple(_spec(value) for value in values)


def _spec(value: onnx.ValueInfoProto) -> TensorSpec:
    declared = value.type.tensor_type
    if not declared.HasField("shape"):
        return TensorSpec(value.name, dtype_name(declared.elem_type), None)
    sizes = tuple(
        dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or None)
        for dim in declared.shape.dim
    )
    return TensorSpec(value.name, dtype_name(declared.elem_type), sizes)
