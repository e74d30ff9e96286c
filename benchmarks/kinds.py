"""Which fault class is right: the sabotaging rule's, or that of what a mutator changed."""

from collections.abc import Iterator

import onnx
from truth import AFFINE, Site, Wiring

SHAPING = frozenset({
    "Transpose", "Reshape", "Flatten", "Concat", "Split", "Squeeze", "Unsqueeze", "Expand",
    "DepthToSpace", "SpaceToDepth", "Slice", "Gather", "Tile",
})  # fmt: skip
"""Operators whose settings are what a tensor's shape and order are made of."""

STATED = frozenset({
    "Clip", "Pad", "Slice", "Resize", "Range", "OneHot", "Dropout", "TopK", "Where", "Pow",
    "NonMaxSuppression", "Max", "Min", "Equal", "Less", "Greater",
})  # fmt: skip
"""Operators whose constant operands are settings, not weights."""

STOPPED = frozenset({"load_failure", "runtime"})
"""What may be said of a model that computes nothing, whatever the cause."""


def right_classes(
    lane: str, mutator: str, site: Site, after: onnx.ModelProto, *, refused: bool
) -> frozenset[str]:
    """Return the classes of which a finding may call a fault.

    Args:
        lane: ``rules`` or ``blind``.
        mutator: What was done.
        site: Where.
        after: The model that has the fault.
        refused: Whether it does not load or run.
    """
    stopped = STOPPED if refused else frozenset[str]()
    wiring = Wiring(after)
    if lane == "rules":
        from rules.discovery import ours

        named = {rule.slug: rule.fault_class.value for rule in ours()}
        return stopped | {named[mutator], *_entering(wiring, site)}
    return stopped | _of_thing(mutator, site, wiring) | set(_entering(wiring, site))


def _entering(wiring: Wiring, site: Site) -> Iterator[str]:
    """Yield the class that a layout or a scale has right at an input of the model."""
    entrances = {value.name for value in wiring.graph.input}
    for name in site.guilty & wiring.nodes.keys():
        node = wiring.nodes[name]
        if not entrances.intersection(node.input):
            continue
        if node.op_type == "Transpose":
            yield "input_dims"
        if node.op_type in AFFINE and len(wiring.dynamic(name)) == 1:
            yield "preprocessing"


def _of_thing(mutator: str, site: Site, wiring: Wiring) -> frozenset[str]:
    nodes = [wiring.nodes[name] for name in site.guilty if name in wiring.nodes]
    operators = {node.op_type for node in nodes}
    shaping = {"tensor_shape_structure"} if operators & SHAPING else set[str]()
    casting = {"dtype_precision"} if operators & {"Cast", "CastLike"} else set[str]()
    served = set(_served(wiring, site))
    if mutator == "attribute":
        return frozenset({"layer_hyperparameters"} | shaping | casting)
    if mutator.startswith("constant"):
        rounded = {"dtype_precision"} if mutator.endswith("rounded") else set[str]()
        return frozenset({"weights_biases"} | rounded | served)
    exchanged = mutator == "inputs-swapped" and any(
        sum(name in wiring.constants for name in node.input) > 1 for node in nodes
    )
    weights = {"weights_biases"} if exchanged else set[str]()
    return frozenset({"computational_graph"} | shaping | casting | served | weights)


def _served(wiring: Wiring, site: Site) -> Iterator[str]:
    """Yield the classes of constants that a fault's nodes read, if they are of a kind."""
    for name in site.guilty & wiring.nodes.keys():
        node = wiring.nodes[name]
        affine = node.op_type in AFFINE and len(wiring.dynamic(name)) == 1
        if affine:
            yield "weights_biases"
        if node.op_type in STATED or (affine and _single(wiring, node)):
            yield "layer_hyperparameters"


def _single(wiring: Wiring, node: onnx.NodeProto) -> bool:
    """Return whether a node reads one number: a factor, a bound, an epsilon."""
    constants = (wiring.constants[name] for name in node.input if name in wiring.constants)
    return any(max(one.dims, default=1) == 1 for one in constants)
