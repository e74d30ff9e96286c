"""One model in two of TensorFlow's formats is one; a broken one is told by its layer."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from analyzer.core.report import Verdict
from analyzer.core.types import Pivot, Status
from analyzer.diff import analyse_pivots
from rules.discovery import all_rules

Load = Callable[..., Pivot]
RING = ("network.keras", "network_saved", "network.h5", "network.pb", "network.tflite")
RECURRENT = ("chain.keras", "chain.pb", "chain_saved", "lowered.pb")


@pytest.mark.parametrize(
    ("source", "target"),
    [*pairwise((*RING, RING[0])), *pairwise((*RECURRENT, RECURRENT[0]))],
)
def test_one_model_in_two_formats_is_equivalent(
    load: Load, source: str, target: str
) -> None:
    """Each format is source of one and target of another, with nothing found."""
    report = analyse_pivots(load(source), load(target), rules=all_rules()).report

    assert report.verdict is Verdict.EQUIVALENT
    assert report.findings == ()


@pytest.mark.parametrize(
    ("source", "target", "layer", "words"),
    [
        ("network.keras", "dilated.pb", "depth_1", "dilations is (2, 2)"),
        ("network_saved", "loosened.pb", "norm", "epsilon 0.5 is stated"),
        ("loosened.pb", "network.tflite", "norm", ""),
        ("chain.pb", "reweighted_saved", "memory", "LSTM"),
    ],
)
def test_broken_model_is_told_by_the_users_layer(
    load: Load, source: str, target: str, layer: str, words: str
) -> None:
    """An attribute of a graph, a constant, and a variable beside the graph."""
    report = analyse_pivots(load(source), load(target), rules=all_rules()).report

    first = next(item for item in report.findings if item.status is Status.FAULT)
    assert layer in {first.native_source, first.native_target}
    assert words in first.message
