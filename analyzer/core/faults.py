"""Pairs, what they disagree on, and the regions that deviate on the source's own inputs."""

from dataclasses import dataclass
from enum import StrEnum

from analyzer.core.edits import Restate
from analyzer.core.grids import GridChange
from analyzer.core.models import AttributeValue, Feeds, Node, Permutation


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


class Aspect(StrEnum):
    """What kind of thing a static difference is about."""

    OPERATOR = "operator"
    CONNECTION = "connection"
    ATTRIBUTE = "attribute"
    WEIGHT = "weight"
    SHAPE = "shape"
    DTYPE = "dtype"
    GRID = "grid"


@dataclass(frozen=True, slots=True)
class TensorPair:
    """A source tensor and the target tensor that should hold the same values.

    Attributes:
        source: Tensor name in the source's pivot.
        target: Tensor name in the target's pivot.
        permutation: ``target == source.transpose(permutation).reshape(shape)``; None: same
            layout.
        shape: The target's shape where a reshape follows the permutation, else None.
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
        cure: Local error left when the target takes the source's value; None: untested.
        jointly: Whether that cure is what is left when all so marked are undone together.
        home: Where the source has the target's weight instead; empty: nowhere.
        grid: The integer grid it is about, for `Aspect.GRID`.
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
    home: str = ""
    grid: GridChange | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The nodes between cuts: what makes `outputs` of `inputs`, in topological order.

    Attributes:
        nodes: The nodes that compute with the inputs' values.
        inputs: Tensors they read.
        outputs: Tensors they give.
        measuring: Nodes that give sizes which those read, in any order.
        measured: Tensors outside of the region whose shapes alone count there.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    measuring: tuple[Node, ...] = ()
    measured: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One probe as a region saw it.

    Attributes:
        source_inputs: The source region's inputs, by source tensor name.
        source_outputs: The source region's outputs, by source tensor name.
        inputs: The same inputs in the target's layout, by target tensor name.
        expected: The source's outputs in the target's layout, by target tensor name.
        observed: What the target's region gave for `inputs`, by target tensor name.
        spared: Share of a result's values, the worst ones, that a quantized region may
            saturate: no cause is asked to explain them.
    """

    source_inputs: Feeds
    source_outputs: Feeds
    inputs: Feeds
    expected: Feeds
    observed: Feeds
    spared: float = 0.0


@dataclass(frozen=True, slots=True)
class Inside:
    """A control-flow node of the target that a fault lies inside of.

    Attributes:
        op: ``If``, ``Loop`` or ``Scan``.
        node: Its name.
        body: The attribute that holds the graph with the fault.
        iteration: The first turn on which the fault shows, from 0; None: it takes none.
    """

    op: str
    node: str
    body: str
    iteration: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where a weight goes wrong that the target's file computes from others.

    Attributes:
        reader: Name of the target node that reads it.
        slot: Input slot of the reader.
        node: The target node that gives something wrong and reads nothing wrong.
    """

    reader: str
    slot: int
    node: Node


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
        local_error: Largest absolute deviation of any result, over that result's scale.
        noise_floor: Local error that rounding alone can make here, same unit.
        output_error: Largest relative deviation of the model's outputs, 0: none was seen.
        affected: Number of samples on which it deviates.
        samples: Number of samples it was looked for on.
        recorded: Inputs and outputs of the samples kept for the rules, worst first.
        status: What it means for the verdict.
        where: Who made it.
        fault_class: Set where the finder already knows it, as for a load failure.
        problem: The sentence to report where no rule says it better.
        guilty: Target tensors already known to be guilty, most guilty first.
        entries: Target tensors among the region's inputs that hold an input of the model,
            in whatever layout.
        inside: The control-flow nodes it lies inside of, the outermost first; its tensors
            and nodes are then those of the innermost's graph.
        outer: The fault of the main graph that it is the inside of.
        origins: Where blamed weights go wrong that the target's file computes.
        sizes: The source's nodes that only compute sizes for its region, givers first.
        restated: What the file would have to state for its operators to be read at all.
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
    inside: tuple[Inside, ...] = ()
    outer: "Fault | None" = None
    origins: tuple[Origin, ...] = ()
    sizes: tuple[Node, ...] = ()
    restated: tuple[Restate, ...] = ()

    def is_cured_by(self, difference: Difference) -> bool:
        """Return whether undoing a difference leaves no more than rounding.

        Args:
            difference: One of the fault's; the noise floor has its measurement's margin.
        """
        return difference.cure is not None and difference.cure <= self.noise_floor

    @property
    def is_explained(self) -> bool:
        """Whether the cause test found a difference that cures the whole region."""
        return any(map(self.is_cured_by, self.differences))

    @property
    def whole(self) -> "Fault":
        """The fault of the main graph that this one is, or is the inside of."""
        return self if self.outer is None else self.outer
