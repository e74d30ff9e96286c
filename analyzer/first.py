"""What the first sample shows of both models: which of their tensors are pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.bench import Bench
from analyzer.core.report import InputPair
from analyzer.core.types import Feeds
from analyzer.isolation import Kind, kinds
from analyzer.matching.layouts import Layout, pair
from analyzer.matching.operators import OperatorPair
from analyzer.matching.overrides import Named, stated_links
from analyzer.matching.tensors import Link, Links, agrees, linked
from analyzer.outputs import output_layouts
from analyzer.samples import ordinary_errors, outputs_of


@dataclass(frozen=True, slots=True, eq=False)
class First:
    """What the first sample shows.

    Attributes:
        ends: Links that hold by definition: inputs, outputs, what the user states.
        links: All links that the sample proposes, by target tensor.
        errors: Errors of those links, by target tensor.
        outputs: Outputs of the source and of the target.
        sized: Those without tensors of different sizes (a pad of its own against one inside
            the convolution), which are no pairs in two models that agree.
        known: Kind of each target tensor.
    """

    ends: Links
    links: Links
    errors: Mapping[str, float]
    outputs: tuple[Feeds, Feeds]
    sized: Links
    known: Mapping[str, Kind]


def first_look(
    bench: Bench,
    operators: Sequence[OperatorPair],
    named: Named,
    evidence: frozenset[str],
) -> First:
    """Return what the first sample shows of both sides.

    Args:
        bench: What the samples are run on.
        operators: Operator pairs from weights and structure.
        named: Nodes or tensors that the user states to be pairs, source first.
        evidence: Kinds of evidence that pairs may rest on.
    """
    given = bench.given(0)
    seen = bench.seen(0, given)
    ends = _end_links(bench.inputs, bench.outputs, given, seen)
    ends |= stated_links(bench.target.view, named, given, seen)
    views = bench.source.view, bench.target.view
    links = linked(*views, given, seen, operators, ends, evidence=evidence)
    errors = ordinary_errors(links, given, seen)
    sized = {name: link for name, link in links.items() if np.isfinite(errors.get(name, 0))}
    outputs = outputs_of(views[0], given), outputs_of(views[1], seen)
    return First(ends, links, errors, outputs, {**sized, **ends}, kinds(seen))


def _end_links(
    inputs: Sequence[InputPair],
    names: tuple[tuple[str, str], ...],
    given: Feeds,
    seen: Feeds,
) -> dict[str, Link]:
    """Return the links that hold by definition: inputs, outputs where sizes allow."""
    links = {
        both.target: Link(
            pair(both.source, both.target, Layout(both.permutation, None), exact=True),
            1.0,
            (both.why,),
        )
        for both in inputs
    }
    for (one, other), layout in output_layouts(names, given, seen, inputs).items():
        exact = agrees(given[one], seen[other], pair(one, other, layout, exact=False))
        links[other] = Link(pair(one, other, layout, exact=exact), 1.0, ("output",))
    return links
