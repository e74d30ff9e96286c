"""The values that travel between the stages: all frozen, all named as the field does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx

Array = npt.NDArray[Any]
"""An n-dimensional NumPy array of any dtype."""

Feeds = Mapping[str, Array]
"""Arrays by tensor name: one sample of a model's inputs, or what came out for it."""

AttributeValue = (
    int
    | float
    | str
    | bytes
    | tuple[int, ...]
    | tuple[float, ...]
    | tuple[str, ...]
    | Array
    | onnx.GraphProto
)
"""An ONNX attribute as a Python value; float32 attributes render their shortest decimal."""

Permutation = tuple[int, ...]
"""Axes as ``numpy.transpose`` takes them."""


class FaultClass(StrEnum):
    """FetaFix's six kinds of fault, and three more that stop a model before it computes."""

    PREPROCESSING = "preprocessing"
    INPUT_DIMS = "input_dims"
    TENSOR_SHAPE_STRUCTURE = "tensor_shape_structure"
    WEIGHTS_BIASES = "weights_biases"
    LAYER_HYPERPARAMETERS = "layer_hyperparameters"
    COMPUTATIONAL_GRAPH = "computational_graph"
    DTYPE_PRECISION = "dtype_precision"
    RUNTIME = "runtime"
    LOAD_FAILURE = "load_failure"


class Status(StrEnum):
    """What a finding means for the verdict; only a fault makes a pair divergent."""

    FAULT = "fault"
    DRIFT = "drift"
    LATENT = "latent"
    HARMLESS = "harmless"


class Where(StrEnum):
    """Who made the fault: the conversion, one of our importers, or a runtime."""

    CONVERSION = "conversion"
    SOURCE_IMPORT = "source_import"
    TARGET_IMPORT = "target_import"
    RUNTIME = "runtime"


class Safety(StrEnum):
    """Whether a fix changes only what its finding names."""

    SAFE = "safe"
    UNSAFE = "unsafe"


class Aspect(StrEnum):
    """What kind of thing a static difference is about."""

    OPERATOR = "operator"
    ATTRIBUTE = "attribute"
    WEIGHT = "weight"
    SHAPE = "shape"
    DTYPE = "dtype"


class TryVerdict(StrEnum):
    """What became of a fix that was tried."""

    KEPT = "kept"
    REJECTED = "rejected"
    UNTRIED = "untried"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A declared input or output of a model.

    Attributes:
        name: Tensor name in the pivot.
        dtype: NumPy dtype name (``float32``, ``int64``, …), ``string``, or ``unknown``.
        shape: One entry per axis: a fixed size, a symbol, or None; None when the rank is unknown.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None


