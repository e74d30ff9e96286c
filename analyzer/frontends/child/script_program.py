"""A TorchScript module as the program of operators that it runs for given inputs.

TorchScript is exported by the exporter of its own time, which drops and mistakes more than
today's; what a module runs can be recorded and exported as any other program.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from analyzer.core.types import Feeds
from analyzer.frontends.child.export import as_tensor, exported, layers_of
from analyzer.frontends.child.loaded import Loaded
from analyzer.frontends.child.naming import renamed
from analyzer.frontends.child.remake import remade

NOTE = (
    "It is imported as the operators it runs on inputs of these sizes: the TorchScript "
    "exporter gives other outputs than the module."
)


def remaking(
    module: Any, ends: tuple[list[str], list[str]], run: Callable[[Feeds], Feeds]
) -> Callable[[Sequence[Feeds]], Loaded | None]:
    """Return what imports a TorchScript module anew, by way of the operators it runs.

    Args:
        module: The module.
        ends: Names of its inputs and outputs.
        run: Runs it natively.
    """
    inputs, outputs = ends

    def remake(samples: Sequence[Feeds]) -> Loaded | None:
        given = tuple(as_tensor(samples[0][name]) for name in inputs)
        program = recorded(module, given)
        slots = program.graph_signature.user_inputs
        ours = dict(zip(slots, inputs, strict=True))
        local = [{slot: feeds[name] for slot, name in ours.items()} for feeds in samples]
        made = remade(program, local)
        model = exported(program).model_proto if made is None else made.model
        layers = layers_of(model)
        given_out = [value.name for value in model.graph.output]
        named, changed = renamed(
            model, {**ours, **dict(zip(given_out, outputs, strict=True))}
        )
        kept = {changed.get(name, name): layer for name, layer in layers.items()}
        wrong = () if made is None else made.wrong
        return Loaded(named, run, kept, (NOTE,), wrong=wrong)

    return remake


def recorded(module: Any, given: tuple[Any, ...]) -> Any:
    """Return the `torch.export.ExportedProgram` of what a module runs.

    Args:
        module: A TorchScript module.
        given: Its inputs; their sizes stay.
    """
    with torch.no_grad():
        graph = make_fx(module.forward, tracing_mode="real")(*given)
        graph.graph.eliminate_dead_code()
        _name_weights(graph, module)
        program = torch.export.export(graph, given)
    return program.run_decompositions({torch.ops.aten._convolution.default: _convolved})  # noqa: SLF001


def _convolved(*arguments: Any) -> Any:
    """Return what a traced convolution computes, without its settings for CUDA."""
    return torch.ops.aten.convolution(*arguments[:CONVOLUTION])


CONVOLUTION = 9
"""Arguments of a convolution; a traced one has four more."""


def _name_weights(graph: Any, module: Any) -> None:
    """Give each recorded constant that is a weight the weight's own name."""
    known = {value.data_ptr(): name for name, value in module.state_dict().items()}
    for node in graph.graph.nodes:
        if node.op != "get_attr" or "." in node.target:
            continue
        value = getattr(graph, node.target)
        name = known.get(value.data_ptr()) if isinstance(value, torch.Tensor) else None
        if name is None:
            continue
        owner, _, own = name.rpartition(".")
        if owner:
            if not _has(graph, owner):
                graph.add_submodule(owner, torch.nn.Module())
            graph.get_submodule(owner).register_buffer(own, value)
            node.target = name
    graph.recompile()


def _has(graph: Any, owner: str) -> bool:
    return owner in {name for name, _ in graph.named_modules()}
