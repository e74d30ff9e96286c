"""One network in three frameworks is one network: all paired, nothing found."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer.core.report import Verdict
from analyzer.diff import Analysis, analyse

ENOUGH = 0.95
"""Share of macro nodes that must be paired on a healthy pair."""

SUFFIXES = ("_bn", "_relu", "_pad")
"""What Keras names the layers that belong to a convolution, after it."""


@pytest.fixture(scope="module", name="folder")
def folder_fixture(build: Callable[..., Path]) -> Path:
    """A folder with the network as .keras, .tflite and .pt2."""
    return build(Path(__file__).with_name("build_twins.py"))


def paired_share(analysis: Analysis) -> float:
    """Return the share of macro nodes of both sides that have a counterpart."""
    coverage = analysis.report.coverage
    alone = len(coverage.unpaired_source) + len(coverage.unpaired_target)
    return 2 * coverage.pairs / (2 * coverage.pairs + alone)


def weighted_layers(analysis: Analysis) -> list[tuple[str, str]]:
    """Return the names of paired layers, where both sides know the layer by name."""
    weighted = {"stem", "scores"} | {
        f"{block}_{part}" for block in "abcd" for part in ("expand", "depth", "project")
    }
    found = []
    for pair in analysis.tensors:
        one = analysis.source.layers.get(pair.source)
        other = analysis.target.layers.get(pair.target)
        names = tuple(_bare(layer.name) for layer in (one, other) if layer)
        if len(names) == 2 and set(names) <= weighted:
            found.append((names[0], names[1]))
    return found


def _bare(name: str) -> str:
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name


@pytest.mark.parametrize("target", ["net.tflite", "net.pt2"])
def test_twin_pairs_whole_and_true_with_nothing_found(folder: Path, target: str) -> None:
    """A conversion, or a twin with copied weights, pairs whole and true, and is silent."""
    analysis = analyse(str(folder / "net.keras"), str(folder / target))

    layers = weighted_layers(analysis)

    assert analysis.report.verdict is Verdict.EQUIVALENT
    assert analysis.report.findings == ()
    assert paired_share(analysis) >= ENOUGH
    assert len(layers) >= 14
    assert [one for one, other in layers if one != other] == []
