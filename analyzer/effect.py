"""Does a fault reach anybody? What no reader notices is latent, or a matter of spelling."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx
from onnx import TensorProto

from analyzer.arithmetic import COMPUTED
from analyzer.core.graph import node_reads
from analyzer.core.types import Aspect, Difference, Fault, Node, Status
from analyzer.judge import (
    HALF_UNIT,
    INT8_LEVELS,
    NEGLIGIBLE,
    QUANTIZING,
    ROUNDING,
    narrows,
)
from analyzer.matching.tensors import Links
from analyzer.regions import reached
from analyzer.view import View
from analyzer.view.absorb import LAYOUT_OPS
from analyzer.view.classes import MOVING_OPS

INTRODUCED = (
    LAYOUT_OPS
    | MOVING_OPS
    | frozenset(
        {
            "Add",
            "Sub",
            "Mul",
            "Div",
            "Clip",
            "Relu",
            "Concat",
            "Pad",
            "MatMul",
            "Gemm",
            "Conv",
            "BatchNormalization",
        }
        | {
            "Min",
            "Max",
            "Round",
            "Floor",
            "FusedConv",
            "FusedMatMul",
            "ReduceMin",
            "ReduceMax",
        }
    )
)
"""What a quantizer puts into a graph besides its own operators: scales, biases, bounds."""


BETWEEN = frozenset({"QuantizeLinear", "DequantizeLinear"})
"""Quantizing operators that stand between a model's own, which go on to take floats."""

FLOATING = frozenset(
    {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}
)
"""Element types that a Cast rounds to; it cuts off what the others cannot hold."""

