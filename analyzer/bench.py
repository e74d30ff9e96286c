"""What a sample is run on: both models, with every tensor an output."""

from dataclasses import dataclass
from pathlib import Path

import onnx

from analyzer.core.report import InputPair
from analyzer.core.types import Array, Feeds, Pivot
from analyzer.isolation import Side
from analyzer.localize import Probe
from analyzer.matching.ends import target_feeds
from analyzer.runtime.dump import dump, instrument
from analyzer.runtime.session import Session
from analyzer.runtime.spill import Room, Spilled, open_dumping


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """Both sides, their dumping sessions, and what feeds what.

    Attributes:
        source: The source.
        target: As much of the target as runs.
        ours: A session that gives every tensor of the source.
        theirs: The same of the target; None where nothing of it runs.
        inputs: Which target input takes which source input.
        origin: The source as it was loaded.
        pivot: The target as it was loaded.
        probes: Samples by source input name.
    """

    source: Side
    target: Side
    ours: Session | Spilled
    theirs: Session | Spilled | None
    inputs: tuple[InputPair, ...]
    origin: Pivot
    pivot: Pivot
    probes: tuple[Feeds, ...]

    @property
    def groups(self) -> int:
        """In how many runs a sample's tensors are dumped, at most."""
        spilled = [one for one in (self.ours, self.theirs) if isinstance(one, Spilled)]
        return max((one.groups for one in spilled), default=1)

    def given(self, place: int) -> dict[str, Array]:
        """Return the source's values of one sample, by tensor name."""
        return dump(self.ours, self.probes[place])

    def feeds(self, place: int) -> dict[str, Array]:
        """Return the target's inputs of one sample, by name."""
        return target_feeds(self.probes[place], self.inputs, self.pivot)

    def flowing(self, probe: Probe) -> dict[str, Array]:
        """Return the target's values for a probe in an ordinary run, as far as it runs."""
        return {} if self.theirs is None else dump(self.theirs, probe.feeds)

    def seen(self, place: int) -> dict[str, Array]:
        """Return the target's values of one sample, by tensor name, as far as it runs."""
        feeds = self.feeds(place)
        return feeds if self.theirs is None else dump(self.theirs, feeds)


def dumping_session(
    model: onnx.ModelProto, folder: Path, room: Room
) -> Session | Spilled | None:
    """Return a session that gives every tensor; None for a model without nodes.

    Args:
        model: The proto; it is not changed.
        folder: The folder its external locations are relative to.
        room: Bytes that one dump may take.

    Raises:
        RunError: The runtime does not load it.
    """
    return open_dumping(instrument(model), folder, room) if model.graph.node else None
