"""Findings that lie in no region: importers, runtimes, and the two models' interfaces."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from onnx import TensorProto

from analyzer.classify import finding_id
from analyzer.core.errors import RunError
from analyzer.core.listing import several
from analyzer.core.options import EVERY_OUTPUT
from analyzer.core.report import InputPair, OutputPair
from analyzer.core.types import (
    Fault,
    FaultClass,
    Finding,
    Fix,
    Node,
    Pair,
    Pivot,
    Region,
    Restate,
    Statement,
    Status,
    Where,
)
from analyzer.core.words import (
    AMPLIFIED_ROUNDING,
    CONSTANT_OUTPUT,
    INTERFACE_DIFFERS,
    RUNTIME_REFUSES,
    UNEXPLAINED,
)
from analyzer.matching.ends import output_names, sizes_fit

AMPLIFICATION = 10.0
"""Times the whole model's measured noise up to which a difference of outputs is put down to
rounding where every region is right: one perturbation samples a chaotic model thinly."""

HALF_STEP = 2.0**-10
"""Relative error of one rounding to half precision, of a constant kept in it."""


def bare_fault(  # noqa: PLR0913 - a fault's own fields
    fault_class: FaultClass,
    problem: str,
    *,
    nodes: Sequence[Node] = (),
    counterparts: Sequence[Node] = (),
    guilty: Sequence[str] = (),
    where: Where = Where.CONVERSION,
    status: Status = Status.FAULT,
    error: float = float("inf"),
    floor: float = 0.0,
    samples: int = 0,
) -> Fault:
    """Return a fault that no isolation run found: it stops a model before it computes.

    Args:
        fault_class: Its class.
        problem: The sentence to report.
        nodes: Target nodes at fault.
        counterparts: The source's nodes that belong to them.
        guilty: Target tensors to name.
        where: Who made it.
        status: What it means for the verdict.
        error: Relative error it makes, infinite where nothing was computed.
        floor: Relative error that rounding makes there.
        samples: Number of samples it was seen on.
    """
    pairs = (
        (Pair(tuple(counterparts), tuple(nodes), 1.0, ("name",)),) if counterparts else ()
    )
    return Fault(
        _region(counterparts),
        _region(nodes),
        (),
        (),
        pairs,
        (),
        (),
        (),
        error,
        floor,
        error,
        samples,
        samples,
        (),
        status,
        where,
        fault_class,
        problem,
        tuple(guilty),
    )


def _region(nodes: Sequence[Node]) -> Region:
    given = {name for node in nodes for name in node.outputs}
    reads = (name for node in nodes for name in node.inputs if name and name not in given)
    outputs = tuple(name for node in nodes[-1:] for name in node.outputs if name)
    return Region(tuple(nodes), tuple(dict.fromkeys(reads)), outputs)


def bare_finding(rule: str, fault: Fault, confidence: float = 0.95) -> Finding:
    """Return the finding of a bare fault, in the words that it brings.

    Args:
        rule: The rule it goes by.
        fault: See `bare_fault`.
        confidence: In [0, 1].
    """
    tensors = fault.guilty[:4]
    return Finding(
        finding_id(rule, (fault.where, *tensors)),
        rule,
        fault.fault_class or FaultClass.RUNTIME,
        fault.status,
        fault.where,
        confidence,
        (),
        (),
        (),
        tensors,
        None,
        None,
        None,
        fault.local_error,
        fault.noise_floor,
        fault.output_error,
        fault.affected,
        fault.samples,
        fault.problem,
        None,
        (),
        None,
        fault,
    )


def interface_faults(
    source: Pivot,
    target: Pivot,
    inputs: Sequence[InputPair],
    told: Collection[str] = (),
) -> Iterator[Finding]:
    """Yield a finding for inputs and outputs that have no counterpart.

    Args:
        source: The source.
        target: The target.
        inputs: Which target input takes which source input.
        told: Outputs of the source that are known to be missing.
    """
    taken = {pair.source for pair in inputs}, {pair.target for pair in inputs}
    lost = [spec.name for spec in source.inputs if spec.name not in taken[0]]
    added = [spec.name for spec in target.inputs if spec.name not in taken[1]]
    if lost or added:
        yield bare_finding(
            INTERFACE_DIFFERS.slug,
            bare_fault(
                FaultClass.INPUT_DIMS,
                f"the source has {len(source.inputs)} inputs and the target "
                f"{len(target.inputs)}: {_listed(lost, added)}",
                guilty=added,
            ),
        )
    for pair in inputs:
        yield from _sizes(source, target, pair)
    names = output_names(source, target)
    held = {*told, *(one for one, _ in names)}
    gone = [spec.name for spec in source.outputs if spec.name not in held]
    new = [s.name for s in target.outputs if s.name not in {other for _, other in names}]
    if gone or new:
        finding = bare_finding(
            INTERFACE_DIFFERS.slug,
            bare_fault(
                FaultClass.COMPUTATIONAL_GRAPH,
                f"the source has {len(source.outputs)} outputs and the target "
                f"{len(target.outputs)}: {_listed(gone, new)}",
                guilty=new,
            ),
        )
        yield finding if gone else replace(finding, fix=_without(new))


def _without(outputs: Sequence[str]) -> Fix:
    """Return the fix that takes outputs out which the source has not."""
    edits = tuple(Restate(Statement.NO_OUTPUT, name) for name in outputs)
    return Fix(f"Give {several(outputs)} no more", edits)


def superfluous(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings of outputs that only the target has, which can be taken out.

    Args:
        findings: Any.
    """
    told = (one for one in findings if one.rule == INTERFACE_DIFFERS.slug)
    return tuple(one for one in told if one.fix is not None)


