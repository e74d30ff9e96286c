"""Rules on a fault of which little is known: they say less, and never fail.

A rule that raises is skipped for the whole run, so that it is silent on every other fault.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from analyzer.core.types import Array, Fault, Region, Sample
from analyzer.diff import diff
from rules.discovery import AnyRule, ours

NOTHING = Region((), (), ())


def _given(fault: Fault, other: Callable[[Array], Array]) -> Fault:
    """Return a fault whose results are other arrays on both sides."""

    def changed(sample: Sample) -> Sample:
        seen, right = (
            {name: other(value) for name, value in one.items()}
            for one in (sample.observed, sample.expected)
        )
        return replace(sample, observed=seen, expected=right)

    return replace(fault, recorded=tuple(map(changed, fault.recorded)))


POORER: dict[str, Callable[[Fault], Fault]] = {
    "no sample": lambda fault: replace(fault, recorded=()),
    "no result": lambda fault: replace(
        fault, recorded=tuple(replace(one, observed={}) for one in fault.recorded)
    ),
    "truth values": lambda fault: _given(fault, lambda value: value != 0),
    "empty": lambda fault: _given(fault, lambda value: np.zeros(0, value.dtype)),
    "no ends": lambda fault: replace(fault, edges=(), results=()),
    "no results": lambda fault: replace(fault, results=()),
    "no pairs": lambda fault: replace(fault, pairs=()),
    "no source": lambda fault: replace(fault, source=NOTHING),
    "no target": lambda fault: replace(fault, target=NOTHING),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("rule", ours(), ids=lambda rule: rule.slug)
def test_no_rule_fails_on_its_own_example_with_less_known(
    rule: AnyRule, tmp_path: Path
) -> None:
    """Every rule is asked, since every rule is asked of every fault."""
    example = rule.examples[0]
    paths = [str(tmp_path / name) for name in ("source.onnx", "target.onnx")]
    for path, build in zip(paths, (example.source, example.target), strict=True):
        onnx.save(build(), path)
    report = diff(*paths, rules=ours())
    faults = [make(one.fault) for one in report.findings for make in POORER.values()]
    found = [other.judge(fault) for fault in faults for other in ours()]

    assert all(isinstance(one, tuple) for one in found)
