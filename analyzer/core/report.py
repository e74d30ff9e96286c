"""What a run found, as one value that every report is rendered from."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from analyzer.core.types import Finding, Permutation

ALREADY = "it was equivalent already"
"""Why a repair that only copies its target tried nothing."""


class Verdict(StrEnum):
    """The answer of a run; the first three are `diff`'s, the last three `repair`'s."""

    EQUIVALENT = "equivalent"
    DIVERGENT = "divergent"
    INCONCLUSIVE = "inconclusive"
    REPAIRED = "repaired"
    IMPROVED = "improved"
    UNREPAIRED = "unrepaired"


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One side of the pair, as the report names it.

    Attributes:
        path: As the user gave it.
        framework: ``onnx``, ``jax``, ``keras``, ``tensorflow``, ``tflite`` or ``torch``.
        sha256: Digest of the artefact, hexadecimal.
        opset: Default-domain opset of the pivot.
        nodes: Number of nodes in the pivot.
        fidelity_gap: Largest relative deviation of the pivot from its native runtime on the
            probes; None where it was not measured.
    """

    path: str
    framework: str
    sha256: str
    opset: int
    nodes: int
    fidelity_gap: float | None


@dataclass(frozen=True, slots=True)
class ProbeSummary:
    """Which inputs were used, and how.

    Attributes:
        kind: ``synthetic``, ``npz`` or ``images``.
        samples: How many.
        seed: What they were drawn from.
        groups: Runs in which the tensors of a sample were dumped, into a temporary file
            where they are more than one.
    """

    kind: str
    samples: int
    seed: int
    groups: int = 1


@dataclass(frozen=True, slots=True)
class InputPair:
    """A source input and the target input that takes the same values, and why."""

    source: str
    target: str
    permutation: Permutation | None
    why: str


@dataclass(frozen=True, slots=True)
class OutputPair:
    """A source output against its target output, native runtime against native runtime.

    Attributes:
        source: Output name of the source.
        target: Output name of the target.
        permutation: How the source's axes come to lie in the target's; None: same layout.
        max_abs_error: Largest absolute deviation over all samples, in the output's unit.
        relative_error: The same over the largest magnitude of the source's output.
        noise_floor: Relative error that rounding alone can make here.
        within: Whether the relative error is below the floor or the user's tolerance.
        label_disagreement: Share of samples whose arg-max differs; None: it says nothing.
        step: What one step of the integers is, in the output's unit, where a file gives
            integers that were compared as floats; None: both give floats.
    """

    source: str
    target: str
    permutation: Permutation | None
    max_abs_error: float
    relative_error: float
    noise_floor: float
    within: bool
    label_disagreement: float | None
    step: float | None = None


@dataclass(frozen=True, slots=True)
class PairSummary:
    """Two tensors that were taken for the same one.

    Attributes:
        source: Tensor name in the source's pivot.
        target: Tensor name in the target's pivot.
        permutation: How the source's axes come to lie in the target's; None: same order.
        confidence: How far the pair is believed, in [0, 1].
        reasons: The evidence.
    """

    source: str
    target: str
    permutation: Permutation | None
    confidence: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotCompared:
    """Something the run could not judge, and the reason."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of both models was compared: macro-node pairs, and what is left over."""

    pairs: int
    unpaired_source: tuple[str, ...]
    unpaired_target: tuple[str, ...]
    not_compared: tuple[NotCompared, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """The file that a repair wrote.

    Attributes:
        path: As the user gave it, or what came in its place; empty: nothing was to be
            written.
        way: ``in place``, ``exported anew``, ``as ONNX``, or ``copied`` where there was
            nothing to mend.
        changed: What it states otherwise than the target's own file, and what else is to be
            known of it, in sentences.
    """

    path: str
    way: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """Everything a run of `diff` or `repair` has to say.

    Attributes:
        command: ``diff`` or ``repair``.
        verdict: The answer.
        source: The model that is right by definition.
        target: Its conversion.
        probe: The inputs used.
        inputs: Inputs, paired.
        outputs: Outputs, paired and compared.
        findings: The most damaging root fault first.
        coverage: What was and was not compared.
        propagated: Tensors that merely inherit an error.
        timings: Seconds per stage.
        versions: Version of each package that took part.
        pairs: Tensors taken for the same one, as the target's values flow.
        before: Of a repair that wrote something: the outputs as they were before it.
        found: Of a repair: the verdict on the pair as it stood; empty for `diff`.
        ended: Of a repair: why nothing more was tried, in a sentence; empty for `diff`.
        written: Of a repair that wrote something: what, and what it states otherwise.
    """

    command: str
    verdict: Verdict
    source: ModelSummary
    target: ModelSummary
    probe: ProbeSummary
    inputs: tuple[InputPair, ...]
    outputs: tuple[OutputPair, ...]
    findings: tuple[Finding, ...]
    coverage: Coverage
    propagated: int
    timings: Mapping[str, float]
    versions: Mapping[str, str]
    pairs: tuple[PairSummary, ...] = ()
    before: tuple[OutputPair, ...] = ()
    found: str = ""
    ended: str = ""
    written: Written | None = None

    @property
    def is_copy(self) -> bool:
        """Whether a repair had nothing to mend: what it writes is the target itself."""
        return self.verdict is Verdict.REPAIRED and self.ended == ALREADY
