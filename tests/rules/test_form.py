"""The form of a rule file: its documentation, its name, its words, its sabotage."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from analyzer.core.options import Options
from analyzer.diff import diff
from rules.catalogue import HEADINGS, README, explanation, readme, summary
from rules.discovery import AnyRule, module_of, ours

EVERY = [pytest.param(rule, id=rule.slug) for rule in ours()]
SABOTEURS = [pytest.param(rule, id=rule.slug) for rule in ours() if rule.sabotage]


@pytest.mark.parametrize("rule", EVERY)
def test_a_rule_documents_cause_evidence_and_repair(rule: AnyRule) -> None:
    """The headings stand in the docstring, alone on their lines and in order."""
    lines = explanation(rule).splitlines()
    places = [lines.index(heading) for heading in HEADINGS]

    assert places == sorted(places)
    assert summary(rule).endswith(".")


@pytest.mark.parametrize("rule", EVERY)
def test_a_slug_is_the_files_name(rule: AnyRule) -> None:
    """Whoever sees a finding can open the file that made it."""
    assert module_of(rule).__name__.rpartition(".")[2].replace("_", "-") == rule.slug


@pytest.mark.parametrize("rule", EVERY)
def test_a_rule_has_examples(rule: AnyRule) -> None:
    """A rule that proves nothing is no rule."""
    assert rule.examples != ()


def messages(rule: AnyRule, folder: Path) -> Iterator[str]:
    """Yield what a rule says of each of its examples, the second one under other names."""
    for place, example in enumerate((*rule.examples, rule.examples[0])):
        pair = [renamed(model(), place) for model in (example.source, example.target)]
        paths = [folder / f"{place}{side}.onnx" for side in "st"]
        for path, model in zip(paths, pair, strict=True):
            onnx.save(model, path)
        report = diff(*map(str, paths), rules=(rule,), options=Options(harmless=True))
        yield report.findings[0].message


def renamed(model: onnx.ModelProto, place: int) -> onnx.ModelProto:
    """Return a model whose nodes and tensors bear other names."""
    constants = {tensor.name for tensor in model.graph.initializer}
    for value in (*model.graph.input, *model.graph.output):
        value.name = f"{value.name}_{place}"
    for node in model.graph.node:
        node.name = f"{node.name}_{place}"
        for names in (node.input, node.output):
            for slot, name in enumerate(names):
                moves = name and name not in constants
                names[slot] = f"{name}_{place}" if moves else name
    return model


@pytest.mark.parametrize("rule", EVERY)
def test_a_message_speaks_of_this_fault(rule: AnyRule, tmp_path: Path) -> None:
    """Two faults under one rule are told apart by what is said of them."""
    said = list(messages(rule, tmp_path))

    assert len(set(said)) > 1


@pytest.mark.parametrize("rule", SABOTEURS)
def test_sabotage_breaks_a_healthy_model(rule: AnyRule) -> None:
    """A rule puts its fault into its own example, and leaves that example as it was."""
    model = rule.examples[0].source()
    before = model.SerializeToString()
    assert rule.sabotage is not None
    broken = rule.sabotage(model, np.random.default_rng(0))

    assert broken is not None
    assert model.SerializeToString() == before
    assert broken.SerializeToString() != before


def test_the_catalogue_is_fresh() -> None:
    """The README holds what the rules say now; `python -m rules.catalogue` writes it."""
    assert README.read_text(encoding="utf-8") == readme()


def test_slugs_are_unique() -> None:
    """A slug names one rule."""
    slugs = [rule.slug for rule in ours()]

    assert len(set(slugs)) == len(slugs)
