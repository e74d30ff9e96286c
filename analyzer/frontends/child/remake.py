"""A torch program imported again, its wrongly translated operators spelled otherwise."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import onnx

from analyzer.core.types import Feeds, Mistranslation, NativeLayer
from analyzer.frontends.child.export import Layers, exported, flat_call, layers_of
from analyzer.frontends.child.loaded import Loaded
from analyzer.frontends.child.naming import renamed
from analyzer.frontends.child.native_values import native_values
from analyzer.frontends.child.respelled import Spelling, spellings
from analyzer.frontends.child.translated import mistranslated

ROUNDS = 6
"""Exports at most: a spelling may itself need spelling, as a quotient by its remainder."""

MOST_SAMPLES = 4
"""Samples that operators are looked at on; each is run node by node."""


@dataclass(frozen=True, slots=True, eq=False)
class Remade:
    """A program's better ONNX form.

    Attributes:
        program: The program that it was made of.
        model: The ONNX form.
        layers: Module and code line by tensor.
        wrong: What the exporter translates wrongly, mended here or not.
    """

    program: Any
    model: onnx.ModelProto
    layers: Layers
    wrong: tuple[Mistranslation, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Attempt:
    """A program as it was exported, and what is wrong with that."""

    program: Any
    model: onnx.ModelProto
    wrong: Mapping[str, float]

    @property
    def badness(self) -> tuple[int, float]:
        """How many nodes are wrong, and by how much the worst of them."""
        return len(self.wrong), max(self.wrong.values(), default=0.0)

    @property
    def operators(self) -> dict[Any, list[str]]:
        """The wrong nodes by operator."""
        found: dict[Any, list[str]] = {}
        for node in self.program.graph.nodes:
            if owner := _owner(node, self.wrong):
                found.setdefault(node.target, []).append(owner)
        return found


def _owner(node: Any, wrong: Mapping[str, float]) -> str:
    """Return the wrong tensor that an operator gives, itself or as one of several."""
    if node.op != "call_function" or "getitem" in node.name:
        return ""
    given = (node, *(user for user in node.users if "getitem" in user.name))
    return next((one.name for one in given if one.name in wrong), "")


def remade(program: Any, samples: Sequence[Feeds]) -> Remade | None:
    """Return a program's ONNX form with what is wrong in it spelled otherwise.

    Args:
        program: The `torch.export.ExportedProgram`.
        samples: Samples by input name.

    Returns:
        The form with the fewest wrong operators; None where none is found wrong.
    """
    few = tuple(samples[:MOST_SAMPLES])
    first = best = latest = _attempt(program, few)
    if not first.wrong:
        return None
    tried: dict[Any, int] = {}
    for _ in range(ROUNDS):
        table = dict(_next_spellings(latest, tried))
        if not table:
            break
        try:
            latest = _attempt(latest.program.run_decompositions(table), few)
        except Exception:  # noqa: BLE001  # whatever torch says of a spelling: the next one
            latest = best
            continue
        best = min((best, latest), key=lambda one: one.badness)
    told = tuple(_told(first, best))
    return Remade(best.program, best.model, layers_of(best.model), told)


def _attempt(program: Any, samples: tuple[Feeds, ...]) -> _Attempt:
    made = exported(program)
    model: onnx.ModelProto = made.model_proto
    wrong = mistranslated(model, samples, partial(native_values, made.exported_program))
    return _Attempt(made.exported_program, model, wrong)


def _next_spellings(
    latest: _Attempt, tried: dict[Any, int]
) -> Iterator[tuple[Any, Spelling]]:
    """Yield the first spelling of each wrong operator that was not tried yet."""
    for operator in latest.operators:
        known = spellings(operator)
        place = tried.get(operator, 0)
        if place < len(known):
            tried[operator] = place + 1
            yield operator, known[place]


def _told(first: _Attempt, best: _Attempt) -> Iterator[Mistranslation]:
    """Yield each operator that was wrong at first, and whether it still is."""
    left = set(best.operators)
    layers = layers_of(first.model)
    for operator, names in first.operators.items():
        worst = max(names, key=lambda name: first.wrong[name])
        found = layers.get(worst)
        yield Mistranslation(
            str(operator),
            NativeLayer(*found) if found else None,
            worst,
            first.wrong[worst],
            mended=operator not in left,
        )


def remaking(
    program: Any, module: Callable[..., Any], pivot: onnx.ModelProto
) -> Callable[[Sequence[Feeds]], Loaded | None]:
    """Return what imports a program anew where its ONNX form is wrong on some samples.

    Args:
        program: The `torch.export.ExportedProgram`.
        module: What runs it natively.
        pivot: Its ONNX form, whose outputs' names are kept.
    """
    names = [value.name for value in pivot.graph.output]

    def remake(samples: Sequence[Feeds]) -> Loaded | None:
        made = remade(program, samples)
        if made is None:
            return None
        own = [value.name for value in made.model.graph.output]
        model, changed = renamed(made.model, dict(zip(own, names, strict=True)))
        layers = {changed.get(name, name): layer for name, layer in made.layers.items()}
        run = flat_call(program, module, model)
        values = partial(native_values, made.program)
        return Loaded(model, run, layers, wrong=made.wrong, values=values)

    return remake
