"""Where NaN and infinity come from."""

from collections.abc import Iterator, Sequence

import numpy as np

from analyzer.core.errors import RunError
from analyzer.core.graph import node_reads
from analyzer.core.report import NotCompared
from analyzer.core.types import Array, Fault, Feeds, Pivot
from analyzer.runtime.dump import dump, instrument
from analyzer.runtime.session import open_session
from analyzer.view import View

NAN = "NaN"
INFINITY = "infinity"


def begins(fault: Fault) -> str:
    """Return what begins in a fault's region, in words; empty where nothing does.

    Args:
        fault: A fault; where the source's results are finite and its inputs are, what is
            not finite in the target's results comes from its own region.
    """
    for sample in fault.recorded:
        if any(_strange(value) for value in sample.inputs.values()):
            continue
        made = [
            _strange(value)
            for name, value in sample.observed.items()
            if name in sample.expected and not _strange(sample.expected[name])
        ]
        if any(made):
            return NAN if NAN in made else INFINITY
    return ""


def hidden_behind(
    source: Pivot, view: View, samples: Sequence[Feeds], outputs: Sequence[Feeds]
) -> tuple[NotCompared, ...]:
    """Return the nodes of the source whose NaN or infinity reaches its outputs.

    Args:
        source: The source.
        view: Its macro graph.
        samples: Samples by source input name.
        outputs: What it gives for them.
    """
    wrong = [n for n, given in enumerate(outputs) if any(map(_strange, given.values()))]
    if not wrong:
        return ()
    counts: dict[tuple[str, str], int] = {}
    session = open_session(instrument(source.model), source.folder)
    for place in wrong:
        try:
            values = dump(session, samples[place])
        except RunError:  # its native runtime takes what ours does not
            return ()
        for key in origins(view, values):
            counts[key] = counts.get(key, 0) + 1
    return tuple(
        NotCompared(
            name,
            f"{what} comes from it on {count} of {len(samples)} samples, and hides what "
            "is computed from that",
        )
        for (name, what), count in counts.items()
    )


def origins(view: View, values: Feeds) -> Iterator[tuple[str, str]]:
    """Yield each node that makes NaN or infinity of finite values, and which of them.

    Args:
        view: A macro graph.
        values: Values of its tensors on one sample.
    """
    for node in view.nodes:
        read = [_strange(values[name]) for name in node_reads(node) if name in values]
        made = [_strange(values[name]) for name in node.outputs if name in values]
        new = next((what for what in made if what and what not in read), "")
        if new and (new == NAN or not any(read)):
            yield node.name, new


def is_hidden(outputs: Sequence[Feeds]) -> bool:
    """Return whether no output holds a finite number on any sample.

    Args:
        outputs: What a model gives, sample by sample.
    """
    arrays = [array for given in outputs for array in given.values() if array.size]
    return bool(arrays) and all(
        array.dtype.kind == "f" and not np.isfinite(array).any() for array in arrays
    )


def _strange(array: Array) -> str:
    """Return what a tensor holds that is no finite number; empty where it holds none."""
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return ""
    return NAN if np.isnan(array).any() else INFINITY
