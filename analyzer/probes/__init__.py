"""The inputs a pair is judged on: the user's own, or drawn from a seed."""

from dataclasses import replace

import numpy as np

from analyzer.core.options import Options
from analyzer.core.report import ProbeSummary
from analyzer.core.types import Feeds, Pivot
from analyzer.probes.examples import led
from analyzer.probes.npz import read_npz
from analyzer.probes.synthetic import draw_synthetic, mixed, redraw, refuse_unknown_names
from analyzer.runtime.session import mapped_bytes

HELD_OUT_EVERY = 4
"""Every fourth of the user's samples, the first among them: a quarter at least, and spread,
so that a file sorted by label keeps every label on both sides."""

HELD_OUT_STREAM = 1
"""The stream of held-out probes; the judged ones are drawn from stream 0."""

FURTHER_STREAM = 3
"""The stream of the probes that an improvement is proven on."""

__all__ = ["draw", "further", "held_out", "split"]


def draw(
    source: Pivot, options: Options, *, hold_out: bool = False
) -> tuple[tuple[Feeds, ...], ProbeSummary]:
    """Return the probes of a run, one sample of all inputs each, and what they are.

    Args:
        source: The model that is right by definition.
        options: Says how many, from which file, seed, ranges and shapes.
        hold_out: Leave out the user's samples that `held_out` gives; for a repair.

    Raises:
        UsageError: The user's file or options do not fit the source's inputs.
    """
    if options.inputs is None:
        count = _affordable(source, options)
        drawn = led(source, options, draw_synthetic(source, options, count=count))
        return drawn, ProbeSummary("synthetic", len(drawn), options.seed)
    refuse_unknown_names(source, options)
    feeds = read_npz(options.inputs, source)
    kept = split(feeds)[0] if hold_out else feeds
    return kept, ProbeSummary("npz", len(kept), options.seed)


def _affordable(source: Pivot, options: Options) -> int:
    """Return how many samples are drawn: fewer than asked for of a model of gigabytes."""
    each = mapped_bytes(source.model)
    if not options.most_read or not each:
        return options.samples
    return max(1, min(options.samples, options.most_read // each))


def held_out(source: Pivot, options: Options, used: tuple[Feeds, ...]) -> tuple[Feeds, ...]:
    """Return probes that a repair never saw.

    They are the user's samples that are not among `used`, where the file has four or more;
    otherwise as many as were used, drawn from another stream: for the user's samples from
    each input's observed range and kind, else as the synthetic ones were.

    Args:
        source: The model that is right by definition.
        options: As they were given to `draw`.
        used: The samples the repair has seen.

    Raises:
        UsageError: The user's file or options do not fit the source's inputs.
    """
    if options.inputs is None:
        return draw_synthetic(source, options, count=len(used), stream=HELD_OUT_STREAM)
    spare = split(read_npz(options.inputs, source))[1]
    unseen = tuple(feeds for feeds in spare if not any(_same(feeds, seen) for seen in used))
    if unseen or not used:
        return unseen
    return tuple(redraw(used, seed=options.seed, stream=HELD_OUT_STREAM))


def further(
    source: Pivot, options: Options, used: tuple[Feeds, ...], count: int
) -> tuple[Feeds, ...]:
    """Return more probes of the kind that a repair was judged by.

    Args:
        source: The model that is right by definition.
        options: As they were given to `draw`.
        used: The samples there are, held-out ones among them.
        count: How many more; fewer of a model of gigabytes.

    Returns:
        Samples drawn from another stream; each between two of the user's where there is a
        file of them.

    Raises:
        UsageError: The user's options do not fit the source's inputs.
    """
    most = min(count, _affordable(source, replace(options, samples=count)))
    if options.inputs is None:
        return draw_synthetic(source, options, count=most, stream=FURTHER_STREAM)
    return tuple(mixed(used, seed=options.seed, stream=FURTHER_STREAM, count=most))


def split(feeds: tuple[Feeds, ...]) -> tuple[tuple[Feeds, ...], tuple[Feeds, ...]]:
    """Return the samples to judge on and the held-out ones, a quarter of four or more."""
    if len(feeds) < HELD_OUT_EVERY:
        return feeds, ()
    kept = tuple(one for place, one in enumerate(feeds) if place % HELD_OUT_EVERY)
    return kept, feeds[::HELD_OUT_EVERY]


def _same(one: Feeds, other: Feeds) -> bool:
    return all(name in other and np.array_equal(one[name], other[name]) for name in one)