@dataclass(frozen=True, slots=True)
class NativeLayer:
    """The user's own layer behind a pivot tensor, and where its code stands, if recorded."""

    name: str
    location: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Pivot:
    """A model in ONNX form, with everything needed to run it here and natively.

    Attributes:
        model: The proto. Weights of the user's file are external references into `folder`.
        folder: The folder that external locations are relative to.
        path: The user's artefact.
        framework: ``onnx``, ``keras``, ``tflite`` or ``torch``.
        inputs: Declared inputs that must be fed, in the model's order.
        outputs: Declared outputs, in the model's order.
        layers: The user's layer for each pivot tensor that has one.
        sha256: Digest of the user's artefact, hexadecimal.
        run_native: Runs one sample in the model's native runtime. Takes arrays by pivot input
            name, gives arrays by pivot output name. For ``onnx`` it is ONNX Runtime, optimised.
        notes: What the importer wants said about this pivot, in sentences.
    """

    model: onnx.ModelProto
    folder: Path
    path: Path
    framework: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layers: Mapping[str, NativeLayer]
    sha256: str
    run_native: Callable[[Feeds], Feeds]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One ONNX operator, its schema defaults filled in.

    Attributes:
        name: The node's name; its first output tensor where it has none.
        op: Operator type.
        domain: Operator domain, empty for ONNX's own.
        opset: The opset version of `domain` that its model declares.
        inputs: Input tensor names, an empty string where an optional input is absent.
        outputs: Output tensor names.
        attributes: Attributes by name, defaults of the schema included.
        constants: Value of each input slot that is an initializer or a Constant node.
    """

    name: str
    op: str
    domain: str
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, AttributeValue]
    constants: Mapping[int, Array]


@dataclass(frozen=True, slots=True)
class TensorPair:
    """A source tensor and the target tensor that should hold the same values.

    Attributes:
        source: Tensor name in the source's pivot.
        target: Tensor name in the target's pivot.
        permutation: ``target == source.transpose(permutation).reshape(shape)``; None: same layout.
        shape: The target's shape where a reshape follows the permutation; None where none does.
        exact: Whether the values were seen to agree.
    """

    source: str
    target: str
    permutation: Permutation | None = None
    shape: tuple[int, ...] | None = None
    exact: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Source operators and the target operators that should compute the same.

    Attributes:
        source: Source nodes; empty for an operator only the target has.
        target: Target nodes; empty for an operator only the source has.
        score: Confidence in [0, 1].
        reasons: Names of the evidence that speaks for it.
    """

    source: tuple[Node, ...]
    target: tuple[Node, ...]
    score: float
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """One thing a pair of nodes disagrees on before anything is run.

    Attributes:
        aspect: What kind of thing differs.
        field: Attribute name, or ``input<slot>`` for a weight, or ``op``.
        source: The source's value; None where it has none. Weights in the target's layout.
        target: The target's value; None where it has none.
        source_node: The source node, None where there is none.
        target_node: The target node, None where there is none.
        slot: Input slot of a weight in the target node, -1 for anything else.
        cure: Local error that is left when the target takes the source's value; None: untested.
        jointly: Whether that cure is what is left when all differences so marked are undone.
    """

    aspect: Aspect
    field: str
    source: AttributeValue | None
    target: AttributeValue | None
    source_node: Node | None
    target_node: Node | None
    slot: int = -1
    cure: float | None = None
    jointly: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The nodes between cuts: what computes `outputs` from `inputs`, in topological order."""

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One probe as a region saw it.

    Attributes:
        source_inputs: The source region's inputs, by source tensor name.
        source_outputs: The source region's outputs, by source tensor name.
        inputs: The same inputs in the target's layout, by target tensor name.
        expected: The source's outputs in the target's layout, by target tensor name.
        observed: What the target's region gave for `inputs`, by target tensor name.
    """

    source_inputs: Feeds
    source_outputs: Feeds
    inputs: Feeds
    expected: Feeds
    observed: Feeds


@dataclass(frozen=True, slots=True, eq=False)
class Fault:
    """A region that deviates even when it is fed the source's own values.

    Attributes:
        source: The source's region.
        target: The target's region.
        edges: The regions' inputs, paired.
        results: The regions' outputs, paired.
        pairs: Nodes of both regions that belong together.
        differences: What those pairs disagree on, each with its cause test where one ran.
        unpaired_source: Nodes only the source's region has.
        unpaired_target: Nodes only the target's region has.
        local_error: Largest absolute deviation of any result, over the scale of that result.
        noise_floor: Local error that rounding alone can make here, same unit.
        output_error: Largest relative deviation of the model's outputs, 0 where none was seen.
        affected: Number of samples on which it deviates.
        samples: Number of samples it was looked for on.
        recorded: Inputs and outputs of the samples kept for the rules, worst first.
        status: What it means for the verdict.
        where: Who made it.
        fault_class: Set where the finder already knows it (a load failure, an input's shape).
        problem: The sentence to report where no rule says it better.
        guilty: Target tensors already known to be guilty, most guilty first.
        entries: Target tensors among the region's inputs that hold an input of the model, in
            whatever layout.
    """

    source: Region
    target: Region
    edges: tuple[TensorPair, ...]
    results: tuple[TensorPair, ...]
    pairs: tuple[Pair, ...]
    differences: tuple[Difference, ...]
    unpaired_source: tuple[Node, ...]
    unpaired_target: tuple[Node, ...]
    local_error: float
    noise_floor: float
    output_error: float
    affected: int
    samples: int
    recorded: tuple[Sample, ...]
    status: Status = Status.FAULT
    where: Where = Where.CONVERSION
    fault_class: FaultClass | None = None
    problem: str = ""
    guilty: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class SetAttribute:
    """Give a node's attribute another value; None removes it."""

    node: str
    attribute: str
    value: AttributeValue | None


