"""Rules that others install, taken with care: theirs is code that may do anything."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import onnx

from analyzer.core.edits import Edit, Fix, ReplaceRegion, SetAttribute, SetConstant
from analyzer.core.errors import UsageError
from analyzer.core.faults import Fault
from analyzer.core.findings import Finding
from analyzer.core.options import Judge

RULE_GROUP = "pivotfix.rules"
"""The entry-point group under which a package offers rules."""

ATTRIBUTES = (int, float, str, bytes, tuple, np.ndarray, onnx.GraphProto)
"""What an attribute can hold."""

WHATEVER = (Exception, SystemExit)
"""What somebody's rule may raise; Ctrl-C alone is the user's own."""


@dataclass(frozen=True, slots=True)
class AbsentRule:
    """What stands for a rule that is installed and cannot be loaded.

    Attributes:
        slug: The name of its entry point.
        why: What loading it raised.
    """

    slug: str
    why: str

    @property
    def text(self) -> str:
        """What there is to say of it."""
        return f"It is installed and cannot be loaded: {self.why}"

    def judge(self, fault: Fault) -> NoReturn:
        """Refuse to say anything.

        Args:
            fault: Any fault.

        Raises:
            UsageError: Always.
        """
        del fault
        raise UsageError(
            f"rule {self.slug} cannot be loaded: {self.why}",
            hint="install its package anew, or take it out",
        )


def offered_rules() -> Iterator[Judge]:
    """Yield every installed rule; a package that cannot be loaded gives its absence."""
    from importlib.metadata import (
        entry_points,
    )  # 50 ms that an equivalent pair need not pay

    for entry in entry_points(group=RULE_GROUP):
        try:
            loaded = entry.load()
            several = tuple(loaded()) if callable(loaded) else (loaded,)
            slugs = [one.slug for one in several]
        except WHATEVER as surprise:
            yield AbsentRule(entry.name, f"{type(surprise).__name__}: {surprise}")
            continue
        yield from (one for one, slug in zip(several, slugs, strict=True) if slug)


def judged(rule: Judge, fault: Fault) -> tuple[Finding, ...]:
    """Return what a rule says of a fault, as far as it has the form of findings.

    Args:
        rule: Anybody's.
        fault: The fault.

    Raises:
        TypeError: It gives something else; the message says what.
    """
    found = rule.judge(fault)
    if not isinstance(found, Sequence):
        raise TypeError(f"it gives {type(found).__name__} for its findings")
    for finding in found:
        _check(finding)
    return tuple(found)


def _check(finding: object) -> None:
    """Refuse what is no finding, and one with a field of the wrong type."""
    if not isinstance(finding, Finding):
        raise TypeError(f"it gives {type(finding).__name__} for a finding")
    if not isinstance(finding.message, str):
        raise TypeError(f"it explains with {type(finding.message).__name__}, not with text")
    if not isinstance(finding.alternatives, tuple):
        raise TypeError(f"it gives {type(finding.alternatives).__name__} for its fixes")
    fixes = () if finding.fix is None else (finding.fix,)
    for fix in (*fixes, *finding.alternatives):
        if not isinstance(fix, Fix) or not isinstance(fix.edits, tuple):
            raise TypeError(f"it gives {type(fix).__name__} for a fix of several edits")
        for edit in fix.edits:
            _check_edit(edit)


def _check_edit(edit: object) -> None:
    """Refuse what is no edit, and one whose value no file can hold."""
    match edit:
        case SetAttribute(value=None):
            return
        case SetAttribute(value=value) if not isinstance(value, ATTRIBUTES):
            raise TypeError(f"it gives {type(value).__name__} for an attribute")
        case SetConstant(value=value) if not isinstance(value, np.ndarray | np.generic):
            raise TypeError(f"it gives {type(value).__name__} for a constant")
        case ReplaceRegion(replacement=graph) if not isinstance(graph, onnx.GraphProto):
            raise TypeError(f"it gives {type(graph).__name__} for a graph")
        case ReplaceRegion(nodes=names) if not isinstance(names, tuple):
            raise TypeError(f"it gives {type(names).__name__} for the names of nodes")
        case _ if not isinstance(edit, Edit):
            raise TypeError(f"it gives {type(edit).__name__} for an edit")
