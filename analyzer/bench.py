"""What a sample is run on: both models, with every tensor an output."""

from collections.abc import Callable
from dataclasses import dataclass, field

import onnx

from analyzer.breakage import Runnable
from analyzer.congruence import congruence_of
from analyzer.core.report import InputPair
from analyzer.core.types import Array, Feeds, Pivot
from analyzer.matching.ends import output_names, target_feeds
from analyzer.matching.twins import Same, same_bytes
from analyzer.runtime.dump import dump, instrument
from analyzer.runtime.session import Session
from analyzer.runtime.spill import Room, Spilled, open_dumping, put_away, room_for
from analyzer.sides import Isolator, Side, isolation_run
from analyzer.view import View

SOURCE, TARGET = "source", "target"

KEPT = 1 << 25
"""Bytes of dumps that are kept to be looked at again; of what does not fit, the source's
newest stays, what is held lies in a temporary file, and all else is run again."""


class Dumps:
    """Dumps of samples, kept as long as they take little together.

    Args:
        limit: Bytes that may be kept.
    """

    __slots__ = ("_kept", "_left", "_newest")

    def __init__(self, limit: int = KEPT) -> None:
        self._left = limit
        self._newest = -1
        self._kept: dict[tuple[str, int], dict[str, Array]] = {}

    def of(
        self, side: str, place: int, run: Callable[[], dict[str, Array]]
    ) -> dict[str, Array]:
        """Return a sample's values on one side, from its run unless they are kept.

        Args:
            side: Which of the two models.
            place: The sample's number.
            run: Gives the values, by tensor name.
        """
        if (side, place) in self._kept:
            return self._kept[side, place]
        if side == SOURCE:
            self._kept.pop((SOURCE, self._newest), None)  # before the next one comes
            self._newest = -1
        values = run()
        size = sum(value.nbytes for value in values.values())
        if size <= self._left:
            self._left -= size
            self._kept[side, place] = values
        elif side == SOURCE:
            self._newest = place
            self._kept[side, place] = values
        return values

    def hold(
        self, side: str, place: int, run: Callable[[], dict[str, Array]]
    ) -> dict[str, Array]:
        """Return the same as `of`, and keep it: in a temporary file where it is large.

        Args:
            side: Which of the two models.
            place: The sample's number.
            run: Gives the values, by tensor name.
        """
        values = self.of(side, place, run)
        is_passing = side == SOURCE and place == self._newest
        if is_passing or (side, place) not in self._kept:
            self._kept[side, place] = put_away(values)
        if is_passing:
            self._newest = -1
        return self._kept[side, place]


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """Both sides, their dumping sessions, and what feeds what.

    Attributes:
        source: The source.
        target: As much of the target as runs.
        ours: A session that gives every tensor of the source.
        inputs: Which target input takes which source input.
        origin: The source as it was loaded.
        pivot: The target as it was loaded.
        probes: Samples by source input name.
        outputs: The outputs that belong together, the source's first.
        flow: The target as it is run in ordinary runs.
        groups: In how many runs a sample's tensors are dumped, at most.
        same: Says whether two constants hold the same bytes, and knows of what it said.
        dumps: What has been run already.
    """

    source: Side
    target: Side
    ours: Session | Spilled
    inputs: tuple[InputPair, ...]
    origin: Pivot
    pivot: Pivot
    probes: tuple[Feeds, ...]
    outputs: tuple[tuple[str, str], ...]
    flow: Side
    groups: int
    same: Same
    dumps: Dumps = field(default_factory=Dumps)

    def given(self, place: int) -> dict[str, Array]:
        """Return the source's values of one sample, by tensor name."""
        return self.dumps.of(SOURCE, place, lambda: dump(self.ours, self.probes[place]))

    def held(self, place: int) -> dict[str, Array]:
        """Return the source's values of one sample, which are needed again and again."""
        return self.dumps.hold(SOURCE, place, lambda: dump(self.ours, self.probes[place]))

    def feeds(self, place: int) -> dict[str, Array]:
        """Return the target's inputs of one sample, by name."""
        return target_feeds(self.probes[place], self.inputs, self.pivot)

    def flowing(self, place: int, given: Feeds) -> dict[str, Array]:
        """Return the target's values of one sample, none where nothing of it runs.

        Args:
            place: The sample's number.
            given: The source's values of it.
        """
        return self.seen(place, given) if self.flow.model.graph.node else {}

    def seen(self, place: int, given: Feeds) -> dict[str, Array]:
        """Return the target's values of one sample, by tensor name, as far as it runs.

        Args:
            place: The sample's number.
            given: The source's values of it: some of the target's are known to be the same.
        """
        feeds = self.feeds(place)

        def run() -> dict[str, Array]:
            known = self.flow.known({}, {}, given, feeds)
            return dict(isolation_run(self.flow, {}, feeds, known))

        return self.dumps.of(TARGET, place, run)


def bench_of(  # noqa: PLR0913 - both models, and all they are run on
    source: Pivot,
    target: Pivot,
    working: Runnable,
    probes: tuple[Feeds, ...],
    inputs: tuple[InputPair, ...],
    views: tuple[View, View],
    outputs: tuple[tuple[str, str], ...] | None,
    max_memory: int,
    same: Same = same_bytes,
) -> Bench:
    """Return what the samples are run on, within the memory there is.

    Args:
        source: The source's pivot.
        target: The target's pivot.
        working: As much of the target's proto as runs.
        probes: Samples by source input name.
        inputs: Which target input takes which source input.
        views: The macro graphs of both.
        outputs: The outputs that belong together; None: by name, sizes and place.
        max_memory: Bytes that tensors' values may take, 0 for no bound.
        same: Says whether two constants hold the same bytes.

    Raises:
        RunError: The runtime does not load one of them.
    """
    fed = target_feeds(probes[0], inputs, target)
    rooms = (
        room_for(source.model, probes[0], max_memory),
        room_for(target.model, fed, max_memory),
    )
    taken = {both.target: both.source for both in inputs if both.permutation is None}
    whole = working.model, target.folder, views[1]
    alike = congruence_of(*views, taken, same)
    dumped = instrument(source.model), instrument(working.model)
    return Bench(
        Side(source.model, source.folder, views[0], Isolator(rooms[0])),
        Side(*whole, Isolator(rooms[1]), alike),
        open_dumping(dumped[0], source.folder, rooms[0]),
        inputs,
        source,
        target,
        probes,
        output_names(source, target) if outputs is None else outputs,
        Side(*whole, Isolator(rooms[1]), alike),
        max(map(_groups, dumped, rooms)),
        same,
        Dumps(min(KEPT, rooms[0].limit or KEPT)),
    )


def _groups(dumped: onnx.ModelProto, room: Room) -> int:
    """Return in how many runs an instrumented model gives its outputs within a room."""
    return len(room.groups([value.name for value in dumped.graph.output]))