@dataclass(frozen=True, slots=True, eq=False)
class SetConstant:
    """Give a node's constant input another value; other readers of that constant keep theirs."""

    node: str
    slot: int
    value: Array


@dataclass(frozen=True, slots=True, eq=False)
class InsertNode:
    """Put an operator on an edge.

    Attributes:
        tensor: The tensor it reads, as its input `slot`.
        op: Operator type.
        attributes: Its attributes.
        constants: Its constant inputs by slot; the remaining slot reads `tensor`.
        readers: ``(node, slot)`` that read its output instead of `tensor`; empty: every reader,
            the model's outputs among them, whose names stay.
        slot: The slot of the new node that reads `tensor`.
    """

    tensor: str
    op: str
    attributes: Mapping[str, AttributeValue]
    constants: Mapping[int, Array]
    readers: tuple[tuple[str, int], ...] = ()
    slot: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class RemoveNode:
    """Take a node out; whoever read its first output reads its input `slot` instead."""

    node: str
    slot: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class ReplaceRegion:
    """Let other nodes compute tensors of the target.

    Attributes:
        nodes: Target nodes that go, where nothing else needs them.
        replacement: A graph whose inputs and outputs are named as the target tensors they
            read and give; its initializers hold its constants.
        opset: The default-domain opset that the replacement is written for.
    """

    nodes: tuple[str, ...]
    replacement: onnx.GraphProto
    opset: int


@dataclass(frozen=True, slots=True, eq=False)
class Rewire:
    """Let a node's input `slot` read another tensor."""

    node: str
    slot: int
    tensor: str


@dataclass(frozen=True, slots=True, eq=False)
class SetOpset:
    """Declare another opset version for a domain."""

    domain: str
    version: int


@dataclass(frozen=True, slots=True, eq=False)
class SetType:
    """Declare another dtype (NumPy name) and shape for a model input or output."""

    tensor: str
    dtype: str
    shape: tuple[int | str | None, ...]


Edit = (
    SetAttribute
    | SetConstant
    | InsertNode
    | RemoveNode
    | ReplaceRegion
    | Rewire
    | SetOpset
    | SetType
)
"""A closed union, so that the surgeon's `match` is checked for exhaustiveness."""


@dataclass(frozen=True, slots=True, eq=False)
class Fix:
    """Edits that together undo one fault."""

    title: str
    edits: tuple[Edit, ...]
    safety: Safety = Safety.SAFE


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened when a finding's fix was tried: local error before and after."""

    verdict: TryVerdict
    reason: str
    error_before: float
    error_after: float


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """A fault, explained by one rule; `report.json` shows it field by field.

    Attributes:
        id: Stable across runs of the same pair.
        rule: Slug of the rule, or ``unexplained``.
        fault_class: One of the nine.
        status: What it means for the verdict.
        where: Who made it.
        confidence: In [0, 1].
        source_nodes: Guilty nodes of the source's pivot.
        target_nodes: Guilty nodes of the target's pivot.
        source_tensors: Outputs of the source nodes, at most four.
        target_tensors: Outputs of the guilty nodes, at most four, most guilty first; or the
            edge where an operator is missing.
        native_source: The user's layer in the source, if known.
        native_target: The user's layer in the target, if known.
        location: File and line of the source's layer, if recorded.
        local_error: See `Fault`.
        noise_floor: See `Fault`.
        output_error: See `Fault`.
        affected: Samples on which it shows.
        samples: Samples it was looked for on.
        message: What is wrong, in a sentence with this run's names and numbers.
        fix: The most trusted cure, or None.
        alternatives: Other cures, in the order they should be tried.
        outcome: What became of the fix; None after `diff`.
        fault: The evidence behind it.
    """

    id: str
    rule: str
    fault_class: FaultClass
    status: Status
    where: Where
    confidence: float
    source_nodes: tuple[str, ...]
    target_nodes: tuple[str, ...]
    source_tensors: tuple[str, ...]
    target_tensors: tuple[str, ...]
    native_source: str | None
    native_target: str | None
    location: str | None
    local_error: float
    noise_floor: float
    output_error: float
    affected: int
    samples: int
    message: str
    fix: Fix | None
    alternatives: tuple[Fix, ...]
    outcome: Outcome | None
    fault: Fault
