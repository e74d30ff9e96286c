"""From two pivots and their probes to pairs and root faults."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from analyzer.agreement import agreement
from analyzer.bench import Bench, bench_of
from analyzer.breakage import Runnable
from analyzer.congruence import Sameness
from analyzer.core.options import Options, Progress
from analyzer.core.report import InputPair, NotCompared
from analyzer.core.types import Fault, Feeds, Pivot, TensorPair
from analyzer.first import first_look
from analyzer.isolation import Kind
from analyzer.matching.operators import OperatorPair, operator_pairs
from analyzer.matching.overrides import Named, stated
from analyzer.matching.tensors import Links
from analyzer.samples import Probe
from analyzer.suspects import suspects, without_doubles
from analyzer.view import View, view_of


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What comparing the values of two pivots gave.

    Attributes:
        source: The source's macro graph.
        target: The target's macro graph.
        links: Tensor pairs by target tensor.
        operators: Operator pairs from weights and structure.
        faults: Root faults and drift, worst first.
        propagated: Tensors that deviate only because another one does.
        gaps: Relative deviation of each pivot's outputs from its native runtime's, by
            sample; none of a model that does not run.
        missed: What could not be compared.
        outputs: Outputs of both models, sample by sample; the target's only where it runs.
        groups: Runs in which a sample's tensors were dumped; 1: all at once.
    """

    source: View
    target: View
    links: Links
    operators: tuple[OperatorPair, ...]
    faults: tuple[Fault, ...]
    propagated: int
    gaps: tuple[tuple[float, ...], tuple[float, ...]]
    missed: tuple[NotCompared, ...]
    outputs: tuple[tuple[Feeds, ...], tuple[Feeds, ...]]
    groups: int

    @property
    def tensors(self) -> tuple[TensorPair, ...]:
        """The tensor pairs alone."""
        return tuple(link.tensors for link in self.links.values())


def compare_values(  # noqa: PLR0913 - both pivots and all that they are compared on
    source: Pivot,
    target: Pivot,
    working: Runnable,
    probes: tuple[Feeds, ...],
    inputs: tuple[InputPair, ...],
    native: tuple[Sequence[Feeds], Sequence[Feeds]],
    options: Options,
    progress: Progress,
    names: Named = (),
    outputs: tuple[tuple[str, str], ...] | None = None,
) -> Compared:
    """Return the tensor pairs of two pivots and the regions where the target is wrong.

    Args:
        source: The source's pivot.
        target: The target's pivot.
        working: As much of the target's proto as runs.
        probes: Samples by source input name.
        inputs: Which target input takes which source input.
        native: Outputs of both native runtimes, sample by sample.
        options: Seed and tolerances.
        progress: Told what is being done.
        names: Nodes or tensors that the user states to be pairs, source first.
        outputs: The outputs that belong together; None: by name, sizes and place.
    """
    left, right = view_of(source.model, source.folder), view_of(target.model, target.folder)
    sizes = f"{len(left.operators)} with {len(right.operators)}"
    progress(f"matching operators, {sizes}", 0.0)
    given = tuple(stated(left, right, names))
    ends = {pair.source: pair.target for pair in inputs}
    alike = Sameness()
    operators = operator_pairs(left, right, ends, given, options.evidence, alike)
    views = left, right
    bench = bench_of(
        source, target, working, probes, inputs, views, outputs, options.max_memory, alike
    )
    first = first_look(bench, operators, names, options.evidence)
    nothing: tuple[tuple[Feeds, ...], tuple[Feeds, ...]] = (), ()
    gaps: tuple[tuple[float, ...], tuple[float, ...]] = (), ()
    result = Compared(
        left, right, first.links, operators, (), 0, gaps, (), nothing, bench.groups
    )
    if working.refusal is None:
        same = agreement(bench, first, native, options, progress)
        if same is not None:
            agreed = replace(result, links=same.links, gaps=same.gaps, outputs=same.outputs)
            return replace(agreed, faults=latent(bench, agreed, first.known, options))
    from analyzer.search import searched  # two models that agree need nothing of it

    return searched(bench, first, result, working, native, options, progress)


def latent(
    bench: Bench,
    found: Compared,
    known: Mapping[str, Kind],
    options: Options,
    deviating: Collection[str] = (),
) -> tuple[Fault, ...]:
    """Return the faults that no sample excites, where something differs on paper.

    Args:
        bench: What the samples were run on.
        found: What comparing their values gave.
        known: Kind of each target tensor.
        options: Seed of what is drawn.
        deviating: Target tensors that are wrong already.
    """
    right = {name: link for name, link in found.links.items() if name not in deviating}
    links = without_doubles(bench.source, bench.target, right)
    suspected = suspects(
        bench.source, bench.target, links, found.operators, found.faults, bench.same
    )
    if not suspected:
        return ()
    from analyzer.latent import latent_faults  # most pairs differ in nothing

    last = len(bench.probes) - 1  # the one that was looked at last
    return latent_faults(
        bench.source,
        bench.target,
        links,
        suspected,
        Probe(bench.given(last), bench.feeds(last)),
        known,
        samples=len(bench.probes),
        seed=options.seed,
    )
