"""TorchScript archives, in the child: scanned, loaded, exported and run by torch.

They are exported by the exporter of their own time: the newer one refuses them.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import onnx
import torch
from torch.utils import _pytree as pytree

from analyzer.core.errors import LoadError
from analyzer.core.types import Feeds
from analyzer.frontends.child.examples import Example, examples
from analyzer.frontends.child.export import OPSET, as_array, as_tensor
from analyzer.frontends.child.loaded import Loaded
from analyzer.frontends.child.script_program import remaking
from analyzer.frontends.child.words import converted, one_line
from analyzer.frontends.script_safety import script_dangers

Tensors = tuple[Any, ...]


def load(
    path: str,
    *,
    trust_code: bool,
    shapes: Mapping[str, Sequence[int]] | None = None,
    others: Sequence[Example] | None = None,
) -> Loaded:
    """Return a TorchScript module with its pivot.

    Args:
        path: What `torch.jit.save` wrote.
        trust_code: Whether it is loaded even where its code opens files.
        shapes: The user's shapes by input name.
        others: Name, dtype and shape of the inputs of the model it is compared with.

    Raises:
        LoadError: Its code opens files, or its inputs are no tensors.
        UsageError: Nothing says what its inputs look like.
    """
    if not trust_code:
        refuse_code(path)
    module = torch.jit.load(path, map_location="cpu").eval()
    with torch.no_grad():
        names, given = examples(path, module, shapes or {}, others or ())
        outputs = pytree.tree_leaves(module(*given))
        refusal = _refuses_batches(module, given, outputs)
        batches = refusal is None
        ends = names, _output_names(outputs)
        pivot = converted(
            path, "torch.onnx", lambda: _exported(module, given, ends, batches=batches)
        )
    note = () if batches else (f"The batch size is fixed: a dynamic one {refusal}.",)
    run = _flat_call(module, ends)
    return Loaded(pivot, run, _layers(module, pivot), note, remaking(module, ends, run))


def refuse_code(path: str) -> None:
    """Raise where the code of a TorchScript archive opens files.

    Args:
        path: What `torch.jit.save` wrote.

    Raises:
        LoadError: It does; the message says where.
    """
    with ZipFile(path) as archive:
        members = [name for name in archive.namelist() if name.endswith(".py")]
        texts = ((name, archive.read(name).decode("utf-8", "replace")) for name in members)
        found = (danger for name, text in texts for danger in script_dangers(name, text))
        danger = next(found, None)
    if danger:
        raise LoadError(
            f"{path} holds code that loading or running it would run: {danger}",
            hint="save it again from a source you trust, or add --trust-code",
        )


def _refuses_batches(module: Any, given: Tensors, outputs: Sequence[Any]) -> str | None:
    """Return why a module takes no other batch than the example's; None where it does."""
    if not all(isinstance(one, torch.Tensor) and one.ndim for one in (*given, *outputs)):
        return "has no axis in a scalar"
    try:
        twice = pytree.tree_leaves(module(*(torch.cat([one, one]) for one in given)))
    except Exception as surprise:  # noqa: BLE001  # the static export decides
        return f"fails with {one_line(surprise)}"
    grown = all(len(two) == 2 * len(one) for one, two in zip(outputs, twice, strict=True))
    return None if grown else "does not reach the outputs"


def _output_names(outputs: Sequence[Any]) -> list[str]:
    if len(outputs) == 1:
        return ["output"]
    return [f"output_{place}" for place in range(len(outputs))]


def _exported(
    module: Any, given: Tensors, ends: tuple[list[str], list[str]], *, batches: bool
) -> onnx.ModelProto:
    """Return a module in ONNX form, its parameters by name and its batch norms whole."""
    inputs, outputs = ends
    dynamic = {name: {0: "batch"} for name in (*inputs, *outputs)} if batches else None
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "pivot.onnx"
        torch.onnx.export(
            module,
            given,
            written,
            dynamo=False,
            opset_version=OPSET,
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,  # evaluation folds batch norms
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=dynamic,
        )
        return onnx.load(written)


def _flat_call(module: Any, ends: tuple[list[str], list[str]]) -> Callable[[Feeds], Feeds]:
    inputs, outputs = ends

    def run(feeds: Feeds) -> Feeds:
        with torch.no_grad():
            given = module(*(as_tensor(feeds[name]) for name in inputs))
        results = (as_array(one) for one in pytree.tree_leaves(given))
        return dict(zip(outputs, results, strict=True))

    return run


def _layers(module: Any, pivot: onnx.ModelProto) -> dict[str, tuple[str, str | None]]:
    """Return the module of each tensor; nodes are named after the path to it."""
    parts = {name: hasattr(part, "forward") for name, part in module.named_modules()}
    found: dict[str, tuple[str, str | None]] = {}
    for node in pivot.graph.node:
        layer = _layer(node.name.split("/")[1:-1], parts)
        if layer:
            found |= dict.fromkeys(filter(None, node.output), (layer, None))
    return found


def _layer(path: Sequence[str], parts: Mapping[str, bool]) -> str:
    """Return the deepest module on a path.

    Args:
        path: Names of modules, each within the one before it: full or relative ones. A
            list of modules, which is not called itself, may be left out.
        parts: Whether each module is called, by its full name.
    """
    place = ""
    for name in path:
        place = _inside(place, name, parts) or place
    return place


def _inside(place: str, name: str, parts: Mapping[str, bool]) -> str:
    """Return the module that a name means in another one; nothing where it is none."""
    before = f"{place}." if place else ""
    if before + name in parts:
        return before + name
    lists = [one for one, is_called in parts.items() if not is_called]
    within = [one for one in lists if one.rpartition(".")[0] == place]
    found = [one for each in within if (one := f"{each}.{name}") in parts]
    if len(found) == 1:
        return found[0]
    return name if name in parts and not found else ""
