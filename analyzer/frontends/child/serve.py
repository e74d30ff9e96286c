"""The child's loop: read a request, let the framework answer it, write the reply."""

import json
import os
import queue
import resource
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import onnx

from analyzer.core.errors import ExportError, LoadError, PivotfixError, RunError
from analyzer.frontends.child.last_words import tell_where
from analyzer.frontends.child.loaded import Loaded
from analyzer.frontends.child.memory import machine_memory
from analyzer.frontends.child.wire import error_as_json, read_arrays, write_arrays
from analyzer.frontends.child.words import one_line

EXTERNAL_FROM = 1 << 30
"""Bytes from which weights are written beside the pivot: protobuf ends at 2 GiB."""

Requests = queue.SimpleQueue[dict[str, Any]]
Load = Callable[..., Loaded]
Export = Callable[..., Iterable[str]]


def serve(family: str, asked: int, answering: int, folder: Path) -> None:
    """Answer requests until the pipe closes.

    Args:
        family: ``tensorflow``, ``tflite``, ``torch`` or ``factory``.
        asked: Descriptor that requests are read from.
        answering: Descriptor that replies are written to.
        folder: The private folder; removed when the other end goes away.
    """
    _bound_resources()
    tell_where()
    requests: Requests = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked, requests, folder), daemon=True).start()
    models: dict[int, Loaded] = {}
    while True:
        request = requests.get()
        for forgotten in request["forget"]:
            models.pop(forgotten, None)
            shutil.rmtree(folder / str(forgotten), ignore_errors=True)
        reply = json.dumps(_answer(family, request, models, folder)) + "\n"
        with os.fdopen(os.dup(answering), "wb") as end:
            end.write(reply.encode())


def _bound_resources() -> None:
    """Leave no core file, and fail a senseless allocation instead of the machine."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    memory = machine_memory()
    _, ceiling = resource.getrlimit(resource.RLIMIT_DATA)
    if ceiling in {resource.RLIM_INFINITY, -1} or ceiling > memory:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, ceiling))


def _listen(asked: int, requests: Requests, folder: Path) -> None:
    """Pass requests on; when the other end is gone, go too, whatever is being computed."""
    with os.fdopen(asked, "rb") as lines:
        for line in lines:
            requests.put(json.loads(line))
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _answer(
    family: str, request: Mapping[str, Any], models: dict[int, Loaded], folder: Path
) -> dict[str, Any]:
    calls = {
        "load": _load,
        "remake": _remake,
        "run": _run,
        "values": _values,
        "export": _export,
    }
    try:
        return calls[request["call"]](request, models, folder)
    except PivotfixError as error:
        return {"error": error_as_json(error)}
    except ImportError as surprise:
        return {"error": error_as_json(_missing(family, surprise))}
    except MemoryError:
        return {"error": error_as_json(_refusal(request, "out of memory"))}
    except Exception as surprise:  # noqa: BLE001  # a framework may raise anything at all
        return {"error": error_as_json(_refusal(request, one_line(surprise)))}


def _missing(family: str, surprise: ImportError) -> LoadError:
    return LoadError(
        f"{family} cannot be imported ({one_line(surprise)})",
        hint=f"pip install 'pivotfix[{family}]'",
    )


def _refusal(request: Mapping[str, Any], surprise: str) -> PivotfixError:
    path = request["path"]
    if request["call"] in {"run", "values"}:
        return RunError(
            f"{path} does not run in its own framework ({surprise})",
            hint="run it there by hand with the same inputs",
        )
    if request["call"] == "export":
        return ExportError(
            f"{path} cannot be written anew by its own framework ({surprise})",
            hint="write the repaired model with -o to an .onnx file",
        )
    return LoadError(
        f"{path} cannot be read by its own framework ({surprise})",
        hint="check that the file is whole and loads there",
    )


def _load(
    request: Mapping[str, Any], models: dict[int, Loaded], folder: Path
) -> dict[str, Any]:
    os.chdir(request["folder"])  # relative paths are the user's, who may have moved
    importer: Load = import_module(request["importer"]).load
    settings = request["settings"]
    loaded = importer(request["path"], trust_code=request["trust_code"], **settings)
    return _kept(loaded, request["model"], models, folder)


def _remake(
    request: Mapping[str, Any], models: dict[int, Loaded], folder: Path
) -> dict[str, Any]:
    """Answer as `_load`, of the same model imported anew; nothing where it is right."""
    known = models[request["model"]]
    place, inputs = folder / str(request["model"]), request["inputs"]
    files = (place / f"sample-{number}.npz" for number in range(request["samples"]))
    samples = [read_arrays(file, inputs) for file in files]
    made = known.remake(samples) if known.remake else None
    return {} if made is None else _kept(made, request["new"], models, folder)


def _kept(
    loaded: Loaded, key: int, models: dict[int, Loaded], folder: Path
) -> dict[str, Any]:
    pivot = folder / str(key) / "pivot.onnx"
    pivot.parent.mkdir()
    _save(loaded.model, pivot)
    models[key] = loaded
    write_arrays(folder / str(key) / "example.npz", loaded.example.values())
    loaded.model.graph.ClearField("initializer")  # the file has them; only names serve here
    return {
        "importer": dict(loaded.importer),
        "layers": dict(loaded.layers),
        "notes": list(loaded.notes),
        "pivot": str(pivot),
        "remakes": loaded.remake is not None,
        "wrong": [asdict(one) for one in loaded.wrong],
        "values": loaded.values is not None,
        "layerwise": loaded.layerwise,
        "steps": dict(loaded.steps),
        "example": list(loaded.example),
    }


def _save(model: onnx.ModelProto, pivot: Path) -> None:
    weights = sum(tensor.ByteSize() for tensor in model.graph.initializer)
    if weights < EXTERNAL_FROM:
        onnx.save_model(model, pivot)
        return
    onnx.save_model(
        model,
        pivot,
        save_as_external_data=True,
        location="pivot.weights",
        size_threshold=1024,
    )


def _run(
    request: Mapping[str, Any], models: dict[int, Loaded], folder: Path
) -> dict[str, Any]:
    loaded = models[request["model"]]
    place = folder / str(request["model"])
    results = loaded.run(read_arrays(place / "feeds.npz", request["inputs"]))
    write_arrays(place / "results.npz", (results[name] for name in request["outputs"]))
    return {}


def _values(
    request: Mapping[str, Any], models: dict[int, Loaded], folder: Path
) -> dict[str, Any]:
    """Write the native values of some tensors for one sample; answer which there are."""
    loaded = models[request["model"]]
    place = folder / str(request["model"])
    feeds = read_arrays(place / "feeds.npz", request["inputs"])
    known = loaded.values(feeds, request["tensors"]) if loaded.values else {}
    write_arrays(place / "values.npz", known.values())
    return {"tensors": list(known)}


def _export(
    request: Mapping[str, Any], _models: dict[int, Loaded], _folder: Path
) -> dict[str, Any]:
    """Let a module write a file in its framework's own format; answer what it notes."""
    os.chdir(request["folder"])
    exporter: Export = import_module(request["exporter"]).export
    return {"notes": list(exporter(request["path"], request["out"], **request["settings"]))}
