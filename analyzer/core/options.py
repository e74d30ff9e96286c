"""What a user may set, with the defaults a user gets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from analyzer.core.types import Fault, Finding

EVERY_OUTPUT = ""
"""The key of a tolerance that is meant for every output."""

EVIDENCE = frozenset(
    {
        "weights",
        "fingerprint",
        "structure before",
        "structure after",
        "neighbours",
        "names",
        "position",
        "values",
        "isolation",
    }
)
"""Every kind of evidence by which operators and tensors of two models are paired."""

MOST_READ = 1 << 33
"""Bytes of weights that one run of every probe reads, by default: about a second at the
speed of memory. Models of up to a gigabyte get every probe."""

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of it that is done, in [0, 1]."""


def silent(stage: str, share: float) -> None:
    """Report progress to nobody."""
    del stage, share


@dataclass(frozen=True, slots=True)
class Options:
    """How a pair is probed and judged.

    Attributes:
        samples: Number of synthetic probes.
        most_read: Bytes of weights that one run of each probe may read together: of larger
            models fewer probes are drawn, never none; 0 for no bound.
        seed: Seed of everything drawn.
        inputs: The user's own inputs, a ``.npz``.
        rtol: Relative tolerance by output name, `EVERY_OUTPUT` for all; replaces the floor.
        atol: Absolute tolerance by output name, likewise.
        val_range: Interval to draw an input from, by source input name.
        input_shapes: Shape for an input with dynamic sizes, by source input name.
        pairs: A JSON file of node pairs that override the matcher.
        max_memory: Bytes that tensors' values may take in memory, 0 for no bound.
        model: ``file.py:factory`` of the module that bare weights belong to, or nothing.
        signatures: The signature of each SavedModel: one for both models, or the source's
            and the target's; empty for their defaults.
        trust_code: Whether code that comes with a model may run.
        simplify: Whether both pivots go through onnxsim first.
        evidence: Kinds of evidence that pairs may rest on.
        strict: Whether a declared loss of precision is judged as any other deviation.
        harmless: Whether differences that change nothing are told too.
        calibrated: The target's integers whose grids are known to be made for such samples
            as are drawn; for the user's own inputs all are taken to be.
    """

    samples: int = 8
    most_read: int = MOST_READ
    seed: int = 0
    inputs: Path | None = None
    rtol: Mapping[str, float] = field(default_factory=dict)
    atol: Mapping[str, float] = field(default_factory=dict)
    val_range: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    pairs: Path | None = None
    max_memory: int = 0
    model: str = ""
    signatures: tuple[str, ...] = ()
    trust_code: bool = False
    simplify: bool = False
    evidence: frozenset[str] = EVIDENCE
    strict: bool = False
    harmless: bool = False
    calibrated: frozenset[str] = frozenset()


class Judge(Protocol):
    """A rule as the analysis sees it: it explains a fault, or says nothing."""

    @property
    def slug(self) -> str:
        """The name that its findings go by."""

    def judge(self, fault: Fault) -> Sequence[Finding]:
        """Return the findings this rule makes of a fault; empty where it knows nothing."""


RuleBook = Sequence[Judge] | Callable[[], Sequence[Judge]] | None
"""The rules, or what reads them once a fault wants explaining; None: all installed."""