def _sizes(source: Pivot, target: Pivot, pair: InputPair) -> Iterator[Finding]:
    """Yield a finding for an input that both sides declare with different fixed sizes."""
    one = next(spec for spec in source.inputs if spec.name == pair.source)
    other = next(spec for spec in target.inputs if spec.name == pair.target)
    if one.shape is None or other.shape is None:
        return
    order = pair.permutation or tuple(range(len(one.shape)))
    moved = tuple(one.shape[axis] for axis in order)
    if sizes_fit(moved, other.shape):
        return
    problem = (
        f"input {pair.target} is declared {_shown(other.shape)}, the source's "
        f"{pair.source} {_shown(moved)}: no sample fits both"
    )
    yield bare_finding(
        INTERFACE_DIFFERS.slug,
        bare_fault(FaultClass.INPUT_DIMS, problem, guilty=(pair.target,)),
    )


def _shown(shape: Sequence[int | str | None]) -> str:
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


def _listed(lost: Sequence[str], added: Sequence[str]) -> str:
    both = ("lacks", lost), ("adds", added)
    return "; ".join(f"the target {verb} {several(n)}" for verb, n in both if n)


def refusal_findings(target: Pivot, refusal: RunError | None) -> Iterator[Finding]:
    """Yield a finding for a target whose own runtime stops although its pivot runs."""
    if refusal is None:
        return
    verb = "does not load" if refusal.loading else "does not run"
    kind = FaultClass.LOAD_FAILURE if refusal.loading else FaultClass.RUNTIME
    problem = f"{target.path.name} {verb} in its own runtime: {refusal.problem}"
    guilty = (refusal.node,) if refusal.node else ()
    yield bare_finding(
        RUNTIME_REFUSES.slug,
        bare_fault(kind, problem, guilty=guilty, where=Where.RUNTIME),
    )


def constant_findings(
    target: Pivot, outputs: Sequence[OutputPair], dynamic: Collection[str]
) -> Iterator[Finding]:
    """Yield a finding for each output that differs although no input reaches it.

    Args:
        target: The target.
        outputs: Native outputs, compared.
        dynamic: Target tensors that depend on the values of the inputs.
    """
    kinds = {tensor.data_type for tensor in target.model.graph.initializer}
    step = HALF_STEP if TensorProto.FLOAT16 in kinds else 0.0
    for pair in outputs:
        if pair.within or pair.target in dynamic:
            continue
        yield bare_finding(
            CONSTANT_OUTPUT.slug,
            bare_fault(
                FaultClass.WEIGHTS_BIASES,
                f"output {pair.target} is a constant and deviates by "
                f"{pair.relative_error:.3g} of its largest value from the source's",
                guilty=(pair.target,),
                status=Status.DRIFT if pair.relative_error <= step else Status.FAULT,
                error=pair.relative_error,
                floor=max(pair.noise_floor, step),
            ),
        )


def leftovers(
    outputs: Sequence[OutputPair],
    regions: int,
    *,
    whole: bool,
    lossy: bool,
    stated: Collection[str] = (),
    decided: Collection[str] = (),
) -> Iterator[Finding]:
    """Yield a finding for each output that differs although no region is at fault.

    Where everything was compared and the difference stays near what rounding does to the
    whole model, the model amplifies rounding; where it is larger, or not finite, something
    is wrong that no region shows.

    Args:
        outputs: Native outputs, compared.
        regions: Number of tensors whose regions were each seen to be right.
        whole: Whether every operator of the target was compared.
        lossy: Whether the target declares fewer bits, which explains any finite difference.
        stated: Outputs for which the user gave a tolerance; nothing excuses exceeding it.
        decided: Target outputs behind an operator that decides: rounding flips it wherever
            its operands come close, and how far the output moves then says nothing.
    """
    for pair in outputs:
        error = pair.relative_error
        finite = error < float("inf")
        known = {pair.source, pair.target, EVERY_OUTPUT} & set(stated)
        if pair.within or (lossy and finite and not known):
            continue
        near = finite and error <= AMPLIFICATION * pair.noise_floor
        if not known and whole and (near or pair.target in decided):
            yield _amplified(pair, regions)
        else:
            yield _unaccounted(pair, regions)


def _amplified(pair: OutputPair, regions: int) -> Finding:
    problem = (
        f"output {pair.target} deviates by {pair.relative_error:.3g} of its largest value "
        f"although each of {regions} regions, fed the source's values, computes the same "
        f"within rounding: the model amplifies rounding"
    )
    return bare_finding(
        AMPLIFIED_ROUNDING.slug,
        bare_fault(
            FaultClass.DTYPE_PRECISION,
            problem,
            guilty=(pair.target,),
            status=Status.DRIFT,
            error=pair.relative_error,
            floor=pair.noise_floor,
        ),
    )


def _unaccounted(pair: OutputPair, regions: int) -> Finding:
    problem = (
        f"output {pair.target} deviates by {pair.relative_error:.3g} of its largest value, "
        f"rounding explains {pair.noise_floor:.3g}, and none of {regions} regions deviates "
        f"when fed the source's values: what makes it could not be compared apart"
    )
    return bare_finding(
        UNEXPLAINED.slug,
        bare_fault(
            FaultClass.COMPUTATIONAL_GRAPH,
            problem,
            guilty=(pair.target,),
            error=pair.relative_error,
            floor=pair.noise_floor,
        ),
        confidence=0.5,
    )