DECIDING = frozenset(
    {"ArgMax", "ArgMin", "TopK", "Round", "Floor", "Ceil", "Sign", "NonMaxSuppression"}
    | {"Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "NonZero", "Unique"}
    | {"QuantizeLinear", "DynamicQuantizeLinear", "Mod", "Compress", "ThresholdedRelu"}
    | {"Hardmax", "Shrink"}
)
"""Operators that are not continuous: the smallest step of an operand may flip them."""


def decided_outputs(view: View) -> frozenset[str]:
    """Return the outputs that depend on an operator that decides by what was rounded.

    Args:
        view: The macro graph of the model.
    """
    deciding = (
        node for node in view.nodes if _decides(node) and _reads_rounded(node, view)
    )
    names = (name for node in deciding for name in node.outputs if name)
    return computed_from(view, names) & frozenset(view.outputs)


def _decides(node: Node) -> bool:
    """Return whether a node is not continuous: a Cast is not where it gives no floats."""
    return node.op in DECIDING or (
        node.op == "Cast" and node.attributes.get("to") not in FLOATING
    )


EXACT = frozenset(
    {"Abs", "And", "Cast", "Concat", "Expand", "Flatten", "Gather", "Identity", "Max"}
    | {"Min", "Neg", "Not", "Or", "Pad", "Relu", "Reshape", "Slice", "Split", "Squeeze"}
    | {"Tile", "Transpose", "Unsqueeze", "Where", "Xor"}
)
"""Operators that give numbers as they came: nothing is rounded in them."""


def _reads_rounded(node: Node, view: View) -> bool:
    """Return whether rounding can change what a node decides by: inputs are exact."""
    waiting, seen = list(node.inputs), set[str]()
    while waiting:
        name = waiting.pop()
        giver = view.giver.get(name)
        if giver is None or name in seen:
            continue
        seen.add(name)
        if giver.op not in EXACT and not _decides(giver):
            return True
        waiting += giver.inputs
    return False


NARROW = ROUNDING * HALF_UNIT
"""Relative error that rounding to half precision leaves in what reads a tensor."""

RECURRENT = frozenset({"RNN", "LSTM", "GRU"})
"""Operators that stand for many."""

REDUCING = frozenset(
    {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare"}
    | {"GlobalAveragePool", "GlobalMaxPool", "AveragePool", "MaxPool"}
    | {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp"}
)
"""Operators that make one number of many: a quantizer takes none of them for another one,
unless the result is the same."""


def noticed(
    faults: Sequence[Fault],
    view: View,
    links: Links,
    ordinary: Sequence[Mapping[str, float]],
    right: Sequence[Mapping[str, float]] = (),
) -> tuple[Fault, ...]:
    """Return the faults that somebody notices, and as latent those whose cause nobody does.

    In an ordinary run the target's own, deviating value flows on. Where every tensor that
    is next computed from it still agrees with the source's, on every sample, the deviation
    is masked (an infinite against a very negative mask, what a ReLU cuts off) or the pair
    is no pair (a fused activation against the sum before it). An output that deviates all
    the same must have a fault behind it: then none of those behind it is masked.

    Args:
        faults: Root faults.
        view: The target's macro graph.
        links: Tensor pairs by target tensor.
        ordinary: Errors of those pairs in ordinary runs, one mapping a sample.
        right: The same of what is next computed, where no other fault reaches it; none:
            in ordinary runs none does.
    """
    reads = reached(view, links.keys())
    limit = NARROW if any(narrows(node) for node in view.nodes) else NEGLIGIBLE
    reach = [computed_from(view, fault.target.outputs) for fault in faults]
    masked = {
        n
        for n, fault in enumerate(faults)
        if _is_masked(
            fault,
            view,
            reads,
            right or ordinary,
            limit if np.isinf(fault.local_error) else NEGLIGIBLE,
        )
    }
    for name in view.outputs:
        behind = {n for n, tensors in enumerate(reach) if name in tensors}
        deviates = any(sample.get(name, 0.0) > limit for sample in ordinary)
        if deviates and behind <= masked:
            masked -= behind
    latent = (
        replace(fault, status=Status.LATENT) if n in masked else fault
        for n, fault in enumerate(faults)
        if n not in masked or has_cause(fault)
    )
    return tuple(latent)


def watched(faults: Iterable[Fault], view: View, links: Links) -> frozenset[str]:
    """Return the paired tensors on which it shows whether faults are noticed.

    Args:
        faults: Root faults.
        view: The target's macro graph.
        links: Tensor pairs by target tensor.

    Returns:
        The outputs, and what is next computed from what the faults' regions give.
    """
    results = {name for fault in faults for name in fault.target.outputs}
    reads = reached(view, links.keys())
    behind = (name for name in links if reads.get(name, frozenset()) & results)
    return frozenset((*behind, *(name for name in view.outputs if name in links)))


def beyond_spelling(
    faults: Sequence[Fault], view: View, errors: Mapping[str, float]
) -> tuple[Fault, ...]:
    """Return the faults that are more than another spelling of the same model.

    Where every output agrees within rounding, on every sample, a region that deviates is
    told from a wrong pair (an unrolled loop against the loop) only by its cause: a setting,
    a weight or an operator with which it is right.

    Args:
        faults: Root faults.
        view: The target's macro graph.
        errors: Largest error of each pair in ordinary runs, by target tensor.
    """
    if any(errors.get(name, np.inf) > NEGLIGIBLE for name in view.outputs):
        return tuple(faults)
    return tuple(fault for fault in faults if has_cause(fault) or fault.fault_class)


def computed_from(view: View, names: Iterable[str]) -> frozenset[str]:
    """Return every tensor that depends on some tensors, those among them."""
    found = set(names)
    for node in view.nodes:
        if not found.isdisjoint(node_reads(node)):
            found.update(name for name in node.outputs if name)
    return frozenset(found)


def _is_masked(
    fault: Fault,
    view: View,
    reads: Mapping[str, frozenset[str]],
    ordinary: Sequence[Mapping[str, float]],
    limit: float,
) -> bool:
    results = set(fault.target.outputs)
    if results & set(view.outputs) or not ordinary:
        return False
    readers = [name for name, edges in reads.items() if edges & results]
    known = [n for n in readers if any(n in sample for sample in ordinary)]
    return bool(known) and all(
        sample.get(name, 0.0) <= limit for name in known for sample in ordinary
    )


def has_cause(fault: Fault) -> bool:
    """Return whether the cause test found what would undo the deviation.

    What the file computes on the way (a mask of infinities, or of the least number there
    is) is no cause where nobody notices the difference.

    Args:
        fault: A root fault.
    """
    return any(
        fault.is_cured_by(diff) and diff.field != COMPUTED for diff in fault.differences
    )


def lenient(
    faults: Sequence[Fault],
    model: onnx.ModelProto,
    stays: Callable[[Fault], bool] = lambda _: False,
) -> tuple[Fault, ...]:
    """Return the faults, those of a quantized target without a proven cause as drift.

    A converter that quantizes moves and merges operators (a ReLU into the grid's lower end,
    a bias behind the integer product), so that tensors of both sides resemble each other
    without being the same; only a setting or a weight that cures its region, and that no
    eight-bit grid explains, is a fault there. A grid explains a weight beside a quantizer:
    floats that stand on one where nothing is quantized were rounded by something else.
    Where integers are but put between the model's own operators, none is merged with them
    that does not read or give any: its region is judged as in any other model. What stays
    as wrong without any grid is no quantizer's doing either.

    Args:
        faults: Root faults.
        model: The target's proto.
        stays: Says of a fault that its region is as wrong off its grids.
    """
    quantizing = [n for n in model.graph.node if n.op_type.startswith(QUANTIZING)]
    if not quantizing:
        return tuple(faults)
    touched = {name for node in quantizing for name in (*node.input, *node.output)}
    merged = any(node.op_type not in BETWEEN for node in quantizing)
    return tuple(
        fault
        if _is_proven(fault, touched)
        or _is_exchanged(fault)
        or not (merged or _is_beside(fault, touched))
        or stays(fault)
        else replace(fault, status=Status.DRIFT)
        for fault in faults
    )


def _is_beside(fault: Fault, touched: Collection[str]) -> bool:
    """Return whether a fault's region reads or gives what a quantizing operator does."""
    part = fault.target
    ends = {*part.inputs, *part.outputs, *(n for one in part.nodes for n in one.inputs)}
    return not ends.isdisjoint(touched)


def _is_exchanged(fault: Fault) -> bool:
    """Return whether the target computes with an operator that no quantizer brings in."""
    ours = {node.op for node in fault.source.nodes}
    if ours & RECURRENT:  # a quantizer unrolls them into whatever they are made of
        return False
    theirs = {node.op for node in fault.target.nodes}
    if ours & REDUCING and theirs & REDUCING and not ours & theirs & REDUCING:
        return True
    strange = (op for op in theirs if op not in ours)
    return any(op not in INTRODUCED and not op.startswith(QUANTIZING) for op in strange)


def _is_proven(fault: Fault, touched: Collection[str]) -> bool:
    """Return whether a fault has a cause that is no quantizer's doing.

    Args:
        fault: A root fault.
        touched: What the target's quantizing operators read and give.
    """
    beside = _is_beside(fault, touched)
    return fault.fault_class is not None or any(
        fault.is_cured_by(diff)
        and (diff.aspect in PROVING or _is_lost_or_exchanged(diff))
        and not (beside and _is_on_grid(diff))
        for diff in fault.differences
    )


PROVING = frozenset({Aspect.WEIGHT, Aspect.ATTRIBUTE, Aspect.GRID})
"""What a difference that cures its region is about, for it to be no quantizer's doing."""


def _is_lost_or_exchanged(difference: Difference) -> bool:
    """Return whether the source's own operator, put where it was, is what cures."""
    target = difference.target_node
    return (
        difference.aspect is Aspect.OPERATOR
        and difference.source_node is not None
        and (target is None or not target.op.startswith(QUANTIZING))
    )


def _is_on_grid(difference: Difference) -> bool:
    """Return whether a weight differs by no more than one step of an eight-bit grid."""
    one, other = difference.source, difference.target
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray):
        return False
    if one.shape != other.shape or not one.size:
        return False
    step = 2.0 * float(np.max(np.abs(one))) / INT8_LEVELS
    return bool(np.max(np.abs(one.astype(np.float64) - other)) <= step)
